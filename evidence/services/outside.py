"""Asks outside services about a package, and keeps whatever they answer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from evidence.models import Package, Receipt, ReceiptKind
from evidence.services.errors import ExternalServiceFailed, PackageFileMissing
from sealing import external
from sealing.external import DISABLED, OK, SKIPPED, ArchiveRequest, Endpoint, Outcome

MAX_STATUS = 400
# Nobody had the request, or whoever had it refused it (4xx), or said "not now".
_NOTHING_DONE = tuple(
    f"FAILED: {reason}" for reason in ("address_refused:", "no_connection:", "http_4", "http_503:")
)
# The fault is on our side: what lies on the disk is not what was signed.
_OURS = frozenset({"package_differs", "package_unreadable"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking an outside service.

    Attributes:
        status: ``OK``, ``FAILED: …``, ``SKIPPED`` (not asked for) or ``DISABLED``.
        receipt: its receipt as JSON; None unless the status is ``OK``.
    """

    status: str
    receipt: dict[str, Any] | None = None

    @property
    def is_ok(self) -> bool:
        """Whether there is a receipt."""
        return self.status == OK


def endpoint(url: str, *, upload: bool = False) -> Endpoint | None:
    """An endpoint of the settings; None where none is configured."""
    if not url:
        return None
    ca_file = settings.COMPLIANCE_EVIDENCE_EXTERNAL_CA_FILE
    return Endpoint(
        url,
        token=settings.COMPLIANCE_EVIDENCE_EXTERNAL_AUTH_TOKEN,
        timeout_seconds=settings.COMPLIANCE_EVIDENCE_EXTERNAL_TIMEOUT_SECONDS,
        allowed_networks=tuple(
            ipaddress.ip_network(item)
            for item in settings.COMPLIANCE_EVIDENCE_EXTERNAL_ALLOWED_NETWORKS
        ),
        upload=upload,
        ca_file=Path(ca_file) if ca_file else None,
    )


def archive(package: Package, *, digest: str, size_bytes: int, path: Path) -> Answer:
    """Hands the package to the external archive, unless an earlier attempt has its receipt.

    Raises:
        ExternalServiceFailed: it failed, and the request wants it to succeed.
        PackageFileMissing: the file is not the one that was signed.
    """
    if not package.external_worm:
        return Answer(SKIPPED)
    target = endpoint(
        settings.COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT,
        upload=settings.COMPLIANCE_EVIDENCE_EXTERNAL_WORM_UPLOAD,
    )
    if target is None:
        return settled(package, ReceiptKind.EXTERNAL_WORM, Answer(DISABLED))
    before = _before(package)
    if before is not None:
        return settled(package, ReceiptKind.EXTERNAL_WORM, before)
    request = ArchiveRequest(
        bundle_id=package.bundle_id,
        package_sha256=digest,
        package_size_bytes=size_bytes,
        package_name=f"{package.bundle_id}.zip",
        retention_policy=package.retention_policy,
        kms_key_id=package.kms_key_id or None,
        lock_at_least=package.retain_until,
    )
    outcome = external.archive(target, request, path if target.upload else None)
    keep(package, ReceiptKind.EXTERNAL_WORM, [outcome])
    if outcome.reason in _OURS:
        raise PackageFileMissing("The package on the disk is not the one that was just signed.")
    return settled(package, ReceiptKind.EXTERNAL_WORM, answer_of(outcome))


def _before(package: Package) -> Answer | None:
    """What an earlier attempt was told; None if nothing was told that could have been acted upon.

    An archive whose answer was lost may have the package: it is not asked again by itself, since
    what is locked there twice can't be taken away.
    """
    asked = package.receipts.filter(kind=ReceiptKind.EXTERNAL_WORM)
    found = asked.filter(outcome=OK).first() or asked.order_by("-created_at").first()
    if found is None or found.outcome.startswith(_NOTHING_DONE):
        return None
    return Answer(found.outcome, found.receipt)


def answer_of(outcome: Outcome[Any]) -> Answer:
    """The status and receipt of an exchange."""
    receipt = None if outcome.receipt is None else outcome.receipt.document()
    return Answer(outcome.status[:MAX_STATUS], receipt)


def settled(package: Package, kind: ReceiptKind, answer: Answer) -> Answer:
    """The answer, if the package can live with it.

    Raises:
        ExternalServiceFailed: it is not OK, and the request wants it to be.
    """
    if package.external_require_success and not answer.is_ok:
        raise ExternalServiceFailed(f"{kind.label}: {answer.status}")
    return answer


def keep(package: Package, kind: ReceiptKind, outcomes: Iterable[Outcome[Any]]) -> None:
    """Stores every exchange, whatever was answered."""
    Receipt.objects.bulk_create(
        Receipt(
            package=package,
            kind=kind,
            endpoint=attempt.url[:500],
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
            http_status=attempt.http_status,
            outcome=attempt.outcome[:MAX_STATUS],
            body=attempt.body,
            body_sha256=attempt.body_sha256,
            receipt=None if attempt.receipt is None else attempt.receipt.document(),
        )
        for outcome in outcomes
        for attempt in outcome.attempts
    )
