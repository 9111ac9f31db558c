"""Checks of the countersignatures: that they are about these bytes, and by enough other people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evidence.formats import countersign
from evidence.formats.check_timestamp import Witnesses
from evidence.formats.countersign import CountersignFile, Entry
from evidence.formats.manifest import Manifest
from evidence.formats.report import (
    COUNTERSIGNATURE_MISSING,
    COUNTERSIGNER_MERGED,
    Countersigner,
    Findings,
    Part,
)
from evidence.formats.signature import PackageSignature
from sealing import digests
from sealing.errors import Invalid
from sealing.keys import KEY_COMPROMISED, Signers
from sealing.results import Finding
from sealing.times import parse_time

PURPOSE = "countersign"


@dataclass(frozen=True, slots=True)
class Countersigned:
    """What a countersign file holds.

    Attributes:
        good: those whose countersignature counts.
        digests: the digest of each entry, whether it counts or not.
    """

    good: tuple[Countersigner, ...] = ()
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signed:
    """What the countersignatures have to be about."""

    manifest: Manifest
    package_sha256: str
    signature_raw: bytes | None
    signature: PackageSignature | None


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose countersignatures count, and what is known of when they were given, and by whom."""

    signers: Signers
    witnesses: Witnesses
    human: Callable[[str], str] = str


def check_countersign(
    found: Findings,
    *,
    signed: Signed,
    raw: bytes | None,
    trust: Trust,
    required: int,
) -> Countersigned:
    """Check each entry and count those that hold.

    Args:
        found: Where findings go.
        signed: The package that must be meant.
        raw: The countersign file; None where there is none.
        trust: The keys that are trusted, and what else is known.
        required: How many people must have countersigned.
    """
    document = None if raw is None else _read(found, signed, raw)
    entries = () if document is None else document.entries
    good, void = _check_entries(found, signed, entries, trust)
    if len(good) < required:
        for finding in void:
            found.add(Part.COUNTERSIGN, finding)
        found.bad(
            Part.COUNTERSIGN,
            COUNTERSIGNATURE_MISSING,
            _missing(required, len(good)),
        )
    else:
        for finding in void:
            found.note(finding.code, f"A countersignature was not counted: {finding.message}")
    return Countersigned(good, tuple(digests.sha256_tag(entry.canonical) for entry in entries))


def _missing(required: int, have: int) -> str:
    needed = "A countersignature is" if required == 1 else f"{required} countersignatures are"
    there = "only one holds" if have == 1 else f"only {have} hold"
    return f"{needed} needed, and {there if have else 'there is none that holds'}."


def _read(found: Findings, signed: Signed, raw: bytes) -> CountersignFile | None:
    part = Part.COUNTERSIGN
    try:
        document = countersign.parse(raw)
    except Invalid as error:
        found.bad(part, "countersignature_malformed", error.message, error.field)
        return None
    if document.package_sha256 != signed.package_sha256:
        found.bad(part, "countersignature_digest_differs", "The file is about another package.")
    if document.package_path != signed.manifest.name.path:
        found.bad(
            part, "countersignature_field_differs", "The file names another package.",
            "/package_path",
        )  # fmt: skip
    return document


def _check_entries(
    found: Findings, signed: Signed, entries: tuple[Entry, ...], trust: Trust
) -> tuple[tuple[Countersigner, ...], tuple[Finding, ...]]:
    """Those who countersigned, and what is void although nobody changed it.

    Void is what a compromised key signed: it counts for nothing. It is no reason to doubt the
    others either, or whoever got hold of one key could spoil what other people signed. So is a
    countersignature of somebody who turned out later to be the maker, or another countersigner.
    """
    seen = _Seen(signed)
    humans = {trust.human(signed.manifest.maker)}
    good: list[Countersigner] = []
    void: list[Finding] = []
    for index, entry in enumerate(entries):
        problem = (
            _refuse_subject(entry, signed, seen)
            or _refuse_repeated(entry, signed, seen)
            or _refuse_key(entry, trust)
        )
        seen.add(entry)
        human = trust.human(entry.statement.person)
        if problem is None and human in humans:
            problem = _bad(
                COUNTERSIGNER_MERGED,
                "This person is the maker, or countersigned already, under another name.",
                "/person",
            )
        if problem is None:
            humans.add(human)
            good.append(_countersigner(found, entry))
            continue
        place = f"/entries/{index}{problem.where}"
        problem = Finding(problem.code, problem.ok, problem.message, place)
        if problem.code in (KEY_COMPROMISED, COUNTERSIGNER_MERGED):
            void.append(problem)
        else:
            found.add(Part.COUNTERSIGN, problem)
    return tuple(good), tuple(void)


