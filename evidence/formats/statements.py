"""Signed statements: a DSSE envelope around an in-toto Statement v1 about one package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from evidence.formats.errors import FormatRefused
from evidence.formats.fields import Fields, refuse
from sealing import canonical, dsse
from sealing.signers.base import Signer

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATES: Final = "https://strongroom.dev/predicates"
PACKAGE_SIGNATURE: Final = f"{PREDICATES}/package-signature/v1"
COUNTERSIGNATURE: Final = f"{PREDICATES}/countersignature/v1"


def payload(
    *, subject_name: str, digest: str, predicate_type: str, predicate: Mapping[str, Any]
) -> bytes:
    """The bytes that are signed; ``digest`` is the package's, with its ``sha256:``."""
    statement = dsse.statement(
        subject_name, digest.removeprefix("sha256:"), predicate_type, dict(predicate)
    )
    return canonical.dumps(statement)


def sign(content: bytes, signer: Signer) -> dict[str, Any]:
    """An envelope with one signature over ``content``."""
    return dsse.sign_envelope(PAYLOAD_TYPE, content, [signer])


class SignedStatement:
    """A parsed envelope with exactly one signature, and the statement inside it."""

    def __init__(self, envelope: Any, *, predicate_type: str, where: str) -> None:
        """Parse strictly; nothing about the signature itself is checked here.

        Raises:
            Invalid: When the envelope, the statement or its canonical form is not as it must be.
        """
        parsed = dsse.parse_envelope(envelope, strict=True)
        if parsed.payload_type != PAYLOAD_TYPE or len(parsed.signatures) != 1:
            raise FormatRefused("An in-toto payload with one signature is expected.", field=where)
        self.key_id, self.signature = parsed.signatures[0]
        self.payload: bytes = parsed.payload
        value = canonical.loads(self.payload)
        if canonical.dumps(value) != self.payload:
            raise FormatRefused("The signed statement is not canonical JSON.", field=where)
        self._read(value, predicate_type, f"{where}/payload")

    def _read(self, value: Any, predicate_type: str, where: str) -> None:
        keys = ("_type", "subject", "predicateType", "predicate")
        top = Fields(value, required=keys, where=where)
        top.constant("_type", STATEMENT_TYPE)
        top.constant("predicateType", predicate_type)
        subjects = top.items("subject")
        if len(subjects) != 1:
            raise refuse(top.at("subject"), "one subject is expected.")
        subject = Fields(subjects[0], required=("name", "digest"), where=top.at("subject/0"))
        self.subject_name = subject.text("name")
        digest = subject.object("digest", required=("sha256",))
        self.digest = f"sha256:{digest.text('sha256')}"
        self.predicate: Any = top.get("predicate")

    @property
    def signed_bytes(self) -> bytes:
        """What the signature is over (DSSE pre-authentication encoding)."""
        return dsse.pae(PAYLOAD_TYPE, self.payload)
