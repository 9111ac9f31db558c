"""A complete, plausible packet document, made up without a database, for what reads documents."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from itertools import cycle
from typing import Any

from reports import catalogue

PERIOD = {"startDate": "2026-10-01T00:00:00.000000Z", "endDate": "2026-11-01T00:00:00.000000Z"}
GENERATED_AT = "2026-11-01T03:00:12.000000Z"
VERIFY_URL = "https://vault.example.org/verify/"
STATES = ("compliant", "attention", "not_compliant", "not_applicable", "not assessed")
_TREE_SIZE = 48_211
_ORIGIN = "vault.example.org/log"


def document(
    controls: int = 3,
    rows: int = 20,
    *,
    hostile: Iterable[str] = (),
    client: str | None = "acme",
    verify_url: str = VERIFY_URL,
) -> dict[str, Any]:
    """A packet's document: so many controls, so many rows in the annex ``incidents``.

    ``hostile`` is put, one after the other and starting anew at the end, before every text that
    people or other systems can have written: client, notes, titles, actors, rows of annexes.
    """
    strings = list(hostile)
    around = cycle(strings) if strings else None

    def says(text: str) -> str:
        return f"{next(around)} {text}" if around else text

    found = [_control(place, says) for place in range(controls)]
    facts = {
        item["fact"]: {key: item[key] for key in ("label", "value", "unit", "source")}
        | {"asOf": None}
        for control in found
        for item in control["testingResults"]
    }
    name = f"SOC2_Evidence_{client or 'platform'}_2026-10-01_2026-10-31"
    return {
        "schema": "strongroom/soc2-packet/v1",
        "packetId": name,
        "framework": "SOC2",
        "revision": 1,
        "supersedes": None,
        "client": {"id": client, "name": says("Acme Health Ltd")} if client else None,
        "auditPeriod": dict(PERIOD),
        "generatedAt": GENERATED_AT,
        "generator": "strongroom/0.1.0",
        "maker": {"person": "p-0001", "name": says("Ada Byrne")},
        "categories": ["security", "availability"],
        "log": {
            "origin": _ORIGIN,
            "treeSize": _TREE_SIZE,
            "rootHash": _b64("root"),
            "checkpoint": (
                f"{_ORIGIN}\n{_TREE_SIZE}\n{_b64('root')}\n\n— {_ORIGIN} {_b64('signature')}\n"
            ),
        },
        "signaturePolicy": {"signatures": 1, "countersignatures": 1},
        "executiveSummary": _summary(found, says),
        "facts": facts,
        "controls": found,
        "sampling": {
            "method": (
                "Of the events that a control's event facts rest on, the 25 with the smallest "
                "SHA-256 of the seed and the event's number, as eight bytes big-endian."
            ),
            "seed": hashlib.sha256(name.encode()).hexdigest(),
            "perControl": 25,
            "populations": [
                {"controlId": control["controlId"], "events": 1200 + place}
                for place, control in enumerate(found)
            ],
        },
        "samples": {
            "lines": [
                says(f'{{"seq":{1000 + place},"type":"auth.login.succeeded"}}')
                for place in range(min(8, controls * 4))
            ],
            "proof": {
                "tree_size": _TREE_SIZE,
                "indexes": [1000 + place for place in range(min(8, controls * 4))],
                "hashes": [_sha256(f"node {place}") for place in range(40)],
            },
        },
        "artifacts": [_artifact(place, says) for place in range(4)],
        "annexes": _annexes(rows, says),
        "completeness": _completeness(says),
        "verification": _verification(name, verify_url),
        "artifactListing": {"total": 4, "isTruncated": False, "source": _listing()},
    }


def _listing() -> dict[str, Any]:
    ids = [f"4f1c9f3e-7d5b-4c43-9a0e-{place:012d}" for place in range(4)]
    return {
        "query": "artifacts.listed",
        "kind": "records",
        "count": len(ids),
        "objectType": "artifact",
        "objects": ids,
        "objectsSha256": _sha256("\n".join(ids)),
    }


def _control(place: int, says: Any) -> dict[str, Any]:
    specs = catalogue.controls("SOC2")
    spec = specs[place % len(specs)]
    state = STATES[place % len(STATES)]
    control_id = spec.control_id if place < len(specs) else f"{spec.control_id}-{place}"
    return {
        "controlId": control_id,
        "series": spec.series,
        "description": says(spec.label),
        "state": state,
        "assessment": None
        if state == "not assessed"
        else {
            "state": state,
            "note": says("Two of the accounts that left kept their grants for nine days."),
            "assessor": {"person": "p-0002", "name": says("Bola Okafor")},
            "assessedAt": "2026-10-30T09:12:00.000000Z",
            "periodStart": PERIOD["startDate"],
            "periodEnd": PERIOD["endDate"],
            "evidence": ["4f1c9f3e-7d5b-4c43-9a0e-6f4b6d1f2a10"],
        },
        "testingResults": _results(control_id, place, says),
        "sampleEvidence": [_event(place * 100 + number, says) for number in range(25)]
        + [
            {
                "kind": "artifact",
                "id": f"9d0d2f3e-0000-4000-8000-{place:012d}",
                "title": says("Identity provider export"),
                "sha256": _sha256(f"artifact {place}"),
                "origin": says("https://idp.example.org/export"),
                "receivedAt": "2026-10-20T08:00:00.000000Z",
                "vaultPath": f"acme/2026/10/20/artifact-{place}/export.csv",
            }
        ],
    }


def _results(control_id: str, place: int, says: Any) -> list[dict[str, Any]]:
    stem = control_id.lower().replace(".", "_")
    return [
        {
            "fact": f"{stem}.logins_failed",
            "label": says("Failed logins"),
            "value": 17 + place,
            "unit": "events",
            "source": {
                "query": "logins.failed",
                "kind": "events",
                "count": 17 + place,
                "firstSeq": 1002,
                "lastSeq": 41_907,
            },
        },
        {
            "fact": f"{stem}.mfa_coverage",
            "label": says("Accounts with a second factor"),
            "value": 96.5,
            "unit": "%",
            "source": {
                "query": "accounts.mfa_coverage",
                "kind": "records",
                "count": 3,
                "objectType": "account",
                "objects": ["12", "17", says("31")],
                "objectsSha256": _sha256("12\n17\n31"),
            },
        },
        {
            "fact": f"{stem}.restore_drills",
            "label": says("Restore drills"),
            "value": "no data",
            "unit": "",
            "source": None,
        },
    ]


def _event(number: int, says: Any) -> dict[str, Any]:
    return {
        "kind": "event",
        "seq": 1000 + number,
        "type": "auth.login.failed",
        "occurredAt": f"2026-10-{number % 28 + 1:02d}T07:{number % 60:02d}:00.000001Z",
        "actor": says(f"user:{number}"),
        "outcome": "denied",
        "leafHash": _sha256(f"leaf {number}"),
    }


def _artifact(place: int, says: Any) -> dict[str, Any]:
    return {
        "id": f"4f1c9f3e-0000-4000-8000-{place:012d}",
        "title": says(f"Scanner report {place}"),
        "controlId": "CC7.1",
        "periodStart": PERIOD["startDate"],
        "periodEnd": PERIOD["endDate"],
        "fileName": says(f"scan-{place}.csv"),
        "mediaType": "text/csv",
        "sizeBytes": 10_240 * (place + 1),
        "sha256": _sha256(f"scan {place}"),
        "origin": says("scanner.example.org"),
        "receivedAt": "2026-10-21T10:00:00.000000Z",
        "vaultPath": f"acme/2026/10/21/artifact-{place}/scan-{place}.csv",
    }


def _summary(controls: list[dict[str, Any]], says: Any) -> dict[str, Any]:
    states = [control["state"] for control in controls]
    first = controls[0]["testingResults"] if controls else []
    logins = {
        "query": "logins.failed",
        "kind": "events",
        "count": 64,
        "firstSeq": 1002,
        "lastSeq": 41_907,
    }
    return {
        "headline": [{"label": item["label"], "fact": item["fact"]} for item in first],
        "controls": {
            "total": len(states),
            "compliant": states.count("compliant"),
            "attention": states.count("attention"),
            "notCompliant": states.count("not_compliant"),
            "notApplicable": states.count("not_applicable"),
            "notAssessed": states.count("not assessed"),
        },
        "charts": [
            {
                "id": "logins.by_outcome",
                "title": says("Logins by outcome"),
                "unit": "events",
                "series": [
                    {"label": says("succeeded"), "value": 412},
                    {"label": says("failed"), "value": 64},
                    {"label": says("locked"), "value": 0},
                ],
                "source": logins,
            },
            {
                "id": "logins_failed_by_day",
                "title": says("Failed logins by day"),
                "unit": "events",
                "series": [
                    {"label": f"2026-10-{day:02d}", "value": (day * 7) % 23} for day in range(1, 32)
                ],
                "source": logins,
            },
        ],
        "text": [says("64 logins failed between 1 and 31 October 2026.")],
    }


def _annexes(rows: int, says: Any) -> list[dict[str, Any]]:
    columns = [
        ("incident", "Incident", 3),
        ("runbook", "Runbook", 3),
        ("control", "Control", 2),
        ("opened", "Opened", 4),
        ("closed", "Closed", 4),
        ("mttr", "Time to repair, s", 2),
        ("note", "Note", 5),
    ]
    return [
        {
            "id": "incidents",
            "title": says("Incidents"),
            "columns": [
                {"key": key, "title": title, "weight": weight} for key, title, weight in columns
            ],
            "rows": [
                [
                    f"INC-2026-10-{place:05d}",
                    f"RB-{('BACKUP', 'CERT', 'DISK')[place % 3]}-00{place % 9}",
                    "CC7.4",
                    f"2026-10-{place % 28 + 1:02d}T14:32:01.000000Z",
                    f"2026-10-{place % 28 + 1:02d}T14:35:23.000000Z",
                    str(place % 900),
                    says("Restarted the service; the backup ran again."),
                ]
                for place in range(rows)
            ],
            "total": rows,
            "isTruncated": False,
            "source": {
                "query": "incidents.opened",
                "kind": "records",
                "count": rows,
                "objectType": "incident",
                "objects": [f"INC-2026-10-{place:05d}" for place in range(min(rows, 50))],
                "objectsSha256": _sha256("incidents"),
            },
        },
        {
            "id": "keys",
            "title": says("Keys and their changes"),
            "columns": [
                {"key": "key", "title": "Key", "weight": 4},
                {"key": "change", "title": "Change", "weight": 3},
                {"key": "at", "title": "At", "weight": 3},
            ],
            "rows": [],
            "total": 0,
            "isTruncated": False,
            "source": None,
        },
    ]


def _completeness(says: Any) -> dict[str, Any]:
    return {
        "observed": {
            "jobs": [
                {
                    "name": says("verify-audit-log"),
                    "job_type": "audit_verify",
                    "schedule_cron": "11 1 * * *",
                    "expected": 31,
                    "succeeded": 29,
                    "failed": 1,
                    "open": 0,
                    "missing": ["2026-10-12T01:11:00.000000Z"],
                    "missing_count": 1,
                }
            ],
            "archive": {
                "log_size": _TREE_SIZE,
                "archived_through_seq": 47_000,
                "unarchived": 1210,
            },
            "checkpoints": {"hours": 744, "missing": [], "missing_count": 0},
        },
        "pending": 0,
        "setAside": 0,
        "lateArrivals": {
            "laterThanSeconds": 86_400,
            "count": 2,
            "ranges": [[31_007, 31_008]],
            "isTruncated": False,
        },
        "gaps": 0,
        "isPeriodOver": True,
    }


def _verification(name: str, verify_url: str) -> dict[str, Any]:
    key_url = "https://vault.example.org/api/compliance/public-key"
    return {
        "signingKeyId": "SHA256:2f6a1c0d9b8e7f60",
        "publicKeyUrl": key_url,
        "verifyUrl": "https://vault.example.org/api/compliance/verify",
        "verifyPage": verify_url,
        "commands": [
            f"curl -sSo public-key.pem '{key_url}?key_id=2f6a1c0d9b8e7f60'",
            f"base64 -d {name}.json.sig > {name}.json.sig.bin",
            f"openssl dgst -sha256 -verify public-key.pem "
            f"-signature {name}.json.sig.bin {name}.json",
            f"pdfsig -nocert {name}.pdf",
            f"sha256sum {name}.json",
        ],
    }


def _sha256(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _b64(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()
