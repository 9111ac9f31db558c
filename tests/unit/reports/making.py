"""Makes packets in memory: real keys, a real little log, a real PDF; no database, no disk."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from typing import Any

from reportlab.pdfgen.canvas import Canvas

from audit.formats import checkpoint as checkpoints
from audit.formats import event as events
from evidence.formats.completeness import Archived, Heartbeat, Observed
from reports.formats import certificates, document, pdf_signing, sampling
from reports.formats.certificates import Subject, Validity
from reports.formats.verification import PacketFilesGiven
from sealing import digests, merkle
from sealing.keys import ECDSA_P256, RSA_SHA256, Signers, TrustedKey
from sealing.signers.local import LocalSigner
from sealing.times import format_time
from tests.unit.evidence import making as packages
from tests.unit.evidence.making import CLIENT, END, MAKER, OFFICER, ORIGIN, START

NAME = "SOC2_Evidence_clinic-001_2026-01-01_2026-01-31"
MADE = datetime(2026, 2, 1, 3, 0, 12, 345_678, tzinfo=UTC)
SIGNED = datetime(2026, 2, 3, 10, 15, 30, tzinfo=UTC)
VALID = Validity(datetime(2025, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))


@cache
def key(name: str) -> LocalSigner:
    """One key for each name, made once: RSA for the service and its likes, else ECDSA."""
    if name == "checkpoint":
        return packages.key(name)
    return LocalSigner.generate(RSA_SHA256 if name.startswith("service") else ECDSA_P256)


def trusted(name: str, *purposes: str, person: str | None = None, **changes: Any) -> TrustedKey:
    """An entry of the signers file."""
    signer = key(name)
    return replace(
        packages.trusted("checkpoint", "checkpoint"),
        signer_kid=signer.key_id,
        name=name,
        person=person,
        purposes=purposes,
        algorithm=signer.algorithm,
        public_key_pem=signer.public_key_pem,
        **changes,
    )


def signers(*others: TrustedKey) -> Signers:
    """The trusted keys; an entry given takes the place of the one of its key."""
    entries = (
        trusted("service", "package", "packet"),
        trusted("checkpoint", "checkpoint"),
        trusted("officer", "countersign", person=OFFICER),
        trusted("maker", "countersign", person=MAKER),
        *others,
    )
    return Signers(ORIGIN, tuple({entry.signer_kid: entry for entry in entries}.values()))


def chain(name: str, *, said: str | None = None, issuer: str = "service") -> tuple[str, ...]:
    """Certificates of a key: of the service's alone, or of another with the service's."""
    top = Subject(issuer, ORIGIN, key(issuer).public_key_pem)
    root = certificates.issue_service(key(issuer), top, VALID, 11)
    if name == issuer:
        return (root,)
    subject = Subject(said or name, "Compliance officer", key(name).public_key_pem)
    return (certificates.issue_person(key(issuer), top, subject, VALID, 12), root)


def plain_pdf(
    json_sha256: str, *, name: str = NAME, pages: int = 2, keywords: str = f"maker {MAKER}"
) -> bytes:
    """An unsigned PDF that names its JSON packet, and who asked for it."""
    output = BytesIO()
    canvas = Canvas(output, invariant=True)
    canvas.setSubject(f"{name}, JSON packet {json_sha256}")
    canvas.setKeywords(keywords)
    for page in range(pages):
        canvas.drawString(72, 700, f"Page {page + 1} of {pages}: 17 logins failed.")
        canvas.showPage()
    canvas.save()
    return output.getvalue()


def content(**changes: Any) -> dict[str, Any]:
    """What a JSON packet says: one control, three events of which it samples all."""
    log = packages.log_lines()
    lines = [pair for pair in log if b'"client_id":"clinic-001"' in pair[1]][:3]
    leaves = [digests.sha256(b"\0" + events.leaf_part(line)) for _, line in log]
    tree = merkle.MemoryTree(leaves)
    note = checkpoints.Checkpoint(ORIGIN, tree.size, tree.root(), leaves[-1], format_time(MADE))
    indexes = [seq for seq, _ in lines]
    found: dict[str, Any] = {
        "schema": document.SCHEMA,
        "packetId": NAME,
        "framework": "SOC2",
        "revision": 1,
        "supersedes": None,
        "client": {"id": CLIENT, "name": "Clinic"},
        "auditPeriod": {"startDate": format_time(START), "endDate": format_time(END)},
        "generatedAt": format_time(MADE),
        "generator": "strongroom/0",
        "maker": {"person": MAKER, "name": "Olivia"},
        "categories": ["security"],
        "log": {
            "origin": ORIGIN,
            "treeSize": tree.size,
            "rootHash": digests.b64(tree.root()),
            "checkpoint": checkpoints.sign(note, key("checkpoint")).decode(),
        },
        "signaturePolicy": {"signatures": 1, "countersignatures": 1},
        "executiveSummary": {
            "headline": [],
            "controls": {
                "total": 1,
                "compliant": 0,
                "attention": 0,
                "notCompliant": 0,
                "notApplicable": 0,
                "notAssessed": 1,
            },
            "charts": [],
            "text": ["Nothing was assessed."],
        },
        "facts": {},
        "controls": [_control(lines)],
        "sampling": {
            "method": sampling.METHOD,
            "seed": sampling.seed_of(NAME, tree.root()).hex(),
            "perControl": sampling.PER_CONTROL,
            "populations": [{"controlId": "CC6.1", "events": len(lines)}],
        },
        "samples": {
            "lines": [line.decode() for _, line in lines],
            "proof": {
                "tree_size": tree.size,
                "indexes": indexes,
                "hashes": [
                    digests.tag(item)
                    for item in merkle.compact_proof(indexes, tree.size, tree.node)
                ],
            },
        },
        "artifacts": [],
        "artifactListing": {
            "total": 0,
            "isTruncated": False,
            "source": {
                "query": "artifacts.listed",
                "kind": "records",
                "count": 0,
                "objectType": "artifact",
                "objects": [],
                "objectsSha256": digests.sha256_tag(b""),
            },
        },
        "annexes": [],
        "completeness": {
            "observed": Observed((), Archived(tree.size, None, 0), Heartbeat(0, (), 0)).as_dict(),
            "pending": 0,
            "setAside": 0,
            "lateArrivals": {
                "laterThanSeconds": 86400,
                "count": 0,
                "ranges": [],
                "isTruncated": False,
            },
            "gaps": 0,
            "isPeriodOver": True,
        },
        "verification": {
            "signingKeyId": key("service").key_id,
            "publicKeyUrl": "https://vault.example.org/api/compliance/public-key",
            "verifyUrl": "https://vault.example.org/api/compliance/packets/verify",
            "verifyPage": "https://vault.example.org/verify/",
            "commands": ["openssl"],
        },
    }
    return found | changes


def _control(lines: list[tuple[int, bytes]]) -> dict[str, Any]:
    samples = []
    for _, raw in lines:
        line = events.parse_line(raw)
        event = events.parse(line.event_bytes)
        samples.append(
            {
                "kind": "event",
                "seq": line.seq,
                "type": event["type"],
                "occurredAt": event["occurred_at"],
                "actor": event["actor"]["id"],
                "outcome": event["outcome"],
                "leafHash": digests.tag(line.hash),
            }
        )
    return {
        "controlId": "CC6.1",
        "series": "CC6",
        "description": "Logical access",
        "state": "not assessed",
        "assessment": None,
        "testingResults": [],
        "sampleEvidence": samples,
    }


@dataclass(frozen=True)
class Made:
    """A packet's files; the countersigned ones too."""

    files: PacketFilesGiven

    @property
    def json(self) -> bytes:
        assert self.files.json is not None
        return self.files.json

    @property
    def pdf(self) -> bytes:
        assert self.files.pdf is not None
        return self.files.pdf

    @property
    def countersigned(self) -> bytes:
        assert self.files.countersigned is not None
        return self.files.countersigned

    def with_(self, **changes: bytes | None) -> PacketFilesGiven:
        """The files with something else in the place of some."""
        return replace(self.files, **changes)


