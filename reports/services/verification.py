"""Verification of packets for those who ask the installation: by name, or of files they send."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Final

import structlog
from django.conf import settings
from django.utils import timezone

from access import policy
from access.roles import Action
from audit.events import Actor
from audit.services import keys, tokens
from evidence.services.checking import human
from reports import selectors
from reports.formats import names
from reports.formats.packet_report import PacketReport
from reports.formats.verification import PacketFilesGiven, verify_packet
from reports.models import Packet
from reports.services import anchoring, countersigned_files, record_checks, writing
from reports.services.errors import RequestRefused
from sealing import digests
from sealing.errors import Forbidden, NotFound, TooLarge
from sealing.files import PathRefused
from sealing.results import Finding
from sealing.timestamps import CertificatesRefused

log = structlog.get_logger(__name__)
_UNFINISHED: Final = Finding(
    "packet_unfinished", None, "The packet was not made to its end: nothing is recorded of it."
)


def verify_stored(*, actor: Actor, name: str, require_countersign: bool = False) -> PacketReport:
    """Verify the stored files of a packet, and that they are those that were recorded.

    Args:
        actor: who asks.
        name: the packet.
        require_countersign: ask for a countersignature even where the packet asks for none.

    Raises:
        NotFound: there is no such packet in the actor's scope. Forbidden.
    """
    packet = selectors.by_name(actor=actor, name=name, action=Action.VERIFY)
    report = check(packet, require_countersign=require_countersign)
    return report if packet.is_complete else report.with_findings([_UNFINISHED])


def verify_upload(
    *, actor: Actor, files: PacketFilesGiven, require_countersign: bool = False
) -> PacketReport:
    """Verify files that somebody sent; nothing is stored.

    Raises:
        Forbidden: the actor may not verify anything at all. RequestRefused: there is no file.
    """
    scope = policy.scope(actor.account, Action.VERIFY)
    if not scope.all_clients and not scope.client_ids:
        raise Forbidden("Verification needs a role for at least one client.")
    if files.is_empty:
        raise RequestRefused("Send at least one file of a packet.", field="json")
    return check_files(files, require_countersign=require_countersign)


def check(packet: Packet, *, require_countersign: bool = False) -> PacketReport:
    """Verify the working copies of a packet as they lie on the disk.

    For a complete packet, that they are those of the record too, that they say so themselves, and
    that the log tells of them.
    """
    given = _stored(packet)
    report = check_files(given, require_countersign=require_countersign)
    if not packet.is_complete:
        return report
    differs = record_checks.against_record(packet, given, report)
    return report.with_findings([*_against_digests(packet, given), *differs])


def check_files(files: PacketFilesGiven, *, require_countersign: bool = False) -> PacketReport:
    """Verify files against the keys, the log and the timestamp authority of this installation."""
    signers = keys.signers()
    given = (files.json, files.pdf, files.countersigned)
    known = [digests.sha256_tag(raw) for raw in given if raw is not None]

    def verify(certificates: bytes | None) -> PacketReport:
        return verify_packet(
            files,
            signers,
            now=timezone.now(),
            require_countersign=require_countersign,
            tsa_certificates=certificates,
            anchors=anchoring.known(known, signers),
            human=human,
        )

    if not settings.TSA_CERTIFICATES:
        return verify(None)
    try:
        return verify(tokens.certificates())
    except CertificatesRefused as error:
        # Everything else can be checked; the report notes that the timestamps were not.
        log.error("timestamps can't be checked", reason=error.message)
        return verify(None)


def _stored(packet: Packet) -> PacketFilesGiven:
    return PacketFilesGiven(**{field: _read(packet, name) for field, name in _names(packet)})


def _names(packet: Packet) -> Iterator[tuple[str, str]]:
    """The files of a packet, by the field of `PacketFilesGiven`."""
    named = names.files(packet.name)
    for field in fields(PacketFilesGiven):
        yield field.name, getattr(named, field.name)


def _read(packet: Packet, name: str) -> bytes | None:
    try:
        return writing.read(writing.file_of(packet, name))
    except NotFound:
        # A countersigned file that is recorded may not have been given its name yet.
        return countersigned_files.waiting(packet, name)
    except (TooLarge, PathRefused):
        # Something is there that no file of a packet can be: it is not absent, it is wrong.
        return b""


def _against_digests(packet: Packet, given: PacketFilesGiven) -> Iterator[Finding]:
    """Which files are not those whose digests are recorded."""
    recorded = {str(entry["name"]): str(entry["sha256"]) for entry in packet.files}
    recorded |= {entry.name: entry.sha256 for entry in countersigned_files.entries(packet)}
    for field, name in _names(packet):
        raw = getattr(given, field)
        if name not in recorded:
            if raw is not None:
                yield Finding("record_missing", False, f"{name} is not recorded.", name)
        elif raw is None:
            yield Finding(
                "packet_file_missing", False, f"{name} is recorded, and it is gone.", name
            )
        elif digests.sha256_tag(raw) != recorded[name]:
            yield Finding(
                "record_digest_differs", False, f"{name} is not the file that was recorded.", name
            )
