"""CloudTrail in, proofs out: the sample that is shipped, and the whole data set (acceptance 7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from audit import selectors
from audit.formats import checkpoint as checkpoints
from audit.formats import event as events
from audit.models import AuditEvent
from audit.services import keys, proofs
from sealing import merkle
from tests.api.audit import EVENTS, Api, problem
from tests.conformance import data
from tests.factories import World

SAMPLE = Path(__file__).resolve().parents[2] / "demo" / "data" / "cloudtrail-sample.ndjson"
ADDRESS = f"{EVENTS}?profile=cloudtrail"


def send(api: Api, raw: bytes) -> Any:
    return api.post(raw, ADDRESS, "application/x-ndjson")


def check(world: World, raw: bytes) -> None:
    """Sends it three times, the last time changed, and proves every event."""
    api = Api(world, "svc-clinic-001")
    records = [json.loads(line) for line in raw.splitlines()]
    count = len(records)
    first = send(api, raw)
    assert first.status_code == 201, first.content
    body = first.json()
    assert (body["accepted"], body["duplicates"]) == (count, 0)
    assert body["last_seq"] - body["first_seq"] == count - 1
    again = send(api, raw).json()
    assert (again["accepted"], again["duplicates"], again["head"]) == (0, count, body["head"])
    _check_conflict(api, records)
    _check_lines(api, records, body["first_seq"])
    assert AuditEvent.objects.filter(recorder="service:svc-clinic-001").count() == count


def _check_conflict(api: Api, records: list[dict[str, Any]]) -> None:
    before = AuditEvent.objects.count()
    changed = [*records[:-1], {**records[-1], "eventName": "Another"}]
    response = send(api, b"".join(json.dumps(item).encode() + b"\n" for item in changed))
    body = problem(response, 409, "event_id_conflict")
    assert [error["field"] for error in body["errors"]] == [f"events[{len(records) - 1}].id"]
    assert AuditEvent.objects.count() == before


def _check_lines(api: Api, records: list[dict[str, Any]], first_seq: int) -> None:
    checkpoint = _checkpoint(api, records[-1]["eventID"])
    lines = dict(selectors.all_lines(start_seq=first_seq, end_seq=first_seq + len(records)))
    for seq, record in enumerate(records, first_seq):
        line = events.parse_line(lines[seq], strict=True)
        assert merkle.leaf_hash(events.leaf_part(lines[seq])) == line.hash
        path = proofs.inclusion(seq, checkpoint.size)
        assert merkle.verify_inclusion(line.hash, seq, checkpoint.size, path, checkpoint.root)
        _check_mapping(json.loads(line.event_bytes), record)


def _checkpoint(api: Api, event_id: str) -> checkpoints.Checkpoint:
    """The signed tree over the last event, by way of the API."""
    proof = api.get(f"{EVENTS}/{event_id}/proof").json()
    checkpoint, findings = checkpoints.open_note(proof["checkpoint"].encode(), keys.signers())
    assert [finding.ok for finding in findings] == [True]
    assert checkpoint is not None
    assert checkpoint.size == proof["tree_size"] > proof["seq"]
    return checkpoint


def _check_mapping(event: dict[str, Any], record: dict[str, Any]) -> None:
    service = record["eventSource"].removesuffix(".amazonaws.com")
    assert event["id"] == record["eventID"]
    assert event["type"] == f"aws.{service}.{record['eventName']}"
    assert event["occurred_at"][:19] == record["eventTime"][:19]
    assert event["client_id"] == "clinic-001"
    assert (event["outcome"] == "success") == ("errorCode" not in record)
    assert event["data"] == record


def test_the_sample(world: World) -> None:
    check(world, SAMPLE.read_bytes())


def test_the_whole_data_set(world: World) -> None:
    path = data.folder("cloudtrail") / "events.ndjson"
    raw = path.read_bytes()
    assert raw.count(b"\n") == 2_900
    check(world, raw)


def test_a_proof_of_every_event_by_the_api(world: World) -> None:
    api = Api(world, "svc-clinic-001")
    raw = b"".join(SAMPLE.read_bytes().splitlines(keepends=True)[:25])
    send(api, raw)
    for line in raw.splitlines():
        event_id = json.loads(line)["eventID"]
        proof = api.get(f"{EVENTS}/{event_id}/proof").json()
        stored = events.parse_line(api.get(f"{EVENTS}/{event_id}").content, strict=True)
        assert proof["leaf_hash"] == f"sha256:{stored.hash.hex()}"
        checkpoint, _ = checkpoints.open_note(proof["checkpoint"].encode(), keys.signers())
        assert checkpoint is not None
        path = [bytes.fromhex(item.removeprefix("sha256:")) for item in proof["hashes"]]
        assert merkle.verify_inclusion(
            stored.hash, proof["seq"], proof["tree_size"], path, checkpoint.root
        )