def sig(raw: bytes, name: str = "service") -> bytes:
    """A .sig file."""
    return base64.b64encode(key(name).sign(raw)) + b"\n"


def first(pdf: bytes, name: str = "service", *, at: datetime = MADE, **options: Any) -> bytes:
    """A PDF with both fields and the first one signed."""
    return pdf_signing.sign(
        pdf_signing.prepare(pdf),
        pdf_signing.SERVICE,
        key(name),
        options.pop("certificates", chain(name, issuer=name)),
        at,
        f"Made packet {NAME}",
        **options,
    )


def second(pdf: bytes, name: str = "officer", *, at: datetime = SIGNED, **options: Any) -> bytes:
    """The PDF with the second field signed."""
    certificates_ = options.pop("certificates", chain(name) if name != "service" else None)
    return pdf_signing.sign(
        pdf,
        pdf_signing.COUNTERSIGNER,
        key(name),
        certificates_ or chain(name, issuer=name),
        at,
        "reviewed and approved",
        **options,
    )


@cache
def make() -> Made:
    """A packet that is as it should be."""
    return made_of(content())


def made_of(
    said: dict[str, Any], *, build: Callable[[dict[str, Any]], bytes] = document.build
) -> Made:
    """The files of a packet that says this."""
    raw = build(said)
    maker = said["maker"]["person"] if said["maker"] else "none"
    pdf = first(plain_pdf(digests.sha256_tag(raw), keywords=f"maker {maker}"))
    countersigned = second(pdf)
    return Made(PacketFilesGiven(raw, sig(raw), pdf, sig(pdf), countersigned, sig(countersigned)))


def later(**by: float) -> datetime:
    """A time after the packet was made."""
    return MADE + timedelta(**by)
