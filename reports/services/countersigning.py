"""Countersigns packets: another person signs the PDF's second field with a key of his own.

The row is the truth of who signed, and the event stands with it. Both files are written aside
before the row is committed: in a file that nobody is shown, a signature that no row knows of is
none, and it is taken away by whoever signs next. In the other order, the row first, a crash would
leave an acknowledged signature whose bytes exist nowhere, since they can't be made without the
person. After the commit the files are put in their place (`countersigned_files.finish`).
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from access import policy
from access.models import Person, User
from access.roles import Action
from audit import failpoints
from audit.events import Actor, EventType
from audit.models import SigningKey
from audit.services import keys, trail
from evidence.formats.check_countersign import PURPOSE
from evidence.services import violations
from evidence.services.requests import MAX_MEANING, MAX_NOTE, text
from evidence.services.vault import errors as vault_errors
from reports import selectors
from reports.formats import names, pdf_signing
from reports.models import Packet, PacketCountersignature
from reports.services import certificates, countersigned_files, signing, verification, writing
from reports.services.errors import (
    AlreadyCountersigned,
    CountersignerIsMaker,
    KeyIsNotYours,
    NotAPerson,
    PacketNotValid,
    PacketUnfinished,
    ReauthenticationFailed,
    SignerIsNotYou,
)
from sealing import digests
from sealing.errors import Conflict, Forbidden, NotFound, StrongroomError, TooLarge

MEANING: Final = "reviewed and approved"
# What the trigger of the table says (reports migration 0002).
_TRIGGERS: Final = {"whoever made a packet does not countersign it": CountersignerIsMaker}
_CONSTRAINTS: Final = {
    "reports_countersign_not_maker": CountersignerIsMaker,
    "reports_countersign_key_person": KeyIsNotYours,
    "reports_countersign_account_person": KeyIsNotYours,
    "reports_packetcountersignature_pkey": AlreadyCountersigned,
}


@dataclass(frozen=True, slots=True)
class _By:
    account: User
    person: Person
    key: SigningKey
    meaning: str
    note: str


@dataclass(frozen=True, slots=True)
class _Signed:
    """The PDF with both signatures, the file with ours over it, and what the row says of them."""

    pdf: bytes
    sig: bytes
    row: PacketCountersignature


def countersign(
    *,
    actor: Actor,
    name: str,
    signing_key_id: str,
    password: str,
    meaning: str = MEANING,
    note: str = "",
    signer: str | None = None,
) -> PacketCountersignature:
    """Countersign a packet with the actor's own key.

    Args:
        actor: Who signs.
        name: The packet.
        signing_key_id: The actor's active signing key.
        password: The actor's password, asked again; it also opens the key.
        meaning: What the signature means; it stands in the PDF.
        note: A remark, for the record.
        signer: If given, the account that signs; it has to be the actor's.

    Raises:
        NotFound: There is no such packet that the actor may see.
        Forbidden: The actor may not countersign at all, or not this one, or not so. Recorded.
        Conflict: The packet is not complete, or countersigned already.
        KeyUnsuitable: Readers of PDFs do not understand keys of this kind.
        PacketNotValid: It has a fault other than a missing countersignature.
    """
    trail.ensure_enabled()
    packet = selectors.by_name(actor=actor, name=name, action=Action.COUNTERSIGN)
    meaning = text(meaning, limit=MAX_MEANING, field="meaning", required=True)
    note = text(note, limit=MAX_NOTE, field="note")
    try:
        account, person, key = _authorised(actor, packet, signer, signing_key_id, password)
        by = _By(account, person, key, meaning, note)
        _refuse_second(actor, packet)
        signed = _sign(actor, packet, by, password)
        countersigned_files.stage(packet, signed.pdf, signed.sig)
        failpoints.reach("countersign-1")
        row = _store(actor, packet, signed)
    except (Forbidden, Conflict, PacketNotValid, pdf_signing.KeyUnsuitable) as error:
        _record_refusal(actor, packet, error.code)
        raise
    failpoints.reach("countersign-2")
    _finish(actor, packet)
    return row


def _authorised(
    actor: Actor, packet: Packet, signer: str | None, signing_key_id: str, password: str
) -> tuple[User, Person, SigningKey]:
    account = actor.account
    if account is None or account.person is None:
        raise NotAPerson("Countersigning is for people.")
    if signer not in (None, account.username, actor.id, str(account.person.pk)):
        raise SignerIsNotYou("The signer has to be you.", field="signer")
    _refuse_maker(packet, account.person.pk)
    if not account.check_password(password):
        raise ReauthenticationFailed("The password is not right.", field="password")
    key = SigningKey.objects.filter(
        key_id=signing_key_id, person=account.person, status="active"
    ).first()
    if key is None or PURPOSE not in key.purposes:
        raise KeyIsNotYours("This is not an active signing key of yours.", field="signing_key_id")
    certificates.ensure_suitable(key)
    return account, account.person, key


def _refuse_second(actor: Actor, packet: Packet) -> None:
    if not packet.is_complete:
        raise PacketUnfinished("The packet was not made to its end.")
    if PacketCountersignature.objects.filter(packet=packet).exists():
        _finish(actor, packet)
        raise AlreadyCountersigned("This packet has its countersignature.")


def _sign(actor: Actor, packet: Packet, by: _By, password: str) -> _Signed:
    """Checks the packet and signs it; no lock is held, since an authority may be asked."""
    report = verification.check(packet)
    if report.faults:
        raise PacketNotValid(report.faults[0].message)
    first = _first_revision(packet)
    now = max(timezone.now(), packet.generated_at).replace(microsecond=0)
    private = keys.person_signer(by.key, password)
    chain = certificates.person_chain(actor=actor, key=by.key)

    def signed(stamper: pdf_signing.Timestamper | None) -> bytes:
        field = pdf_signing.COUNTERSIGNER
        return pdf_signing.sign(first, field, private, chain, now, by.meaning, timestamper=stamper)

    pdf, _ = signing.stamped(signed, not_before=now, packet_name=packet.name)
    sig = signing.sig_line(pdf)
    row = PacketCountersignature(
        packet=packet,
        maker_id=packet.maker_id,
        person=by.person,
        account=by.account,
        key=by.key,
        signer=by.account.username,
        signed_at=now,
        meaning=by.meaning,
        note=by.note,
        nonce=secrets.token_hex(16),
        json_sha256=packet.json_sha256,
        first_pdf_sha256=packet.pdf_sha256,
        pdf_sha256=digests.sha256_tag(pdf),
        pdf_size_bytes=len(pdf),
        sig_sha256=digests.sha256_tag(sig),
    )
    return _Signed(pdf, sig, row)


def _first_revision(packet: Packet) -> bytes:
    try:
        raw = writing.read(writing.file_of(packet, names.files(packet.name).pdf))
    except (NotFound, TooLarge) as error:
        raise PacketNotValid("The PDF is not where it was put.") from error
    if digests.sha256_tag(raw) != packet.pdf_sha256:
        raise PacketNotValid("The PDF is not the one that was made.")
    return raw


def _store(actor: Actor, packet: Packet, signed: _Signed) -> PacketCountersignature:
    """Stores the countersignature with its event, under the packet's row lock."""
    row = signed.row
    try:
        with transaction.atomic():
            Packet.objects.select_for_update(of=("self",)).get(pk=packet.pk)
            if PacketCountersignature.objects.filter(packet=packet).exists():
                raise AlreadyCountersigned("Another officer was faster.")
            _ensure_still_allowed(actor, packet, row)
            row.save(force_insert=True)
            trail.record(
                EventType.REPORTS_PACKET_COUNTERSIGNED,
                actor=actor,
                client=packet.client_id,
                obj=("packet", packet.name),
                data={
                    "json_sha256": row.json_sha256,
                    "first_pdf_sha256": row.first_pdf_sha256,
                    "pdf_sha256": row.pdf_sha256,
                    "signing_key_id": row.key.key_id,
                    "meaning": row.meaning,
                    "nonce": row.nonce,
                },
            )
    except IntegrityError as error:
        raise violations.refusal_of(error, _CONSTRAINTS, _TRIGGERS) from error
    return row


