"""Three events, their lines and a checkpoint: once published, no byte of them may ever change."""

from __future__ import annotations

from typing import Any

from tests.unit.sealing import golden as keys

ORIGIN = "strongroom.example.org/audit"
GENESIS = "8f29e73de510707f6e4ec06a5fbdfec14e779c0dbc76762f057d071ff14905c8"

EVENTS: list[dict[str, Any]] = [
    {
        "id": "0190a6c1-0000-7000-8000-000000000000",
        "type": "access.client.created",
        "occurred_at": "2026-01-31T09:00:00.000000Z",
        "actor": {"id": "user:alice", "person": "7d444840-9dc0-11d1-b245-5ffdce74fad2"},
        "recorder": "strongroom",
        "client_id": None,
        "object": {"type": "client", "id": "clinic-001"},
        "outcome": "success",
    },
    {
        "id": "0190a6c1-0000-7000-8000-000000000001",
        "type": "aws.s3.GetObject",
        "occurred_at": "2026-01-31T09:00:01.500000Z",
        "actor": {"id": "service:backup"},
        "recorder": "service:svc-clinic-001",
        "client_id": "clinic-001",
        "object": None,
        "outcome": "denied",
        "request_id": "req-1",
        "source": {"ip": "192.0.2.7", "user_agent": "curl/8"},
        "data": {"größe": [1, 0.5, 1e21, -0.0, True, None], "€": '\n"\\\x7f', "a": {}},
        "redacted": ["/data/secret"],
    },
    {
        "id": "0190a6c1-0000-7000-8000-000000000002",
        "type": "evidence.package.exported",
        "occurred_at": "2026-01-31T09:00:02.000001Z",
        "actor": {"id": "user:olivia"},
        "recorder": "strongroom",
        "client_id": "clinic-001",
        "object": {"type": "package", "id": "evidence_20260131T090000Z_0badcafe"},
        "outcome": "success",
        "data": {"files": 7},
    },
]
TIMES = [f"2026-01-31T09:00:03.00000{number}Z" for number in range(3)]
HASHES = [
    "64d055eacdca76a25d520e6a64f054d53601f4f403b444ba83149c600f46cfdb",
    "dbf0013777740a552e0cc38108a1f7bad52f8cd0d55facaa132c5414ebe51ba2",
    "6d2655c223addae4932e6fb82c3dc0d19e46550a6727ac388e2def07d0297e47",
]
LINES = [
    (
        b'{"v":1,"seq":0,"sealed_at":"2026-01-31T09:00:03.000000Z","prev_hash":"sha256:'
        b'8f29e73de510707f6e4ec06a5fbdfec14e779c0dbc76762f057d071ff14905c8","event":{"actor":'
        b'{"id":"user:alice","person":"7d444840-9dc0-11d1-b245-5ffdce74fad2"},"client_id":null,'
        b'"data":null,"id":"0190a6c1-0000-7000-8000-000000000000","object":{"id":"clinic-001",'
        b'"type":"client"},"occurred_at":"2026-01-31T09:00:00.000000Z","outcome":"success",'
        b'"recorder":"strongroom","redacted":[],"request_id":null,"source":null,'
        b'"type":"access.client.created"},"hash":"sha256:'
        b'64d055eacdca76a25d520e6a64f054d53601f4f403b444ba83149c600f46cfdb"}'
    ),
    (
        '{"v":1,"seq":1,"sealed_at":"2026-01-31T09:00:03.000001Z","prev_hash":"sha256:'
        '64d055eacdca76a25d520e6a64f054d53601f4f403b444ba83149c600f46cfdb","event":{"actor":'
        '{"id":"service:backup"},"client_id":"clinic-001","data":{"a":{},"größe":[1,0.5,1e+21,0,'
        'true,null],"€":"\\n\\"\\\\\x7f"},"id":"0190a6c1-0000-7000-8000-000000000001",'
        '"object":null,"occurred_at":"2026-01-31T09:00:01.500000Z","outcome":"denied",'
        '"recorder":"service:svc-clinic-001","redacted":["/data/secret"],"request_id":"req-1",'
        '"source":{"ip":"192.0.2.7","user_agent":"curl/8"},"type":"aws.s3.GetObject"},'
        '"hash":"sha256:dbf0013777740a552e0cc38108a1f7bad52f8cd0d55facaa132c5414ebe51ba2"}'
    ).encode(),
    (
        b'{"v":1,"seq":2,"sealed_at":"2026-01-31T09:00:03.000002Z","prev_hash":"sha256:'
        b'dbf0013777740a552e0cc38108a1f7bad52f8cd0d55facaa132c5414ebe51ba2","event":{"actor":'
        b'{"id":"user:olivia"},"client_id":"clinic-001","data":{"files":7},'
        b'"id":"0190a6c1-0000-7000-8000-000000000002","object":{"id":'
        b'"evidence_20260131T090000Z_0badcafe","type":"package"},'
        b'"occurred_at":"2026-01-31T09:00:02.000001Z","outcome":"success",'
        b'"recorder":"strongroom","redacted":[],"request_id":null,"source":null,'
        b'"type":"evidence.package.exported"},"hash":"sha256:'
        b'6d2655c223addae4932e6fb82c3dc0d19e46550a6727ac388e2def07d0297e47"}'
    ),
]
ROOT = "4fd1bda9e1d8e237c33c69f7d43984a775afc397255a7d64732908910582eee9"
FRONTIER = (
    b"zn5YBfU8eBBHwWNtJTAwTspEACsJC9fSUyxcRHkVjOA=\nbSZVwiOt2uSTLm+4LD3A0Z5GVQpnJ6w4ji3vB9Apfkc=\n"
)
CHECKPOINT = (
    "strongroom.example.org/audit\n"
    "3\n"
    "T9G9qeHY4jfDPGn31DmEp3Wvw5clWn1kcykIkQWC7uk=\n"
    "head sha256:6d2655c223addae4932e6fb82c3dc0d19e46550a6727ac388e2def07d0297e47\n"
    "time 2026-01-31T09:00:04.000000Z\n"
    "\n"
    "— strongroom.example.org/audit OaOWV9W5S8oJcFTPDSbdtlhrz36TCuhlAL9zrLpolrJncIlFPe9OXBDy6xRG"
    "2PIprDCYAWewZLVvf0Sb2h/HPVmpBwM=\n"
).encode()
signer = keys.signer
