"""What the desk shows: navigation by work, the cards and panels of the first page, the client.

Rooms to the left add to it through `register_nav`, `register_card` and `register_panel`, called
from their `AppConfig.ready()`. The first page that is drawn freezes the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from access import policy
from access.admin.components import Tone
from access.models import Client
from access.roles import Action, Role

SESSION_KEY = "strongroom_client"
T = TypeVar("T")


class Section(StrEnum):
    """The sections of the navigation, in their order; one without items is not shown."""

    DESK = "Desk"
    PACKAGES = "Packages"
    PACKETS = "Packets"
    RUNBOOKS = "Runbooks & incidents"
    AUDIT_TRAIL = "Audit trail"
    APPROVALS = "Approvals"
    CONTROLS = "Controls"
    ADMINISTRATION = "Administration"


@dataclass(frozen=True, slots=True)
class NavItem:
    """One link of the navigation.

    Attributes:
        section: a `Section`, or its words.
        label: the link's words.
        url_name: what `reverse()` takes, without arguments.
        action: shown to whoever may do this for at least one client; None: to everybody.
        order: place within the section.
        platform: shown only to those who may do it for all clients.
    """

    section: Section | str
    label: str
    url_name: str
    action: Action | None = None
    order: int = 100
    platform: bool = False


@dataclass(frozen=True, slots=True)
class CardData:
    """What a card of the first page says.

    Attributes:
        title: the question it answers ("What waits for me").
        value: the answer in a word or number.
        detail: a sentence more.
        state: the tone (`Tone`), which also chooses the icon.
        url: the list it leads to, filtered.
    """

    title: str
    value: str
    detail: str = ""
    state: Tone | str = Tone.NEUTRAL
    url: str | None = None


@dataclass(frozen=True, slots=True)
class DeskCard:
    """A card of the first page; ``render`` returns None where it does not concern the viewer."""

    order: int
    render: Callable[[HttpRequest], CardData | None]


@dataclass(frozen=True, slots=True)
class PanelData:
    """A short table below the cards.

    Attributes:
        title: its heading.
        columns: the headings of its columns.
        rows: cells, plain or safe markup of `access.admin.components`.
        empty: the sentence for when there is nothing.
        url: the whole list.
        note: a line below it, such as what its marks mean.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str
    url: str | None = None
    note: Any = ""


@dataclass(frozen=True, slots=True)
class DeskPanel:
    """A table of the first page; ``render`` returns None where it does not concern the viewer."""

    order: int
    render: Callable[[HttpRequest], PanelData | None]


@dataclass(frozen=True, slots=True)
class NavLink:
    """A link as it is drawn."""

    label: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class NavSection:
    """A section as it is drawn."""

    label: str
    links: tuple[NavLink, ...]


@dataclass(frozen=True, slots=True)
class Crumb:
    """A step of the crumb trail; the page's own has no address."""

    label: str
    url: str | None = None


