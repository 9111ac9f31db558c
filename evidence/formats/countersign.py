"""``<bundle_id>.countersign.json``: statements of officers about a package that exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from evidence.formats import statements
from evidence.formats.errors import FormatRefused
from evidence.formats.fields import Fields, document, refuse
from sealing import canonical, digests
from sealing.signers.base import Signer

SCHEME: Final = "dsse"
MAX_FILE_BYTES: Final = 1 << 20
_TOP_KEYS: Final = ("package_path", "package_sha256", "updated_at", "entry_count", "entries")
SIGNED_KEYS: Final = (
    "signer", "person", "signing_key_id", "signed_at", "digest", "meaning", "note", "nonce",
    "previous",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """What an officer signs, beside the digest of the package itself.

    Attributes:
        previous: The digest of the preceding entry's canonical JSON, or of the raw
            ``signature.json`` for the first: entries can't be reordered or moved elsewhere.
    """

    signer: str
    person: str
    signing_key_id: str
    signed_at: str
    digest: str
    meaning: str
    note: str
    nonce: str
    previous: str

    def as_dict(self) -> dict[str, str]:
        """The JSON form, as it stands in the entry and in the signed predicate."""
        return {key: getattr(self, key) for key in SIGNED_KEYS}


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed entry: what it states, and the envelope that proves it."""

    statement: Statement
    envelope: statements.SignedStatement
    canonical: bytes


@dataclass(frozen=True, slots=True)
class CountersignFile:
    """A parsed countersign file."""

    package_path: str
    package_sha256: str
    updated_at: str
    entries: tuple[Entry, ...]


def sign_entry(*, statement: Statement, bundle_id: str, signer: Signer) -> bytes:
    """One entry as canonical JSON, signed with the officer's key."""
    content = statements.payload(
        subject_name=f"{bundle_id}.zip",
        digest=statement.digest,
        predicate_type=statements.COUNTERSIGNATURE,
        predicate=statement.as_dict(),
    )
    entry: dict[str, Any] = dict(statement.as_dict())
    return canonical.dumps(entry | {"scheme": SCHEME, "envelope": statements.sign(content, signer)})


def build(*, package_path: str, package_sha256: str, entries: Sequence[bytes]) -> bytes:
    """The bytes of the file for entries as :func:`sign_entry` made them, oldest first."""
    values = [canonical.loads(entry) for entry in entries]
    return canonical.document(
        {
            "package_path": package_path,
            "package_sha256": package_sha256,
            "updated_at": values[-1]["signed_at"],
            "entry_count": len(values),
            "entries": values,
        }
    )


def parse(raw: bytes) -> CountersignFile:
    """Read the file: its form, and that each entry says what its envelope says.

    Signatures, people and the chain of entries are not checked here.

    Raises:
        Invalid: With the place of the fault.
    """
    top = Fields(document(raw, max_bytes=MAX_FILE_BYTES), required=_TOP_KEYS)
    entries = tuple(
        _entry(value, f"/entries/{index}") for index, value in enumerate(top.items("entries"))
    )
    if not entries or top.integer("entry_count") != len(entries):
        raise refuse("/entry_count", "this is not the number of entries.")
    result = CountersignFile(
        package_path=top.text("package_path"),
        package_sha256=top.digest("package_sha256"),
        updated_at=top.time("updated_at"),
        entries=entries,
    )
    if result.updated_at != entries[-1].statement.signed_at:
        raise refuse("/updated_at", "this is not when the last entry was signed.")
    return result


def _entry(value: Any, where: str) -> Entry:
    fields = Fields(value, required=(*SIGNED_KEYS, "scheme", "envelope"), where=where)
    fields.constant("scheme", SCHEME)
    envelope = statements.SignedStatement(
        fields.get("envelope"),
        predicate_type=statements.COUNTERSIGNATURE,
        where=fields.at("envelope"),
    )
    inner = Fields(envelope.predicate, required=SIGNED_KEYS, where=fields.at("envelope/predicate"))
    statement = Statement(
        signer=inner.text("signer"),
        person=inner.text("person"),
        signing_key_id=inner.digest("signing_key_id"),
        signed_at=inner.time("signed_at"),
        digest=inner.digest("digest"),
        meaning=inner.text("meaning"),
        note=inner.text("note", empty=True),
        nonce=inner.text("nonce"),
        previous=inner.digest("previous"),
    )
    for key in SIGNED_KEYS:
        if fields.get(key) != inner.get(key):
            raise FormatRefused(
                f"'{key}' beside the envelope is not the one that was signed.",
                code="countersignature_field_differs",
                field=fields.at(key),
            )
    if envelope.key_id != statement.signing_key_id or envelope.digest != statement.digest:
        raise FormatRefused(
            "The envelope names another key or another package than its statement.",
            code="countersignature_field_differs",
            field=fields.at("envelope"),
        )
    return Entry(statement=statement, envelope=envelope, canonical=canonical.dumps(value))


def previous_of(*, signature_raw: bytes, entries: Sequence[bytes]) -> str:
    """What the next entry must name as its ``previous``."""
    return digests.sha256_tag(entries[-1] if entries else signature_raw)