def _ensure_still_allowed(actor: Actor, packet: Packet, row: PacketCountersignature) -> None:
    """Asks once more, with account and key locked: signing takes a while, and things change.

    Raises:
        Forbidden, KeyIsNotYours, CountersignerIsMaker.
    """
    account = User.objects.select_for_update(of=("self",), no_key=True).get(pk=row.account_id)
    own = selectors.is_own(actor, packet)
    if not policy.can(account, Action.COUNTERSIGN, packet.client_id, own=own):
        raise Forbidden("Your account may not countersign this packet any more.")
    key = SigningKey.objects.select_for_update(of=("self",), no_key=True).get(pk=row.key_id)
    if key.status != "active" or not key.person_id == account.person_id == row.person_id:
        raise KeyIsNotYours("This is not an active signing key of yours any more.")
    _refuse_maker(packet, row.person_id)


def _refuse_maker(packet: Packet, person_id: uuid.UUID) -> None:
    maker = policy.root_person(packet.maker_id)
    if maker is not None and maker == policy.root_person(person_id):
        raise CountersignerIsMaker("You asked for this packet: another person countersigns it.")


def _finish(actor: Actor, packet: Packet) -> None:
    """Puts the files in their place. What fails is recorded, and made up by the vault's audit."""
    try:
        countersigned_files.finish(packet)
    except StrongroomError as error:
        trail.record_alone(
            vault_errors.event_of(error),
            actor=actor,
            client=packet.client_id,
            obj=("packet", packet.name),
            outcome="failure",
            data={"code": error.code, "reason": error.message},
        )


def _record_refusal(actor: Actor, packet: Packet, code: str) -> None:
    trail.record_alone(
        EventType.REPORTS_PACKET_COUNTERSIGN_REFUSED,
        actor=actor,
        client=packet.client_id,
        obj=("packet", packet.name),
        outcome="denied",
        data={"code": code, "json_sha256": packet.json_sha256},
    )
