"""Countersignatures: another person states that a package is what it claims to be."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone

from access import policy
from access.models import Person, User
from access.roles import Action
from audit.events import Actor, EventType
from audit.models import SigningKey
from audit.services import keys, trail
from evidence.formats import countersign as formats
from evidence.formats import names
from evidence.formats.check_countersign import PURPOSE
from evidence.models import CountersignEntry, Package
from evidence.services import (
    checking,
    countersign_file,
    countersign_vault,
    locating,
    requests,
    violations,
)
from evidence.services.errors import (
    AlreadyCountersigned,
    CountersignerIsMaker,
    KeyIsNotYours,
    NotAPerson,
    PackageNotFound,
    PackageNotValid,
    PackageUnfinished,
    ReauthenticationFailed,
    RequestRefused,
    SignerIsNotYou,
)
from evidence.services.vault import errors as vault_errors
from sealing import digests
from sealing.errors import Conflict, Forbidden, StrongroomError
from sealing.signers.base import Signer
from sealing.times import format_time

MEANING = "reviewed and approved"
MAX_ENTRIES = 32
_CONSTRAINTS = {
    "evidence_countersign_not_maker": CountersignerIsMaker,
    "evidence_countersign_key_person": KeyIsNotYours,
    "evidence_countersign_one_per_person": AlreadyCountersigned,
    "evidence_countersign_one_per_key": AlreadyCountersigned,
}


@dataclass(frozen=True, slots=True)
class _Countersigner:
    account: User
    person: Person
    key: SigningKey


@dataclass(frozen=True, slots=True)
class _Request:
    package: Package
    by: _Countersigner
    meaning: str
    note: str
    signing_secret: bytes | None


def countersign(
    *,
    actor: Actor,
    package_path: str,
    signer: str,
    signing_key_id: str,
    password: str,
    countersign_path: str | None = None,
    signing_secret: bytes | None = None,
    note: str = "",
    meaning: str = MEANING,
) -> CountersignEntry:
    """Countersign a package with the actor's own key.

    Args:
        actor: Who signs.
        package_path: The package, by its name below the package root.
        signer: The account that signs; it has to be the actor's.
        signing_key_id: The actor's active signing key.
        password: The actor's password, asked again; it also opens the key.
        countersign_path: If given, the name that the countersign file has anyway.
        signing_secret: If given, the package's mac has to be made with it.
        note: A remark, part of what is signed.
        meaning: What the signature means, part of what is signed.

    Raises:
        NotFound: There is no such package that the actor may see.
        Forbidden: The actor may not countersign at all, or not this one, or not so. Recorded.
        Conflict: The package is not finished, or countersigned already.
        IntegrityFailure: The package has a fault other than a missing countersignature.
    """
    trail.ensure_enabled()
    located = locating.by_path(actor=actor, package_path=package_path, action=Action.COUNTERSIGN)
    package = located.package
    if package is None:
        raise PackageNotFound("There is no such package among those that you may see.")
    meaning = requests.text(meaning, limit=requests.MAX_MEANING, field="meaning", required=True)
    note = requests.text(note, limit=requests.MAX_NOTE, field="note")
    if countersign_path not in (None, package.name.sidecar(names.COUNTERSIGN_SUFFIX)):
        raise RequestRefused(
            f"The file of this package is {package.name.sidecar(names.COUNTERSIGN_SUFFIX)}.",
            field="countersign_path",
        )
    try:
        by = _authorised(actor, package, signer, signing_key_id, password)
        private = keys.person_signer(by.key, password)
        request = _Request(package, by, meaning, note, signing_secret)
        entry = _countersign(actor, request, private)
    except (Forbidden, Conflict, PackageNotValid) as error:
        _record_refusal(actor, package, error.code)
        raise
    countersign_file.publish(package)
    _deposit(actor, package, entry)
    return entry


def _deposit(actor: Actor, package: Package, entry: CountersignEntry) -> None:
    """Puts the new state into the vault. What fails is recorded, and tried again by vault_audit."""
    try:
        countersign_vault.deposit_states(package)
    except StrongroomError as error:
        trail.record_alone(
            vault_errors.event_of(error),
            actor=actor,
            client=package.client,
            obj=("package", package.bundle_id),
            outcome="failure",
            data={"code": error.code, "number": entry.number, "reason": error.message},
        )


def _authorised(
    actor: Actor, package: Package, signer: str, signing_key_id: str, password: str
) -> _Countersigner:
    account = actor.account
    if account is None or account.person is None:
        raise NotAPerson("Countersigning is for people.")
    if signer not in (account.username, actor.id, str(account.person.pk)):
        raise SignerIsNotYou("The signer has to be you.", field="signer")
    if policy.root_person(package.maker_id) == policy.root_person(account.person.pk):
        raise CountersignerIsMaker("You made this package: another person has to countersign it.")
    if not account.check_password(password):
        raise ReauthenticationFailed("The password is not right.", field="password")
    key = SigningKey.objects.filter(
        key_id=signing_key_id, person=account.person, status="active"
    ).first()
    if key is None or PURPOSE not in key.purposes:
        raise KeyIsNotYours("This is not an active signing key of yours.", field="signing_key_id")
    return _Countersigner(account, account.person, key)


def _countersign(actor: Actor, request: _Request, signer: Signer) -> CountersignEntry:
    """Check the package and store the entry, all under the package's row lock.

    The rows are the truth and the file is made from them, so the row is committed first. In the
    other order a crash in between would leave a valid signature in a file that no event knows
    of, and that might have been copied; this way it leaves an acknowledged entry that the file
    lacks, which the row's count tells, and which the next call or verification writes.
    """
    try:
        with transaction.atomic():
            package = Package.objects.select_for_update().get(pk=request.package.pk)
            if not package.is_complete:
                raise PackageUnfinished("The package was not written to its end.")
            countersign_file.repair(package)
            entries = list(package.countersignatures.order_by("number"))
            _refuse_second(request, entries)
            options = checking.Options(signing_secret=request.signing_secret)
            report = checking.check_files(package, options=options)
            if not report.awaits_countersignature:
                raise PackageNotValid(report.message)
            entry = _store(request, package, entries, signer)
            trail.record(
                EventType.EVIDENCE_PACKAGE_COUNTERSIGNED,
                actor=actor,
                client=package.client,
                obj=("package", package.bundle_id),
                data={
                    "package_sha256": package.package_sha256,
                    "number": entry.number,
                    "signing_key_id": request.by.key.key_id,
                    "meaning": entry.meaning,
                    "nonce": entry.nonce,
                    "entry_sha256": digests.sha256_tag(entry.entry.encode()),
                },
            )
    except IntegrityError as error:
        raise violations.refusal_of(error, _CONSTRAINTS) from error
    return entry


def _refuse_second(request: _Request, entries: list[CountersignEntry]) -> None:
    same_human = policy.people_of(request.by.person.pk)
    if any(entry.person_id in same_human or entry.key_id == request.by.key.pk for entry in entries):
        raise AlreadyCountersigned("You have countersigned this package already.")
    if len(entries) >= MAX_ENTRIES:
        raise AlreadyCountersigned(
            f"A package takes {MAX_ENTRIES} countersignatures.", code="countersignatures_full"
        )


def _store(
    request: _Request, package: Package, entries: list[CountersignEntry], signer: Signer
) -> CountersignEntry:
    now = timezone.now()
    if entries:
        now = max(now, entries[-1].signed_at)
    statement = formats.Statement(
        signer=request.by.account.username,
        person=str(request.by.person.pk),
        signing_key_id=request.by.key.key_id,
        signed_at=format_time(max(now, package.generated_at)),
        digest=package.package_sha256,
        meaning=request.meaning,
        note=request.note,
        nonce=secrets.token_hex(16),
        previous=formats.previous_of(
            signature_raw=checking.signature_bytes(package),
            entries=[entry.entry.encode() for entry in entries],
        ),
    )
    raw = formats.sign_entry(statement=statement, bundle_id=package.bundle_id, signer=signer)
    return CountersignEntry.objects.create(
        package=package,
        maker_id=package.maker_id,
        number=len(entries) + 1,
        person=request.by.person,
        account=request.by.account,
        key=request.by.key,
        signer=statement.signer,
        signed_at=statement.signed_at,
        digest=statement.digest,
        meaning=statement.meaning,
        note=statement.note,
        nonce=statement.nonce,
        previous=statement.previous,
        scheme=formats.SCHEME,
        entry=raw.decode(),
    )


def _record_refusal(actor: Actor, package: Package, code: str) -> None:
    trail.record_alone(
        EventType.EVIDENCE_PACKAGE_COUNTERSIGN_REFUSED,
        actor=actor,
        client=package.client,
        obj=("package", package.bundle_id),
        outcome="denied",
        data={"code": code, "package_sha256": package.package_sha256},
    )