@dataclass
class Desk:
    """The registry of navigation, cards and panels."""

    items: list[NavItem] = field(default_factory=list)
    cards: list[DeskCard] = field(default_factory=list)
    panels: list[DeskPanel] = field(default_factory=list)
    is_frozen: bool = False

    def add(self, entry: NavItem | DeskCard | DeskPanel) -> None:
        """Adds an entry; refused once a page was drawn, and for a link that is there already."""
        if self.is_frozen:
            raise RuntimeError("the desk is frozen: register in AppConfig.ready()")
        if isinstance(entry, NavItem):
            Section(entry.section)
            if any(known.url_name == entry.url_name for known in self.items):
                raise ValueError(f"{entry.url_name} is in the navigation already")
            self.items.append(entry)
        elif isinstance(entry, DeskCard):
            self.cards.append(entry)
        else:
            self.panels.append(entry)

    def navigation(self, request: HttpRequest) -> list[NavSection]:
        """The sections and links that ``request.user`` may follow, the current one marked."""
        return _remembered(request, f"navigation {id(self)}", lambda: self._navigation(request))

    def _navigation(self, request: HttpRequest) -> list[NavSection]:
        self.is_frozen = True
        places = list(Section)
        sections: dict[Section, list[NavLink]] = {}
        for item in sorted(self.items, key=lambda i: (places.index(Section(i.section)), i.order)):
            if not _may_follow(request, item):
                continue
            try:
                url = reverse(item.url_name)
            except NoReverseMatch as error:
                raise LookupError(
                    f"navigation names an unknown address: {item.url_name}"
                ) from error
            link = NavLink(item.label, url, _is_current(request, url))
            sections.setdefault(Section(item.section), []).append(link)
        return [NavSection(name.value, tuple(links)) for name, links in sections.items()]

    def card_data(self, request: HttpRequest) -> list[CardData]:
        """The cards that concern ``request.user``."""
        self.is_frozen = True
        drawn = (card.render(request) for card in sorted(self.cards, key=lambda c: c.order))
        return [data for data in drawn if data is not None]

    def panel_data(self, request: HttpRequest) -> list[PanelData]:
        """The tables that concern ``request.user``."""
        self.is_frozen = True
        drawn = (panel.render(request) for panel in sorted(self.panels, key=lambda p: p.order))
        return [data for data in drawn if data is not None]


desk = Desk(items=[NavItem(Section.DESK, "Desk", "admin:index", order=0)])


def register_nav(item: NavItem) -> None:
    """Adds a link to the navigation."""
    desk.add(item)


def register_card(card: DeskCard) -> None:
    """Adds a card to the first page."""
    desk.add(card)


def register_panel(panel: DeskPanel) -> None:
    """Adds a table to the first page."""
    desk.add(panel)


def _may_follow(request: HttpRequest, item: NavItem) -> bool:
    if item.action is None:
        return True
    scope = scope_of(request, item.action)
    return scope.all_clients if item.platform else bool(scope)


def _is_current(request: HttpRequest, url: str) -> bool:
    if url == reverse("admin:index"):
        return request.path == url
    return request.path.startswith(url)


def _remembered(request: HttpRequest, name: str, find: Callable[[], T]) -> T:
    """Grants don't change within a request: what was asked once is not asked again."""
    found: dict[str, Any] = request.__dict__.setdefault("_strongroom_desk", {})
    if name not in found:
        found[name] = find()
    return found[name]  # type: ignore[no-any-return]


def roles_of(request: HttpRequest) -> frozenset[Role]:
    """The roles of the account that asks."""
    return _remembered(request, "roles", lambda: policy.roles_of(request.user))


def scope_of(request: HttpRequest, action: Action) -> policy.Scope:
    """For which clients the account that asks may do ``action``."""
    return _remembered(request, f"scope {action}", lambda: policy.scope(request.user, action))


def clients_of(request: HttpRequest) -> list[Client]:
    """The clients that the account that asks may look at, by name."""

    def find() -> list[Client]:
        scope = scope_of(request, Action.VIEW)
        clients = Client.objects.order_by("name")
        return list(clients if scope.all_clients else clients.filter(pk__in=scope.client_ids))

    return _remembered(request, "clients", find)


def current_client(request: HttpRequest) -> str | None:
    """The id of the client that lists are narrowed to; None means all that may be seen.

    A choice that is no longer within the account's grants counts as none.
    """
    chosen = request.session.get(SESSION_KEY)
    if chosen and any(client.pk == chosen for client in clients_of(request)):
        return str(chosen)
    return None


def choose_client(request: HttpRequest, client_id: str) -> bool:
    """Remembers the client to narrow lists to (an empty id: all); tells whether it was allowed."""
    if client_id and all(client.pk != client_id for client in clients_of(request)):
        return False
    request.session[SESSION_KEY] = client_id
    return True
