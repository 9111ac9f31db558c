"""Who acted, with the role held at that time, looked up once for a page; and what was taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from access.admin.components import CustodyStep
from access.models import Grant, User
from access.roles import Role
from audit.models import AuditEvent
from sealing import canonical

_PERSON = "user:"
_PARTS = {"service:worker": "Strongroom, the worker"}


@dataclass(frozen=True, slots=True)
class Cast:
    """The accounts that a page names, and every grant that they ever held."""

    accounts: Mapping[str, User]
    grants: Mapping[int, tuple[Grant, ...]]

    @classmethod
    def of(cls, actor_ids: Iterable[str], accounts: Iterable[User] = ()) -> Cast:
        """The people behind these actors and accounts."""
        known = {f"{_PERSON}{account.username}": account for account in accounts}
        wanted = {actor for actor in actor_ids if actor.startswith(_PERSON)} - known.keys()
        names = [actor.removeprefix(_PERSON) for actor in wanted]
        for account in User.objects.filter(username__in=names).select_related("person"):
            known[f"{_PERSON}{account.username}"] = account
        held: dict[int, list[Grant]] = {}
        ids = [account.pk for account in known.values()]
        for grant in Grant.objects.filter(user__in=ids).select_related("group"):
            held.setdefault(grant.user_id, []).append(grant)
        return cls(known, {pk: tuple(grants) for pk, grants in held.items()})

    def who(self, actor_id: str) -> Any:
        """The account of an actor; a part of Strongroom or a service by its name."""
        return self.accounts.get(actor_id) or _PARTS.get(actor_id) or actor_id.partition(":")[2]

    def role(self, account: Any, moment: datetime | None, client_id: str | None) -> str | None:
        """The roles that an account held for a client then; None where it held none."""
        if not isinstance(account, User) or moment is None:
            return None
        names = {
            grant.group.name
            for grant in self.grants.get(account.pk, ())
            if grant.created_at <= moment
            and (grant.revoked_at is None or grant.revoked_at > moment)
            and grant.client_id in (None, client_id)
        }
        return ", ".join(role.value for role in Role if role.value in names) or None


def taken_step(event: AuditEvent, client_id: str | None, cast: Cast) -> CustodyStep:
    """That a file was downloaded, or a countersignature refused."""
    account = cast.who(event.actor_id)
    data = canonical.loads(event.event.encode())["data"]
    refused = event.outcome == "denied"
    return CustodyStep(
        what="Countersignature refused" if refused else f"Downloaded {data['file']}",
        who=account,
        at=event.occurred_at,
        state="denied" if refused else "unknown",
        role=cast.role(account, event.occurred_at, client_id),
        digest=None if refused else data["sha256"],
        detail=data["code"].replace("_", " ") if refused else "",
    )
