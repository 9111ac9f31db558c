"""A packet's document that keeps every rule, made without a database."""

from __future__ import annotations

import uuid
from typing import Any

from audit.formats import event as events
from audit.formats.checkpoint import Checkpoint
from reports.formats import document, sampling
from sealing import digests, merkle

ORIGIN = "vault.example.org/log"
NAME = "SOC2_Evidence_acme_2026-10-01_2026-10-31"
START, END = "2026-10-01T00:00:00.000000Z", "2026-11-01T00:00:00.000000Z"
AT = "2026-10-12T09:00:00.000000Z"
ARTIFACT = "4f1c9f3e-7d5b-4c43-9a0e-6f4b6d1f2a10"


def lines(count: int) -> list[bytes]:
    """A log's lines, chained."""
    found, before = [], events.genesis_hash(ORIGIN)
    for seq in range(count):
        event = events.build(
            id=str(uuid.UUID(int=seq, version=4)),
            type="access.grant.created",
            occurred_at=AT,
            actor={"id": "user:alice"},
            recorder="strongroom",
            client_id="acme",
        )
        line, before = events.line(seq, AT, before, event)
        found.append(line)
    return found


def valid() -> dict[str, Any]:
    """The document of a client's packet with two controls, one of them assessed."""
    log = lines(4)
    tree = merkle.MemoryTree(events.parse_line(line).hash for line in log)
    head = events.parse_line(log[-1]).hash
    checkpoint = Checkpoint(ORIGIN, 4, tree.root(), head, AT)
    seed = sampling.seed_of(NAME, tree.root())
    source = {"query": "grants.made", "kind": "events", "count": 4, "firstSeq": 0, "lastSeq": 3}
    grants = {"label": "Grants made", "value": 4, "unit": "grants", "source": source}
    nothing = {"label": "Backups made", "value": "no data", "unit": "backups", "source": None}
    share = {
        "label": "Second factors",
        "value": 66.6,
        "unit": "%",
        "source": {
            "query": "mfa.coverage",
            "kind": "records",
            "count": 3,
            "objectType": "account",
            "objects": ["1", "2", "3"],
            "objectsSha256": digests.sha256_tag(b"1\n2\n3"),
        },
    }
    facts = {"grants.made": grants, "backups.made": nothing, "mfa.coverage": share}
    return {
        "schema": document.SCHEMA,
        "packetId": NAME,
        "framework": "SOC2",
        "revision": 1,
        "supersedes": None,
        "client": {"id": "acme", "name": "Acme"},
        "auditPeriod": {"startDate": START, "endDate": END},
        "generatedAt": END,
        "generator": "strongroom/0.1.0",
        "maker": {"person": ARTIFACT, "name": "Olivia Officer"},
        "categories": ["availability", "security"],
        "log": {
            "origin": ORIGIN,
            "treeSize": 4,
            "rootHash": digests.b64(tree.root()),
            "checkpoint": f"{checkpoint.text()}\n— {ORIGIN} {digests.b64(bytes(68))}\n",
        },
        "signaturePolicy": {"signatures": 1, "countersignatures": 1},
        "executiveSummary": {
            "headline": [{"label": "Grants made", "fact": "grants.made"}],
            "controls": {
                "total": 2, "compliant": 1, "attention": 0, "notCompliant": 0,
                "notApplicable": 0, "notAssessed": 1,
            },
            "charts": [
                {
                    "id": "grants", "title": "Grants", "unit": "grants", "source": source,
                    "series": [{"label": "2026-10-01", "value": 4}],
                }
            ],
            "text": ["Four grants were made."],
        },
        "facts": {
            name: fact | {"asOf": END if name == "mfa.coverage" else None}
            for name, fact in facts.items()
        },
        "controls": [
            _control("CC6.3", {"grants.made": grants, "mfa.coverage": share}, log, True),
            _control("A1.2", {"backups.made": nothing}, [], False),
        ],
        "sampling": {
            "method": sampling.METHOD,
            "seed": seed.hex(),
            "perControl": 25,
            "populations": [
                {"controlId": "CC6.3", "events": 4},
                {"controlId": "A1.2", "events": 0},
            ],
        },
        "samples": {
            "lines": [line.decode() for line in log],
            "proof": {"tree_size": 4, "indexes": [0, 1, 2, 3], "hashes": []},
        },
        "artifacts": [
            _artifact()
            | {
                "controlId": "CC6.3", "periodStart": START, "periodEnd": END,
                "fileName": "a.csv", "mediaType": "text/csv", "sizeBytes": 10,
            }
        ],
        "artifactListing": {
            "total": 2,
            "isTruncated": True,
            "source": {
                "query": "artifacts.listed", "kind": "records", "count": 2,
                "objectType": "artifact", "objects": [ARTIFACT, f"{ARTIFACT[:-1]}1"],
                "objectsSha256": digests.sha256_tag(b"x"),
            },
        },
        "annexes": [
            {
                "id": "accounts", "title": "Accounts", "total": 3, "isTruncated": True,
                "columns": [{"key": "account", "title": "Account", "weight": 4}],
                "rows": [["alice"], [""]], "source": share["source"],
            }
        ],
        "completeness": _completeness(),
        "verification": {
            "signingKeyId": "sha256:00", "publicKeyUrl": "https://x/key",
            "verifyUrl": "https://x/verify", "verifyPage": "https://x/verify/",
            "commands": ["openssl dgst"],
        },
    }  # fmt: skip


def _artifact() -> dict[str, Any]:
    return {
        "id": ARTIFACT,
        "title": "Export of accounts",
        "sha256": digests.sha256_tag(b"x"),
        "origin": "",
        "receivedAt": AT,
        "vaultPath": "acme/2026/10/12/artifact/a.csv",
    }


def _control(
    control_id: str, results: dict[str, Any], log: list[bytes], is_assessed: bool
) -> dict[str, Any]:
    samples = [
        {
            "kind": "event", "seq": seq, "type": "access.grant.created", "occurredAt": AT,
            "actor": "user:alice", "outcome": "success",
            "leafHash": digests.tag(events.parse_line(line).hash),
        }
        for seq, line in enumerate(log)
    ]  # fmt: skip
    assessment = {
        "state": "compliant", "note": "Looked at each of them.",
        "assessor": {"person": ARTIFACT, "name": "Oscar Officer"}, "assessedAt": AT,
        "periodStart": START, "periodEnd": END, "evidence": [ARTIFACT],
    }  # fmt: skip
    return {
        "controlId": control_id,
        "series": "CC6",
        "description": "What it is about",
        "state": "compliant" if is_assessed else "not assessed",
        "assessment": assessment if is_assessed else None,
        "testingResults": [{"fact": name} | result for name, result in results.items()],
        "sampleEvidence": [*samples, *([{"kind": "artifact"} | _artifact()] if log else [])],
    }


def _completeness() -> dict[str, Any]:
    return {
        "observed": {
            "jobs": [
                {
                    "name": "nightly", "job_type": "export", "schedule_cron": "0 3 * * *",
                    "expected": 2, "succeeded": 1, "failed": 0, "open": 0, "missing": [AT],
                    "missing_count": 1,
                }
            ],
            "archive": {"log_size": 4, "archived_through_seq": None, "unarchived": 4},
            "checkpoints": {"hours": 1, "missing": [], "missing_count": 0},
        },
        "pending": 0,
        "setAside": 0,
        "lateArrivals": {
            "laterThanSeconds": 86_400, "count": 2, "ranges": [[0, 1]], "isTruncated": False,
        },
        "gaps": 0,
        "isPeriodOver": True,
    }  # fmt: skip
