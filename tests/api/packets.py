"""What the API tests of packets share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from reports.formats import names
from reports.formats.period import Period
from reports.models import Packet, PacketCountersignature
from reports.services import outcomes, signing
from sealing import digests
from tests.api.evidence import Caller
from tests.factories import PASSWORD, World
from tests.services.reports import packing
from tests.services.reports.plans import plan, service_key

DOOR = "/api/compliance/soc2-packet"
PACKETS = "/api/compliance/packets"
VERIFY = f"{PACKETS}/verify"
CERTIFICATE = "/api/compliance/certificate"
# As people write a month.
JANUARY = {"startDate": "2026-01-01T00:00:00.000Z", "endDate": "2026-01-31T23:59:59.999Z"}
QUERY = {**JANUARY, "client_id": "clinic-001"}


def stored(
    world: World,
    *,
    by: str | None = "olivia",
    client: str | None = "clinic-001",
    period: Period = packing.JANUARY,
    at: datetime | None = None,
    **more: Any,
) -> Packet:
    """A complete packet with its four files, signed by the service; what they say is short.

    What doors do with a packet does not depend on what it says, and rendering takes seconds.
    """
    if by is not None:
        more |= {"maker": world.person(by), "maker_account": world.user(by)}
    made = plan(client, period.start, period.end, at=at, vault_mode="none", **more)
    final = names.files(made.name)
    document = b'{"packetId":"%b"}\n' % made.name.encode()
    raw = {final.json: document, final.pdf: short_pdf(made, digests.sha256_tag(document))}
    raw |= {f"{name}.sig": signing.sig_line(data) for name, data in list(raw.items())}
    write(made, raw)
    Packet.objects.filter(pk=made.pk).update(
        status="complete",
        json_sha256=digests.sha256_tag(raw[final.json]),
        json_size_bytes=len(raw[final.json]),
        pdf_sha256=digests.sha256_tag(raw[final.pdf]),
        pdf_size_bytes=len(raw[final.pdf]),
        files=[
            {
                "name": name,
                "size_bytes": len(data),
                "sha256": digests.sha256_tag(data),
                "media_type": outcomes.media_type_of(name),
            }
            for name, data in sorted(raw.items())
        ],
        completed_at=timezone.now(),
    )
    made.refresh_from_db()
    return made


def short_pdf(packet: Packet, json_sha256: str) -> bytes:
    """No PDF, but it names its packet as one does."""
    return f"%PDF-1.7 short ({packet.name}, JSON packet {json_sha256})\n".encode()


def countersigned(world: World, packet: Packet, *, by: str = "oscar") -> bytes:
    """Adds what countersigning adds to a packet of `stored`; the PDF is returned."""
    final = names.files(packet.name)
    pdf = short_pdf(packet, packet.json_sha256) + b"signed twice\n"
    sig = signing.sig_line(pdf)
    write(packet, {final.countersigned: pdf, final.countersigned_sig: sig})
    PacketCountersignature.objects.create(
        packet=packet,
        maker=packet.maker,
        person=world.person(by),
        account=world.user(by),
        key=packing.key_of(world, by),
        signer=by,
        signed_at=timezone.now(),
        meaning="reviewed",
        nonce="0" * 32,
        json_sha256=packet.json_sha256,
        first_pdf_sha256=packet.pdf_sha256,
        pdf_sha256=digests.sha256_tag(pdf),
        pdf_size_bytes=len(pdf),
        sig_sha256=digests.sha256_tag(sig),
    )
    return pdf


def countersign(world: World, who: str, packet: Packet, **changes: Any) -> Any:
    """The answer to somebody who countersigns with a key of his own."""
    body = {"password": PASSWORD, **changes}
    if "signing_key_id" not in body:
        body["signing_key_id"] = packing.key_of(world, who).key_id
    return Caller(world, who).post(f"{PACKETS}/{packet.name}/countersign", body)


def write(packet: Packet, raw: dict[str, bytes]) -> None:
    """Working copies of a packet's files."""
    folder = Path(settings.EVIDENCE_PACKAGE_DIR) / packet.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in raw.items():
        (folder / name).write_bytes(data)


def file(packet: Packet, suffix: str) -> Path:
    """Where a file of a packet lies."""
    return Path(settings.EVIDENCE_PACKAGE_DIR) / packet.folder / f"{packet.name}{suffix}"


def month(number: int) -> Period:
    """A month of 2025."""
    end = datetime(2025, number + 1, 1, tzinfo=UTC) if number < 12 else packing.JANUARY.start
    return Period(datetime(2025, number, 1, tzinfo=UTC), end)


__all__ = [
    "CERTIFICATE",
    "DOOR",
    "JANUARY",
    "PACKETS",
    "QUERY",
    "VERIFY",
    "countersign",
    "countersigned",
    "file",
    "month",
    "packing",
    "plan",
    "service_key",
    "stored",
]
