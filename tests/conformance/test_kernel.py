"""The kernel against the vectors of the specifications that it follows."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sealing import canonical, dsse, keys, merkle
from sealing.dsse import Envelope
from sealing.errors import Invalid
from sealing.signers.local import LocalSigner


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_canonical_json(vectors: Path) -> None:
    names = sorted(path.name for path in (vectors / "jcs" / "input").glob("*.json"))
    for name in names:
        value = canonical.loads((vectors / "jcs" / "input" / name).read_bytes())
        expected = (vectors / "jcs" / "output" / name).read_bytes()
        assert canonical.dumps(value) == expected, name
        assert canonical.is_canonical(expected), name
    assert len(names) == 6


def unb64(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def test_inclusion_proofs(vectors: Path) -> None:
    outcomes: Counter[bool] = Counter()
    for path in (vectors / "merkle" / "inclusion").rglob("*.json"):
        case = load(path)
        verified = merkle.verify_inclusion(
            unb64(case["leafHash"]),
            case["leafIdx"],
            case["treeSize"],
            [unb64(item) for item in case["proof"] or ()],
            unb64(case["root"]),
        )
        assert verified is not case["wantErr"], path
        outcomes[verified] += 1
    assert outcomes.total() == 98
    assert outcomes[True] > 0


def test_consistency_proofs(vectors: Path) -> None:
    outcomes: Counter[bool] = Counter()
    for path in (vectors / "merkle" / "consistency").rglob("*.json"):
        case = load(path)
        verified = merkle.verify_consistency(
            case["size1"],
            case["size2"],
            [unb64(item) for item in case["proof"] or ()],
            unb64(case["root1"]),
            unb64(case["root2"]),
        )
        assert verified is not case["wantErr"], path
        outcomes[verified] += 1
    assert outcomes.total() == 98
    assert outcomes[True] > 0


class Key:
    """A trusted key of the envelope vectors."""

    def __init__(self, pem: str) -> None:
        self._pem = pem

    def verify(self, signature: bytes, message: bytes) -> bool:
        return keys.verify(self._pem, keys.ED25519, signature, message)


def accepts(case: dict[str, Any], known: dict[str, Key]) -> bool:
    try:
        envelope = dsse.parse_envelope(case["envelope"], strict=False)
    except Invalid:
        return False
    if envelope.payload_type not in case["supportedPayloadTypes"]:
        return False
    trusted = {name: known[name] for name in case["trustedKeys"]}
    return bool(dsse.verify_envelope(envelope, trusted, case["threshold"]))


def test_envelopes(vectors: Path) -> None:
    document = load(vectors / "dsse" / "vectors.json")
    known = {}
    for name, key in document["keys"].items():
        seed = bytes.fromhex(key["seed"])
        der = bytes.fromhex("302e020100300506032b657004220420") + seed
        pem = base64.encodebytes(der).decode()
        signer = LocalSigner.from_pem(
            f"-----BEGIN PRIVATE KEY-----\n{pem}-----END PRIVATE KEY-----\n"
        )
        known[name] = Key(signer.public_key_pem)
    outcomes: Counter[str] = Counter()
    for case in document["vectors"]:
        expected = case["expect"]
        assert accepts(case, known) is (expected == "accept"), case["id"]
        outcomes[expected] += 1
        if expected == "accept" and "pae" in case:
            parsed: Envelope = dsse.parse_envelope(case["envelope"], strict=False)
            assert parsed.pae().hex() == case["pae"]
    assert outcomes.total() == 9
    assert outcomes["accept"] > 0


@pytest.mark.parametrize(
    ("name", "algorithm", "valid", "invalid"),
    [
        ("ecdsa_secp256r1_sha256_test.json", keys.ECDSA_P256, 174, 310),
        ("ed25519_test.json", keys.ED25519, 88, 63),
        ("rsa_signature_2048_sha256_test.json", keys.RSA_SHA256, 9, 249),
    ],
)
def test_signatures(vectors: Path, name: str, algorithm: str, valid: int, invalid: int) -> None:
    outcomes: Counter[tuple[str, bool]] = Counter()
    for group in load(vectors / "wycheproof" / name)["testGroups"]:
        for case in group["tests"]:
            verified = keys.verify(
                group["publicKeyPem"],
                algorithm,
                bytes.fromhex(case["sig"]),
                bytes.fromhex(case["msg"]),
            )
            outcomes[case["result"], verified] += 1
            if case["result"] != "acceptable":
                assert verified is (case["result"] == "valid"), case
    assert outcomes["valid", True] == valid
    assert outcomes["invalid", False] == invalid