class _Seen:
    """The entries that were looked at: what the next one follows, and must not repeat."""

    def __init__(self, signed: Signed) -> None:
        self.previous = signed.signature_raw
        self.earlier = "" if signed.signature is None else signed.signature.signed_at
        self.people: set[str] = set()
        self.keys: set[str] = set()
        self.nonces: set[str] = set()

    def add(self, entry: Entry) -> None:
        statement = entry.statement
        self.people.add(statement.person)
        self.keys.add(statement.signing_key_id)
        self.nonces.add(statement.nonce)
        self.previous, self.earlier = entry.canonical, statement.signed_at


def _countersigner(found: Findings, entry: Entry) -> Countersigner:
    statement = entry.statement
    found.good(
        Part.COUNTERSIGN,
        "countersignature_valid",
        f"{statement.signer} countersigned at {statement.signed_at}: {statement.meaning}.",
    )
    return Countersigner(
        person=statement.person,
        signer=statement.signer,
        signing_key_id=statement.signing_key_id,
        signed_at=statement.signed_at,
        meaning=statement.meaning,
    )


def _bad(code: str, message: str, where: str) -> Finding:
    return Finding(code=code, ok=False, message=message, where=where)


def _refuse_subject(entry: Entry, signed: Signed, seen: _Seen) -> Finding | None:
    statement = entry.statement
    name = f"{signed.manifest.bundle_id}.zip"
    if statement.digest != signed.package_sha256 or entry.envelope.subject_name != name:
        return _bad(
            "countersignature_digest_differs", "It was given for another package.", "/digest"
        )
    if seen.previous is None or statement.previous != digests.sha256_tag(seen.previous):
        return _bad(
            "countersignature_order",
            "It does not follow upon what stands before it.",
            "/previous",
        )
    # Times of our own form compare as text.
    if statement.signed_at < seen.earlier:
        return _bad(
            "countersignature_order", "It is older than what stands before it.", "/signed_at"
        )
    return None


def _refuse_repeated(entry: Entry, signed: Signed, seen: _Seen) -> Finding | None:
    statement = entry.statement
    if statement.person == signed.manifest.maker:
        return _bad(
            "countersigner_is_maker", "The maker of a package can't countersign it.", "/person"
        )
    if statement.person in seen.people:
        return _bad("countersigner_repeated", "This person has countersigned already.", "/person")
    if statement.signing_key_id in seen.keys:
        return _bad(
            "countersigner_repeated", "This key has countersigned already.", "/signing_key_id"
        )
    if statement.nonce in seen.nonces:
        return _bad(
            "countersignature_nonce_repeated",
            "Its nonce stands in an earlier countersignature: each one gets its own.",
            "/nonce",
        )
    return None


def _refuse_key(entry: Entry, trust: Trust) -> Finding | None:
    """What is wrong with key, person or signature; last of all that the key was compromised."""
    statement = entry.statement
    refusal = trust.signers.refusal(
        statement.signing_key_id,
        purpose=PURPOSE,
        signed_at=parse_time(statement.signed_at),
        proven_at=trust.witnesses.of_entry(entry.canonical),
    )
    if refusal is not None:
        refusal = _bad(refusal.code, refusal.message, "/signing_key_id")
        if refusal.code != KEY_COMPROMISED:
            return refusal
    key = trust.signers.get(statement.signing_key_id)
    if key is None or key.person != statement.person:
        return _bad(
            "countersignature_person_differs", "The key belongs to another person.", "/person"
        )
    if not key.verify(entry.envelope.signature, entry.envelope.signed_bytes):
        return _bad(
            "countersignature_invalid",
            "The statement was changed, or signed by another key.",
            "/envelope",
        )
    return refusal
