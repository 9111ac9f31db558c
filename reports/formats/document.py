"""The JSON document of a packet (docs/formats.md §9): built and read strictly."""

from __future__ import annotations

import re
from typing import Any, Final

from evidence.formats.completeness import Observed
from evidence.formats.contents import Proofs
from evidence.formats.fields import refuse
from reports.formats import document_rules
from reports.formats.names import is_packet_name
from reports.formats.sampling import PER_CONTROL
from reports.formats.shape import (
    Check,
    by,
    digest,
    flag,
    items,
    mapping,
    number,
    obj,
    one_of,
    or_null,
    text,
    time,
    whole,
)
from sealing import canonical
from sealing.errors import Invalid, TooLarge

SCHEMA: Final = "strongroom/soc2-packet/v1"
MAX_BYTES: Final = 64 << 20
NO_DATA: Final = "no data"
ASSESSED: Final = ("compliant", "attention", "not_compliant", "not_applicable")
STATES: Final = (*ASSESSED, "not assessed")


class DocumentRefused(Invalid):
    """A packet's document does not have the form that docs/formats.md gives it."""

    code = "packet_document_refused"


class DocumentTooLarge(TooLarge):
    """What a packet would hold does not fit into one document."""

    code = "packet_too_large"


_FACT_NAME: Final = re.compile(r"[a-z0-9_]+\.[A-Za-z0-9_.-]+\Z")
_HEX: Final = re.compile(r"[0-9a-f]{64}\Z")
_ROOT: Final = re.compile(r"[A-Za-z0-9+/]{43}=\Z")
_LONG, _FREE = 1 << 20, text(empty=True)


def _value(value: Any, where: str) -> None:
    if type(value) is str:
        if not value or len(value) > 200:
            raise refuse(where, "a string is expected.")
    else:
        number(value, where)


_SOURCE: Final = or_null(
    by(
        "kind",
        {
            "events": obj(
                query=text(),
                kind=one_of(["events"]),
                count=whole(),
                firstSeq=or_null(whole()),
                lastSeq=or_null(whole()),
            ),
            "records": obj(
                query=text(),
                kind=one_of(["records"]),
                count=whole(),
                objectType=text(),
                objects=items(text(), at_most=50),
                objectsSha256=digest,
            ),
        },
    )
)
_PERSON: Final = obj(person=text(), name=text(empty=True))
_FACT: Final = obj(label=text(), value=_value, unit=_FREE, asOf=or_null(time), source=_SOURCE)
_SUPERSEDES: Final = obj(
    packetId=text(),
    sha256=digest,
    reason=text(),
    changes=items(obj(fact=text(), before=or_null(_value), after=or_null(_value))),
)
_SUMMARY: Final = obj(
    headline=items(obj(label=text(), fact=text())),
    controls=obj(
        total=whole(),
        compliant=whole(),
        attention=whole(),
        notCompliant=whole(),
        notApplicable=whole(),
        notAssessed=whole(),
    ),
    charts=items(
        obj(
            id=text(),
            title=text(),
            unit=_FREE,
            series=items(obj(label=text(), value=number)),
            source=_SOURCE,
        )
    ),
    text=items(text()),
)
_ASSESSMENT: Final = obj(
    state=one_of(ASSESSED),
    note=text(),
    assessor=_PERSON,
    assessedAt=time,
    periodStart=time,
    periodEnd=time,
    evidence=items(text()),
)
_SAMPLE: Final = by(
    "kind",
    {
        "event": obj(
            kind=one_of(["event"]),
            seq=whole(),
            type=text(),
            occurredAt=time,
            actor=text(),
            outcome=one_of(["success", "failure", "denied"]),
            leafHash=digest,
        ),
        "artifact": obj(
            kind=one_of(["artifact"]),
            id=text(),
            title=text(),
            sha256=digest,
            origin=_FREE,
            receivedAt=time,
            vaultPath=text(),
        ),
    },
)
_CONTROL: Final = obj(
    controlId=text(),
    series=text(),
    description=text(),
    state=one_of(STATES),
    assessment=or_null(_ASSESSMENT),
    testingResults=items(obj(fact=text(), label=text(), value=_value, unit=_FREE, source=_SOURCE)),
    sampleEvidence=items(_SAMPLE),
)
_ARTIFACT: Final = obj(
    id=text(),
    title=text(),
    controlId=text(),
    periodStart=time,
    periodEnd=time,
    fileName=text(),
    mediaType=text(),
    sizeBytes=whole(),
    sha256=digest,
    origin=_FREE,
    receivedAt=time,
    vaultPath=text(),
)
_ANNEX: Final = obj(
    id=text(),
    title=text(),
    columns=items(obj(key=text(), title=text(), weight=whole(least=1))),
    rows=items(items(text(limit=20_000, empty=True))),
    total=whole(),
    isTruncated=flag,
    source=_SOURCE,
)


