"""What is recorded: the types of our own events, and who acts in them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

if TYPE_CHECKING:
    from access.models import User

RECORDER = "strongroom"


class EventType(StrEnum):
    """Every type of event that Strongroom itself records."""

    ACCESS_APIKEY_CREATED = "access.apikey.created"
    ACCESS_APIKEY_REVOKED = "access.apikey.revoked"
    ACCESS_CLIENT_CREATED = "access.client.created"
    ACCESS_DENIED = "access.denied"
    ACCESS_FACTOR_ADDED = "access.factor.added"
    ACCESS_FACTOR_REMOVED = "access.factor.removed"
    ACCESS_GRANT_CREATED = "access.grant.created"
    ACCESS_GRANT_REVOKED = "access.grant.revoked"
    ACCESS_LOGIN_FAILED = "access.login.failed"
    ACCESS_LOGIN_SUCCEEDED = "access.login.succeeded"
    ACCESS_LOGOUT = "access.logout"
    ACCESS_PASSWORD_CHANGED = "access.password.changed"  # noqa: S105
    ACCESS_PEOPLE_MERGED = "access.people.merged"
    ACCESS_TOKEN_ISSUED = "access.token.issued"  # noqa: S105
    ACCESS_TOKEN_REVOKED = "access.token.revoked"  # noqa: S105
    ACCESS_USER_CREATED = "access.user.created"
    ACCESS_USER_DEACTIVATED = "access.user.deactivated"
    AUDIT_ARCHIVER_FAILED = "audit.archiver.failed"
    AUDIT_ARCHIVER_PAUSED = "audit.archiver.paused"
    AUDIT_ARCHIVER_RECOVERED = "audit.archiver.recovered"
    AUDIT_ARCHIVER_RESUMED = "audit.archiver.resumed"
    AUDIT_CHECKPOINT_REFUSED = "audit.checkpoint.refused"
    AUDIT_DUTY_RECORDED = "audit.duty.recorded"
    AUDIT_EVENT_SET_ASIDE = "audit.event.set_aside"
    AUDIT_KEY_COMPROMISED = "audit.key.compromised"
    AUDIT_KEY_CREATED = "audit.key.created"
    AUDIT_KEY_RETIRED = "audit.key.retired"
    AUDIT_LEGAL_HOLD_PLACED = "audit.legal_hold.placed"
    AUDIT_LEGAL_HOLD_RELEASED = "audit.legal_hold.released"
    AUDIT_LOCAL_COPIES_RELEASED = "audit.local_copies.released"
    AUDIT_LOG_RESTORED = "audit.log.restored"
    AUDIT_OBJECTS_QUARANTINED = "audit.objects.quarantined"
    AUDIT_RELAY_FAILED = "audit.relay.failed"
    AUDIT_RELAY_RECOVERED = "audit.relay.recovered"
    AUDIT_RESTORE_DRILL_FINISHED = "audit.restore_drill.finished"
    AUDIT_RETENTION_CHANGED = "audit.retention.changed"
    AUDIT_RETENTION_SHORT = "audit.retention.short"
    AUDIT_SEGMENTS_REPLAYED = "audit.segments.replayed"
    AUDIT_SWEEP_PAUSED = "audit.sweep.paused"
    AUDIT_SWEEP_RESUMED = "audit.sweep.resumed"
    AUDIT_TIMESTAMPS_FAILED = "audit.timestamps.failed"
    AUDIT_TIMESTAMPS_RECOVERED = "audit.timestamps.recovered"
    AUDIT_VERIFICATION_FINISHED = "audit.verification.finished"
    EVIDENCE_ARTIFACT_DOWNLOADED = "evidence.artifact.downloaded"
    EVIDENCE_ARTIFACT_RECEIVED = "evidence.artifact.received"
    EVIDENCE_DEPOSIT_LOCK_CHANGED = "evidence.deposit.lock_changed"
    EVIDENCE_KEY_REWRAPPED = "evidence.key.rewrapped"
    EVIDENCE_PACKAGE_COUNTERSIGNED = "evidence.package.countersigned"
    EVIDENCE_PACKAGE_COUNTERSIGN_REFUSED = "evidence.package.countersign_refused"
    EVIDENCE_PACKAGE_DOWNLOADED = "evidence.package.downloaded"
    EVIDENCE_PACKAGE_EXPORTED = "evidence.package.exported"
    EVIDENCE_PACKAGE_EXPORT_FAILED = "evidence.package.export_failed"
    EVIDENCE_PACKAGE_LOCK_CHANGED = "evidence.package.lock_changed"
    EVIDENCE_PACKAGE_STAMPED = "evidence.package.stamped"
    EVIDENCE_SECRET_ROTATED = "evidence.secret.rotated"  # noqa: S105
    EVIDENCE_VAULT_AUDITED = "evidence.vault.audited"
    EVIDENCE_VAULT_DELAYED = "evidence.vault.delayed"
    EVIDENCE_VAULT_DIFFERS = "evidence.vault.differs"
    OPS_APPROVAL_APPROVED = "ops.approval.approved"
    OPS_APPROVAL_EXPIRED = "ops.approval.expired"
    OPS_APPROVAL_REFUSED = "ops.approval.refused"
    OPS_APPROVAL_REJECTED = "ops.approval.rejected"
    OPS_APPROVAL_REQUESTED = "ops.approval.requested"
    OPS_APPROVAL_USED = "ops.approval.used"
    OPS_APPROVAL_VOIDED = "ops.approval.voided"
    OPS_APPROVAL_WITHDRAWN = "ops.approval.withdrawn"
    OPS_JOB_CREATED = "ops.job.created"
    OPS_JOB_DISABLED = "ops.job.disabled"
    OPS_JOB_ENABLED = "ops.job.enabled"
    OPS_RUN_FAILED = "ops.run.failed"
    OPS_RUN_REQUESTED = "ops.run.requested"
    OPS_RUN_SUCCEEDED = "ops.run.succeeded"
    REPORTS_CERTIFICATE_ISSUED = "reports.certificate.issued"
    REPORTS_CONTROL_ASSESSED = "reports.control.assessed"
    REPORTS_PACKET_COUNTERSIGNED = "reports.packet.countersigned"
    REPORTS_PACKET_COUNTERSIGN_REFUSED = "reports.packet.countersign_refused"
    REPORTS_PACKET_DOWNLOADED = "reports.packet.downloaded"
    REPORTS_PACKET_FAILED = "reports.packet.failed"
    REPORTS_PACKET_GENERATED = "reports.packet.generated"


# The first words of types that only Strongroom may record: of every type above, and of the rooms.
OWN_PREFIXES = frozenset(
    {kind.value.partition(".")[0] for kind in EventType}
    | {"access", "audit", "evidence", "ops", "reports", "runbooks", RECORDER}
)

_UNPRINTABLE = re.compile(r"[^ -~]+")
_USER_AGENT_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where.

    Attributes:
        id: ``user:<name>`` for people, ``service:<name>`` for service accounts and for parts of
            Strongroom, ``anonymous`` for whoever has not signed in.
        account: the account, if there is one.
        person_id: the person behind the account, if there is one.
        ip, user_agent: where the request came from.
        request_id: the id that logs, errors and events of one request share.
    """

    id: str
    account: User | None = None
    person_id: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None

    @classmethod
    def of(cls, user: User | AnonymousUser, request: HttpRequest | None = None) -> Actor:
        """Somebody who acts by an account, in a request if one is given."""
        if isinstance(user, AnonymousUser):
            return cls.anonymous(request)
        kind = "service" if user.is_service else "user"
        return cls(
            id=f"{kind}:{user.username}",
            account=user,
            person_id=str(user.person_id) if user.person_id else None,
            **_origin_of(request),
        )

    @classmethod
    def of_request(cls, request: Any) -> Actor:
        """Whoever sent a request, Django's or that of the API; recognised or not."""
        # The API's request wraps Django's, which knows where it came from.
        return cls.of(request.user, getattr(request, "_request", request))

    @classmethod
    def system(cls, name: str) -> Actor:
        """A part of Strongroom that acts by itself, such as the worker."""
        return cls(id=f"service:{name}")

    @classmethod
    def anonymous(cls, request: HttpRequest | None) -> Actor:
        """Somebody who has not signed in."""
        return cls(id="anonymous", **_origin_of(request))

    def as_event_actor(self) -> dict[str, str]:
        """The event's ``actor`` member."""
        known = {"id": self.id}
        if self.person_id is not None:
            known["person"] = self.person_id
        return known

    def as_event_source(self) -> dict[str, str] | None:
        """The event's ``source`` member; None where there was no request."""
        known = {"ip": self.ip, "user_agent": self.user_agent}
        return {name: value for name, value in known.items() if value} or None


def _origin_of(request: HttpRequest | None) -> dict[str, Any]:
    if request is None:
        return {}
    agent = request.META.get("HTTP_USER_AGENT", "")
    return {
        "ip": _address(request.META.get("REMOTE_ADDR", "")),
        "user_agent": _UNPRINTABLE.sub("?", agent)[:_USER_AGENT_CHARACTERS] or None,
        "request_id": getattr(request, "request_id", None),
    }


def _address(text: str) -> str | None:
    # A server behind a Unix socket gives no address, or one that is none.
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
