"""The documents of a package: their exact bytes, and that no other form is read."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from evidence.formats import contents, countersign, manifest, readme, signature
from evidence.formats.completeness import Completeness
from evidence.formats.contents import Proofs, Ranges
from evidence.formats.manifest import Manifest
from sealing import canonical, digests
from sealing.errors import Invalid
from sealing.signers.local import LocalSigner
from tests.unit.evidence import making
from tests.unit.evidence.making import Recipe

FIXED = LocalSigner(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
DIGEST = "sha256:" + "ab" * 32


def described() -> Manifest:
    made = making.make(Recipe(log=making.log_lines(3), chosen=[]), countersign_with=())
    return manifest.parse(manifest.build(made.manifest))


def plain() -> Manifest:
    """A manifest that no key has part in."""
    return Manifest(
        bundle_id=making.BUNDLE,
        client_id="clinic-001",
        run_id=None,
        maker=making.MAKER,
        period_start="2026-01-01T00:00:00.000000Z",
        period_end="2026-02-01T00:00:00.000000Z",
        generated_at="2026-02-02T09:30:00.000000Z",
        generator="strongroom/0.1.0",
        request=manifest.ExportRequest(
            None, None, "Jänner", "evidence", 1, "hipaa_6y", True, "none"
        ),
        summary=manifest.Summary(2, 0, 1, 3),
        signatures=1,
        countersignatures=1,
        files=manifest.file_entries(
            [("audit_events.jsonl", 10, DIGEST), ("README.txt", 5, DIGEST)]
        ),
    )


# --- golden vectors: a changed byte here changes what every verifier out there expects ------------


def test_manifest_bytes() -> None:
    assert manifest.build(plain()).decode() == (
        '{"bundle_id":"evidence_20260202T093000Z_0a1b2c3d","client_id":"clinic-001","files":['
        '{"media_type":"text/plain; charset=utf-8","name":"README.txt",'
        f'"relative_path":"README.txt","sha256":"{DIGEST}","size_bytes":5}},'
        '{"media_type":"application/jsonl","name":"audit_events.jsonl",'
        f'"relative_path":"audit_events.jsonl","sha256":"{DIGEST}","size_bytes":10}}],'
        '"format":"strongroom/package/v1","generated_at":"2026-02-02T09:30:00.000000Z",'
        '"generator":"strongroom/0.1.0","maker":"11111111-1111-4111-8111-111111111111",'
        '"period":{"end":"2026-02-01T00:00:00.000000Z","start":"2026-01-01T00:00:00.000000Z"},'
        '"request":{"event_types":null,"kms_key_id":null,"note":"Jänner",'
        '"package_prefix":"evidence","required_countersignatures":1,'
        '"retention_policy":"hipaa_6y","sign_bundle":true,"vault_mode":"none"},"run_id":null,'
        '"signature_policy":{"countersignatures":1,"signatures":1},'
        '"summary":{"events":2,"first_seq":0,"last_seq":1,"tree_size":3}}\n'
    )


def test_signature_bytes() -> None:
    raw = signature.build(
        manifest=plain(),
        manifest_digest=DIGEST,
        digest=DIGEST,
        signer=FIXED,
        signer_name="Artefacts",
        signed_at="2026-02-02T09:30:00.000000Z",
        secret=b"shared",
    )
    document = json.loads(raw)
    payload = json.loads(base64.b64decode(document["envelope"]["payload"]))
    assert payload == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"{making.BUNDLE}.zip", "digest": {"sha256": "ab" * 32}}],
        "predicateType": "https://strongroom.dev/predicates/package-signature/v1",
        "predicate": {
            "algorithm": "ed25519",
            "signer": "Artefacts",
            "signing_key_id": FIXED.key_id,
            "signed_at": "2026-02-02T09:30:00.000000Z",
            "manifest_digest": DIGEST,
            "signature_policy": {"signatures": 1, "countersignatures": 1},
            "mac_digest": digests.sha256_tag(document["mac"].encode()),
        },
    }
    assert document["envelope"]["payloadType"] == "application/vnd.in-toto+json"
    assert digests.sha256_tag(raw) == SIGNATURE_DIGEST


def test_countersign_bytes() -> None:
    statement = countersign.Statement(
        signer="oscar",
        person=making.OFFICER,
        signing_key_id=FIXED.key_id,
        signed_at="2026-02-02T10:00:00.000000Z",
        digest=DIGEST,
        meaning="reviewed and approved",
        note="",
        nonce="00" * 16,
        previous=DIGEST,
    )
    entry = countersign.sign_entry(statement=statement, bundle_id=making.BUNDLE, signer=FIXED)
    raw = countersign.build(
        package_path=f"clinic-001/{making.BUNDLE}.zip", package_sha256=DIGEST, entries=[entry]
    )
    document = json.loads(raw)
    assert set(document) == {
        "package_path", "package_sha256", "updated_at", "entry_count", "entries",
    }  # fmt: skip
    assert document["updated_at"] == "2026-02-02T10:00:00.000000Z"
    payload = json.loads(base64.b64decode(document["entries"][0]["envelope"]["payload"]))
    assert payload["predicateType"].endswith("/countersignature/v1")
    assert payload["predicate"] == statement.as_dict()
    assert digests.sha256_tag(raw) == COUNTERSIGN_DIGEST


def test_readme_bytes() -> None:
    text = readme.build(plain())
    assert b"openssl dgst -sha256 -verify public_key.pem" in text
    assert digests.sha256_tag(text) == README_DIGEST


SIGNATURE_DIGEST = "sha256:dfa7116c21c1d81bac8a2c441db921fa3010ba2b281ccf1d399f319e5237205b"
COUNTERSIGN_DIGEST = "sha256:ed27f9c8aa543ee3a04f20c4b5704903e6a3f098c86b4b73b0efba1072a8b7f5"
README_DIGEST = "sha256:8e10a8be7497940aeb48e673595e2d8ff38b36bf9bde94487200e026d69d83c9"


def test_unsigned_readme_promises_no_signature() -> None:
    made = making.make(Recipe(signatures=0, countersignatures=0))
    assert b"without a signature" in readme.build(made.manifest)
    assert b"openssl dgst" not in readme.build(made.manifest)


# --- strict reading ------------------------------------------------------------------------------


def test_manifest_is_read_back() -> None:
    assert manifest.parse(manifest.build(plain())) == plain()
    assert described().summary.tree_size == 3


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("/format", lambda d: d.update(format="strongroom/package/v2")),
        ("/more", lambda d: d.update(more=1)),
        ("/maker", lambda d: d.pop("maker")),
        ("/bundle_id", lambda d: d.update(bundle_id="../x_20260202T093000Z_0a1b2c3d")),
        ("/client_id", lambda d: d.update(client_id="platform")),
        ("/client_id", lambda d: d.update(client_id="a/b")),
        ("/generated_at", lambda d: d.update(generated_at="2026-02-02T09:30:00Z")),
        ("/period/end", lambda d: d["period"].update(end=d["period"]["start"])),
        ("/period/zone", lambda d: d["period"].update(zone="UTC")),
        ("/signature_policy", lambda d: d["signature_policy"].update(signatures=2)),
        ("/signature_policy", lambda d: d["signature_policy"].update(countersignatures=9)),
        ("/signature_policy/signatures", lambda d: d["signature_policy"].update(signatures=True)),
        ("/signature_policy/signatures", lambda d: d["signature_policy"].update(signatures=-1)),
        ("/request/sign_bundle", lambda d: d["request"].update(sign_bundle=1)),
        ("/request/event_types", lambda d: d["request"].update(event_types=[])),
        ("/summary/events", lambda d: d["summary"].update(events="2")),
        ("/files", lambda d: d["files"].reverse()),
        ("/files", lambda d: d["files"].append(dict(d["files"][1]))),
        ("/files/0/name", lambda d: d["files"][0].update(name="other")),
        ("/files/0/sha256", lambda d: d["files"][0].update(sha256="sha256:" + "AB" * 32)),
        ("/files/0/size_bytes", lambda d: d["files"][0].update(size_bytes=-1)),
    ],
)  # fmt: skip
def test_manifest_of_another_form(place: str, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(manifest.build(plain()))
    change(value)
    with pytest.raises(Invalid) as caught:
        manifest.parse(canonical.document(value))
    assert caught.value.field == place


def test_manifest_does_not_list_itself() -> None:
    value = json.loads(manifest.build(plain()))
    value["files"].append(
        dict(value["files"][1], name="manifest.json", relative_path="manifest.json")
    )
    with pytest.raises(Invalid):
        manifest.parse(canonical.document(value))


@pytest.mark.parametrize(
    "late",
    [
        [[2, 1]],
        [[0, 1], [1, 2]],
        [[0, 1], [2, 3]],
        [[3, 4], [0, 1]],
        [[-1, 0]],
        [[0]],
        [["0", "1"]],
        [[True, True]],
    ],
)
def test_ranges_have_one_spelling(late: list[Any]) -> None:
    value = json.loads(Completeness(9, 0, 0, 5, (), True).build())
    value["late_arrivals"]["ranges"] = late
    value["late_arrivals"]["count"] = 2
    with pytest.raises(Invalid):
        Completeness.parse(canonical.document(value))


def test_count_of_late_arrivals_is_that_of_the_ranges() -> None:
    raw = Completeness(9, 1, 2, 5, ((0, 1), (4, 4)), False).build()
    assert Completeness.parse(raw) == Completeness(9, 1, 2, 5, ((0, 1), (4, 4)), False)
    with pytest.raises(Invalid):
        Completeness.parse(raw.replace(b'"count":3', b'"count":2'))


def test_ranges_are_collected() -> None:
    ranges = Ranges()
    for number in (1, 2, 3, 7, 9, 10):
        ranges.add(number)
    assert ranges.as_tuple() == ((1, 3), (7, 7), (9, 10))


@pytest.mark.parametrize("indexes", [[1, 1], [2, 1], [-1], [3], [0, True], ["0"], [0.5], [None]])
def test_proof_indexes_ascend_within_the_tree(indexes: list[Any]) -> None:
    raw = canonical.document({"tree_size": 3, "indexes": indexes, "hashes": []})
    with pytest.raises(Invalid):
        Proofs.parse(raw)


def test_media_types() -> None:
    assert manifest.media_type(contents.CHECKPOINT) == "text/plain; charset=utf-8"
    assert manifest.media_type("a/b.json") == "application/json"
    assert manifest.media_type("a.b/c.bin") == "application/octet-stream"