def _observed(value: Any, where: str) -> None:
    try:
        same = Observed.from_dict(value).as_dict() == value
    except (Invalid, TypeError, KeyError) as error:
        raise refuse(where, "what was observed can't be read.") from error
    if not same:
        raise refuse(where, "what was observed can't be read.")


def _pair(value: Any, where: str) -> None:
    fine = isinstance(value, list) and len(value) == 2 and all(type(n) is int for n in value)
    if not fine or not 0 <= value[0] <= value[1]:
        raise refuse(where, "a range is expected.")


_COMPLETENESS: Final = obj(
    observed=_observed,
    pending=whole(),
    setAside=whole(),
    lateArrivals=obj(
        laterThanSeconds=whole(), count=whole(), ranges=items(_pair), isTruncated=flag
    ),
    gaps=whole(),
    isPeriodOver=flag,
)


def _proof(value: Any, where: str) -> None:
    obj(tree_size=whole(), indexes=items(whole()), hashes=items(digest))(value, where)
    try:
        Proofs.parse(canonical.document(value))
    except Invalid as error:
        raise refuse(where, "the proof can't be read.") from error


def _name(value: Any, where: str) -> None:
    if not isinstance(value, str) or not is_packet_name(value):
        raise refuse(where, "the name of a packet is expected.")


_PACKET: Final[Check] = obj(
    schema=one_of([SCHEMA]),
    packetId=_name,
    framework=one_of(["SOC2"]),
    revision=whole(least=1),
    supersedes=or_null(_SUPERSEDES),
    client=or_null(obj(id=text(), name=text())),
    auditPeriod=obj(startDate=time, endDate=time),
    generatedAt=time,
    generator=text(),
    maker=or_null(_PERSON),
    categories=items(text()),
    log=obj(
        origin=text(),
        treeSize=whole(),
        rootHash=text(form=_ROOT),
        checkpoint=text(limit=_LONG),
    ),
    signaturePolicy=obj(signatures=one_of([1]), countersignatures=whole()),
    executiveSummary=_SUMMARY,
    facts=mapping(_FACT, key=_FACT_NAME),
    controls=items(_CONTROL),
    sampling=obj(
        method=text(),
        seed=text(form=_HEX),
        perControl=one_of([PER_CONTROL]),
        populations=items(obj(controlId=text(), events=whole())),
    ),
    samples=obj(lines=items(text(limit=_LONG)), proof=_proof),
    artifacts=items(_ARTIFACT, at_most=1_000),
    artifactListing=obj(total=whole(), isTruncated=flag, source=_SOURCE),
    annexes=items(_ANNEX),
    completeness=_COMPLETENESS,
    verification=obj(
        signingKeyId=text(),
        publicKeyUrl=text(),
        verifyUrl=text(),
        verifyPage=text(),
        commands=items(text()),
    ),
)


def build(document: dict[str, Any]) -> bytes:
    """The bytes of a packet's JSON file.

    Raises:
        DocumentRefused: `parse` would refuse it. DocumentTooLarge.
    """
    _check(document)
    try:
        raw = canonical.document(document)
    except Invalid as error:
        raise DocumentRefused(error.message, field=error.field) from error
    if len(raw) > MAX_BYTES:
        raise DocumentTooLarge(
            f"The packet's document would have more than {MAX_BYTES >> 20} MiB: shorten the period."
        )
    return raw


def parse(raw: bytes) -> dict[str, Any]:
    """Read a packet's JSON file: only bytes that `build` could have written pass.

    Raises:
        DocumentRefused: ``field`` names the place as a JSON pointer.
    """
    try:
        value = canonical.load_document(raw, max_bytes=MAX_BYTES)
    except Invalid as error:
        raise DocumentRefused(error.message, field=error.field) from error
    _check(value)
    found: dict[str, Any] = value
    return found


def _check(value: Any) -> None:
    try:
        _PACKET(value, "")
        document_rules.check(value)
    except Invalid as error:
        raise DocumentRefused(error.message, field=error.field) from error
