"""The world that the tests act in: two clients, a handful of people and their keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from access.models import Client, Person, User
    from audit.events import Actor
    from audit.models import SigningKey

PASSWORD = "correct horse battery staple 7"
CLIENTS = ("clinic-001", "clinic-002")
# username, display name, role, client (None: all clients), username whose person it shares
PEOPLE: tuple[tuple[str, str, str | None, str | None, str | None], ...] = (
    ("alice", "Alice Admin", "admin", None, None),
    ("olivia", "Olivia Officer", "compliance-officer", None, None),
    ("oscar", "Oscar Officer", "compliance-officer", None, None),
    ("olivia2", "Olivia Officer", "compliance-officer", None, "olivia"),
    ("audrey", "Audrey Auditor", "auditor", "clinic-001", None),
    ("omar", "Omar Operator", "operator", "clinic-001", None),
    ("ben", "Ben Officer", "compliance-officer", "clinic-002", None),
    ("nobody", "Nobody Here", None, None, None),
)
SERVICES = (("svc-clinic-001", "clinic-001"), ("svc-clinic-002", "clinic-002"))


def prepare_world() -> None:
    """Writes the world with the services that an installation would use."""
    from access.models import User
    from access.roles import Role
    from audit.events import Actor
    from ops.services import people

    alice, olivia = (
        {"username": name, "display_name": display, "password": PASSWORD}
        for name, display, *_ in PEOPLE[:2]
    )
    people.bootstrap(admin=alice, officer=olivia)
    actor = Actor.of(User.objects.get(username="alice"))
    officer = Actor.of(User.objects.get(username="olivia"))
    clients: dict[str, Client] = {
        name: people.create_client(actor=actor, client_id=name, name=name.title())
        for name in CLIENTS
    }
    for username, display_name, role, client, shares in PEOPLE[2:]:
        if shares:
            person = Actor.of(User.objects.get(username=shares))
            user = people.create_own_account(actor=person, username=username, password=PASSWORD)
        else:
            user = people.create_person_account(
                actor=actor, username=username, display_name=display_name, password=PASSWORD
            )
        if role:
            people.grant(
                actor=actor, user=user, role=Role(role), client=clients[client] if client else None
            )
    for username, client in SERVICES:
        service = people.create_service_account(actor=actor, username=username)
        people.grant(actor=actor, user=service, role=Role.AUTOMATION, client=clients[client])
    root = User.objects.create_superuser("root", password=PASSWORD)
    assert root.person_id is not None and officer.account is not None


@dataclass
class World:
    """Looks up what `prepare_world` wrote; makes keys when they are first asked for."""

    password: str = PASSWORD
    _raw_api_keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls) -> World:
        """The world in the database that Django uses now."""
        return cls()

    def user(self, username: str) -> User:
        """The account of that name."""
        from access.models import User

        return User.objects.get(username=username)

    def person(self, username: str) -> Person:
        """The person behind the account of that name."""
        person = self.user(username).person
        assert person is not None
        return person

    def client(self, client_id: str = "clinic-001") -> Client:
        """The client of that id."""
        from access.models import Client

        return Client.objects.get(pk=client_id)

    def actor(self, username: str) -> Actor:
        """Somebody who acts by that account."""
        from audit.events import Actor

        return Actor.of(self.user(username))

    def key(self, username: str) -> SigningKey:
        """The active signing key of that account's person."""
        from audit.models import SigningKey
        from audit.services import keys

        user = self.user(username)
        found = SigningKey.objects.filter(person_id=user.person_id, status="active").first()
        if found is not None:
            return found
        assert user.person is not None
        return keys.create_person_key(
            actor=self.actor(username), person=user.person, password=self.password
        )

    def api_key(self, username: str = "svc-clinic-001") -> str:
        """A raw API key of that service account."""
        from ops.services import people

        if username not in self._raw_api_keys:
            _, raw = people.issue_api_key(
                actor=self.actor("alice"), user=self.user(username), label="tests"
            )
            self._raw_api_keys[username] = raw
        return self._raw_api_keys[username]
