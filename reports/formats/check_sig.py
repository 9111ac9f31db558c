"""Checks of the ``.sig`` files beside a packet's files: signatures over their raw bytes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from evidence.formats import signature
from evidence.formats.check_timestamp import Age
from evidence.formats.report import Findings
from reports.formats.check_keys import PACKET, refusals, signer_of
from reports.formats.packet_report import Part
from sealing.errors import Invalid
from sealing.keys import Signers

WORDS: Final = {
    "json": "the JSON packet",
    "pdf": "the PDF",
    "countersigned": "the countersigned PDF",
}


def signed_by(
    found: Findings, raw: bytes, sig_raw: bytes | None, name: str, signers: Signers
) -> str | None:
    """The id of the trusted key whose signature over the raw bytes is in the ``.sig`` file.

    Whether the key could sign when it did is for `judge` to say.
    """
    words, where = WORDS[name], f"{name}.sig"
    if sig_raw is None:
        found.bad(Part.SIGNATURE, "signature_missing", f"The .sig file of {words} is missing.")
        return None
    try:
        sig = signature.parse_sig_file(sig_raw)
    except Invalid as error:
        found.bad(Part.SIGNATURE, "signature_malformed", error.message, where)
        return None
    key = signer_of(signers, raw, sig)
    if key is None:
        found.bad(
            Part.SIGNATURE,
            "signature_invalid",
            f"The .sig file is not a signature over {words} by any of the signers' keys for"
            f" the purpose {PACKET}.",
            where,
        )
        return None
    return key.signer_kid


def judge(
    found: Findings, key_id: str, name: str, signed_at: datetime, age: Age, signers: Signers
) -> None:
    """Check that the key could sign at that time."""
    refused = refusals(
        signers, key_id, purpose=PACKET, signed_at=signed_at, age=age, where=f"{name}.sig"
    )
    for finding in refused:
        found.add(Part.SIGNATURE, finding)
    if not refused:
        found.good(Part.SIGNATURE, "sig_valid", f"The .sig file is a signature over {WORDS[name]}.")


def alone(found: Findings, name: str) -> None:
    """Tell that a ``.sig`` file was given without what it is about."""
    found.unknown(
        Part.SIGNATURE,
        "file_missing",
        f"There is a .sig file, and {WORDS[name]} that it is about was not given.",
        f"{name}.sig",
    )
