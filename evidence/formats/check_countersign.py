"""Checks of the countersignatures: that they are about these bytes, and by enough other people."""

from __future__ import annotations

from dataclasses import dataclass

from evidence.formats import countersign
from evidence.formats.countersign import Entry
from evidence.formats.manifest import Manifest
from evidence.formats.report import COUNTERSIGNATURE_MISSING, Countersigner, Findings, Part
from evidence.formats.signature import PackageSignature
from sealing import digests
from sealing.errors import Invalid
from sealing.keys import Signers
from sealing.results import Finding
from sealing.times import parse_time

PURPOSE = "countersign"


@dataclass(frozen=True, slots=True)
class Signed:
    """What the countersignatures have to be about."""

    manifest: Manifest
    package_sha256: str
    signature_raw: bytes | None
    signature: PackageSignature | None


def check_countersign(
    found: Findings, *, signed: Signed, raw: bytes | None, signers: Signers, required: int
) -> tuple[Countersigner, ...]:
    """Check each entry and count those that hold.

    Args:
        found: Where findings go.
        signed: The package that must be meant.
        raw: The countersign file; None where there is none.
        signers: The keys that are trusted.
        required: How many people must have countersigned.
    """
    good = () if raw is None else _check_file(found, signed, raw, signers)
    if len(good) < required:
        found.bad(
            Part.COUNTERSIGN,
            COUNTERSIGNATURE_MISSING,
            _missing(required, len(good)),
        )
    return good


def _missing(required: int, have: int) -> str:
    needed = "A countersignature is" if required == 1 else f"{required} countersignatures are"
    there = "only one holds" if have == 1 else f"only {have} hold"
    return f"{needed} needed, and {there if have else 'there is none that holds'}."


def _check_file(
    found: Findings, signed: Signed, raw: bytes, signers: Signers
) -> tuple[Countersigner, ...]:
    part = Part.COUNTERSIGN
    try:
        document = countersign.parse(raw)
    except Invalid as error:
        found.bad(part, "countersignature_malformed", error.message, error.field)
        return ()
    if document.package_sha256 != signed.package_sha256:
        found.bad(part, "countersignature_digest_differs", "The file is about another package.")
    if document.package_path != signed.manifest.name.path:
        found.bad(
            part, "countersignature_field_differs", "The file names another package.",
            "/package_path",
        )  # fmt: skip
    return _check_entries(found, signed, document.entries, signers)


def _check_entries(
    found: Findings, signed: Signed, entries: tuple[Entry, ...], signers: Signers
) -> tuple[Countersigner, ...]:
    previous = signed.signature_raw
    earlier = "" if signed.signature is None else signed.signature.signed_at
    people: set[str] = {signed.manifest.maker}
    keys: set[str] = set()
    good: list[Countersigner] = []
    for index, entry in enumerate(entries):
        statement = entry.statement
        problem = (
            _refuse_subject(entry, signed, previous, earlier)
            or _refuse_person(entry, people, keys, signed.manifest.maker)
            or _refuse_key(entry, signers)
        )
        if problem is not None:
            place = f"/entries/{index}" + (problem.where or "")
            found.add(Part.COUNTERSIGN, Finding(problem.code, problem.ok, problem.message, place))
        else:
            found.good(
                Part.COUNTERSIGN,
                "countersignature_valid",
                f"{statement.signer} countersigned at {statement.signed_at}: {statement.meaning}.",
            )
            good.append(
                Countersigner(
                    person=statement.person,
                    signer=statement.signer,
                    signing_key_id=statement.signing_key_id,
                    signed_at=statement.signed_at,
                    meaning=statement.meaning,
                )
            )
        people.add(statement.person)
        keys.add(statement.signing_key_id)
        previous, earlier = entry.canonical, statement.signed_at
    return tuple(good)


def _bad(code: str, message: str, where: str) -> Finding:
    return Finding(code=code, ok=False, message=message, where=where)


def _refuse_subject(
    entry: Entry, signed: Signed, previous: bytes | None, earlier: str
) -> Finding | None:
    statement = entry.statement
    name = f"{signed.manifest.bundle_id}.zip"
    if statement.digest != signed.package_sha256 or entry.envelope.subject_name != name:
        return _bad(
            "countersignature_digest_differs", "It was given for another package.", "/digest"
        )
    if previous is None or statement.previous != digests.sha256_tag(previous):
        return _bad(
            "countersignature_order",
            "It does not follow upon what stands before it.",
            "/previous",
        )
    # Times of our own form compare as text.
    if statement.signed_at < earlier:
        return _bad(
            "countersignature_order", "It is older than what stands before it.", "/signed_at"
        )
    return None


def _refuse_person(entry: Entry, people: set[str], keys: set[str], maker: str) -> Finding | None:
    statement = entry.statement
    if statement.person == maker:
        return _bad(
            "countersigner_is_maker", "The maker of a package can't countersign it.", "/person"
        )
    if statement.person in people:
        return _bad("countersigner_repeated", "This person has countersigned already.", "/person")
    if statement.signing_key_id in keys:
        return _bad(
            "countersigner_repeated", "This key has countersigned already.", "/signing_key_id"
        )
    return None


def _refuse_key(entry: Entry, signers: Signers) -> Finding | None:
    statement = entry.statement
    refusal = signers.refusal(
        statement.signing_key_id, purpose=PURPOSE, signed_at=parse_time(statement.signed_at)
    )
    if refusal is not None:
        return refusal
    key = signers.get(statement.signing_key_id)
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
    return None
