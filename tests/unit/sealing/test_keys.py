"""Keys, signers, and the signers file."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from hypothesis import given
from hypothesis import strategies as st

from sealing import keys
from sealing.keys import KeyRefused, Signers, SignersRefused, TrustedKey
from sealing.signers import hmac
from sealing.signers.local import LocalSigner
from tests.unit.sealing import golden

SIGNERS = {algorithm: LocalSigner.generate(algorithm) for algorithm in keys.ALGORITHMS}
MESSAGE = b"a message"
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def pem_of(key: Any) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def public_pem_of(key: Any) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def trusted(**changes: Any) -> TrustedKey:
    key = TrustedKey(
        signer_kid=golden.KEY_ID,
        name="Checkpoints",
        person=None,
        purposes=("checkpoint",),
        algorithm=keys.ED25519,
        public_key_pem=golden.PUBLIC_PEM,
        status="active",
        not_before="2026-01-01T00:00:00.000000Z",
        not_after=None,
        compromised_at=None,
    )
    return replace(key, **changes)


def entry(**changes: Any) -> dict[str, Any]:
    raw = keys.signers_document(Signers("example.org/log", (trusted(),)))
    found: dict[str, Any] = json.loads(raw)["signers"][0]
    return {**found, **changes}


def document(*entries: Any, origin: Any = "example.org/log") -> bytes:
    return json.dumps({"origin": origin, "signers": list(entries)}).encode()


def test_golden_key() -> None:
    signer = golden.signer()
    assert signer.algorithm == keys.ED25519
    assert signer.public_key_pem == golden.PUBLIC_PEM
    assert signer.key_id == keys.key_id(golden.PUBLIC_PEM) == golden.KEY_ID
    assert signer.private_pem() == golden.PRIVATE_PEM
    assert golden.PRIVATE_PEM[30:60] not in repr(signer)


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_signatures(algorithm: str) -> None:
    signer = SIGNERS[algorithm]
    signature = signer.sign(MESSAGE)
    public = signer.public_key_pem
    assert keys.verify(public, algorithm, signature, MESSAGE)
    assert not keys.verify(public, algorithm, signature, MESSAGE + b".")
    assert not keys.verify(public, algorithm, signature + b"\x00", MESSAGE)
    assert not keys.verify(public, algorithm, signature[:-1], MESSAGE)
    for other in keys.ALGORITHMS:
        if other != algorithm:
            assert not keys.verify(public, other, signature, MESSAGE)
            assert not keys.verify(SIGNERS[other].public_key_pem, other, signature, MESSAGE)
    assert not keys.verify(public, "none", signature, MESSAGE)


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
@given(garbage=st.binary(max_size=400))
def test_garbage_is_no_signature_and_no_error(algorithm: str, garbage: bytes) -> None:
    assert not keys.verify(SIGNERS[algorithm].public_key_pem, algorithm, garbage, MESSAGE)


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_every_flipped_bit_of_a_signature_is_noticed(algorithm: str) -> None:
    signer = SIGNERS[algorithm]
    signature = signer.sign(MESSAGE)
    for index in range(len(signature) * 8):
        flipped = bytearray(signature)
        flipped[index // 8] ^= 1 << index % 8
        assert not keys.verify(signer.public_key_pem, algorithm, bytes(flipped), MESSAGE)


def test_rsa_signatures_are_deterministic_and_keys_long() -> None:
    signer = SIGNERS[keys.RSA_SHA256]
    assert signer.sign(MESSAGE) == signer.sign(MESSAGE)
    assert len(signer.sign(MESSAGE)) * 8 == 3072


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_private_keys_go_through_pem(algorithm: str) -> None:
    signer = SIGNERS[algorithm]
    again = LocalSigner.from_pem(signer.private_pem())
    assert (again.key_id, again.algorithm) == (signer.key_id, algorithm)
    assert keys.verify(signer.public_key_pem, algorithm, again.sign(MESSAGE), MESSAGE)


def test_an_encrypted_key_needs_its_password() -> None:
    private = serialization.load_pem_private_key(golden.PRIVATE_PEM.encode(), None)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    assert LocalSigner.from_pem(pem, b"secret").key_id == golden.KEY_ID
    for password in (None, b"wrong"):
        with pytest.raises(KeyRefused):
            LocalSigner.from_pem(pem, password)


UNUSABLE = [
    rsa.generate_private_key(public_exponent=65537, key_size=1024),
    ec.generate_private_key(ec.SECP384R1()),
    ec.generate_private_key(ec.SECP256K1()),
    dsa.generate_private_key(2048),
    x25519.X25519PrivateKey.generate(),
]


@pytest.mark.parametrize("key", UNUSABLE, ids=lambda key: type(key).__name__)
def test_other_kinds_of_keys_are_refused(key: Any) -> None:
    with pytest.raises(KeyRefused):
        LocalSigner.from_pem(pem_of(key))
    with pytest.raises(KeyRefused):
        keys.key_id(public_pem_of(key))


def test_rsa_keys_of_2048_bits_are_accepted() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert LocalSigner.from_pem(pem_of(key)).algorithm == keys.RSA_SHA256


@pytest.mark.parametrize("pem", ["", "x", golden.PRIVATE_PEM, golden.PUBLIC_PEM[:-40], "é", None])
def test_what_is_no_public_key_is_refused(pem: str) -> None:
    with pytest.raises(KeyRefused):
        keys.key_id(pem)


@pytest.mark.parametrize("pem", ["", "x", golden.PUBLIC_PEM, golden.PRIVATE_PEM[:-40]])
def test_what_is_no_private_key_is_refused_without_repeating_it(pem: str) -> None:
    with pytest.raises(KeyRefused) as caught:
        LocalSigner.from_pem(pem)
    assert "MC" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(KeyRefused):
        LocalSigner.generate("rsa-md5")


def test_the_mac_is_pinned() -> None:
    fields = ("sha256:" + "0" * 64, "Strongroom", "sha256:" + "1" * 64)
    moment = "2026-01-31T09:00:00.000000Z"
    assert hmac.mac(b"secret", *fields, moment) == golden.MAC
    assert hmac.mac_matches(golden.MAC, b"secret", *fields, moment)
    assert not hmac.mac_matches(golden.MAC, b"Secret", *fields, moment)
    assert not hmac.mac_matches(golden.MAC.upper(), b"secret", *fields, moment)
    assert not hmac.mac_matches("é", b"secret", *fields, moment)
    assert not hmac.mac_matches("\ud800", b"secret", *fields, moment)
    assert not hmac.mac_matches(golden.MAC, b"secret", *fields, moment + "|")


@pytest.mark.parametrize("place", range(4))
def test_the_macs_separator_is_refused_in_every_field(place: int) -> None:
    fields = ["digest", "signer", "key", "time"]
    fields[place] += "|"
    with pytest.raises(hmac.MacFieldRefused):
        hmac.mac(b"secret", *fields)


def test_a_signers_file_goes_back_and_forth() -> None:
    signers = Signers(
        "example.org/log",
        (
            trusted(),
            trusted(
                signer_kid=SIGNERS[keys.ECDSA_P256].key_id,
                public_key_pem=SIGNERS[keys.ECDSA_P256].public_key_pem,
                algorithm=keys.WEBAUTHN_ES256,
                purposes=("countersign",),
                person="7d444840-9dc0-11d1-b245-5ffdce74fad2",
                rp_id="example.org",
                origins=("https://example.org",),
                status="retired",
                not_after="2026-05-01T00:00:00.000000Z",
            ),
        ),
    )
    raw = keys.signers_document(signers)
    assert keys.parse_signers(raw) == signers
    assert raw.endswith(b"}\n")
    assert [key.name for key in signers.checkpoint_keys()] == ["Checkpoints"]


def test_a_passkey_does_not_verify_a_plain_signature() -> None:
    signer = SIGNERS[keys.ECDSA_P256]
    key = trusted(
        public_key_pem=signer.public_key_pem, algorithm=keys.WEBAUTHN_ES256, rp_id="example.org"
    )
    assert not key.verify(signer.sign(MESSAGE), MESSAGE)


OTHER_PEM = SIGNERS[keys.RSA_SHA256].public_key_pem


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        (entry(signer_kid="sha256:" + "0" * 64), "/signers/0/signer_kid"),
        (entry(public_key_pem=OTHER_PEM), "/signers/0/signer_kid"),
        (entry(public_key_pem="x"), "/signers/0"),
        (entry(algorithm="rsa-sha256"), "/signers/0/algorithm"),
        (entry(algorithm="webauthn-es256"), "/signers/0/algorithm"),
        (entry(purposes=["checkpoint", "other"]), "/signers/0/purposes"),
        (entry(purposes=["checkpoint", "checkpoint"]), "/signers/0/purposes"),
        (entry(purposes=[["checkpoint"]]), "/signers/0/purposes"),
        (entry(purposes="checkpoint"), "/signers/0/purposes"),
        (entry(status="revoked"), "/signers/0/status"),
        (entry(status="compromised"), "/signers/0/compromised_at"),
        (entry(compromised_at="2026-05-01T00:00:00.000000Z"), "/signers/0/compromised_at"),
        (entry(status="retired"), "/signers/0/not_after"),
        (entry(not_before=None), "/signers/0/not_before"),
        (entry(not_before="2026-01-01"), "/signers/0"),
        (entry(not_after="never"), "/signers/0"),
        (entry(person=1), "/signers/0/person"),
        (entry(origins=[1]), "/signers/0/origins"),
        (entry(extra=1), "/signers/0/extra"),
        ({key: value for key, value in entry().items() if key != "name"}, "/signers/0/name"),
        ([], "/signers/0"),
    ],
)
def test_entries_that_are_refused(changed: Any, place: str) -> None:
    assert keys.parse_signers(document(entry()))
    with pytest.raises(SignersRefused) as caught:
        keys.parse_signers(document(changed))
    assert caught.value.field == place


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        document(entry(), entry()),
        document(entry(), origin=None),
        b'{"origin":"a","origin":"b","signers":[]}',
        b'{"origin":"a","signers":{}}',
        b'{"origin":"a","signers":[],"extra":1}',
        b"\xff",
    ],
)
def test_files_that_are_refused(raw: bytes) -> None:
    with pytest.raises(SignersRefused):
        keys.parse_signers(raw)


@pytest.mark.parametrize(
    ("changes", "signed_at", "code"),
    [
        ({}, JUNE, None),
        ({}, None, None),
        ({"purposes": ("package",)}, JUNE, "key_purpose"),
        ({"not_before": "2026-06-01T00:00:00.000001Z"}, JUNE, "key_not_yet_valid"),
        ({"not_before": "2026-06-01T00:00:00.000000Z"}, JUNE, None),
        ({"status": "retired", "not_after": "2026-06-01T00:00:00.000000Z"}, JUNE, None),
        ({"status": "retired", "not_after": "2026-05-31T23:59:59.999999Z"}, JUNE, "key_retired"),
        ({"not_after": "2026-05-31T23:59:59.999999Z"}, JUNE, "key_retired"),
        ({"not_after": "2027-01-01T00:00:00.000000Z"}, None, "key_retired"),
        ({"status": "retired"}, JUNE, "key_retired"),
        (
            {"status": "compromised", "compromised_at": "2026-07-01T00:00:00.000000Z"},
            JUNE,
            "key_compromised",
        ),
    ],
)
def test_whose_signature_counts(
    changes: dict[str, Any], signed_at: datetime | None, code: str | None
) -> None:
    signers = Signers("example.org/log", (trusted(**changes),))
    finding = signers.refusal(golden.KEY_ID, purpose="checkpoint", signed_at=signed_at)
    assert (finding.code if finding else None) == code
    assert finding is None or finding.ok is False


JULY = "2026-07-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("proven_at", "signed_at", "counts"),
    [
        (datetime(2026, 6, 30, 23, 59, 59, 999_999, tzinfo=UTC), JUNE, True),
        (datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC), JUNE, True),
        (datetime(2026, 7, 1, tzinfo=UTC), JUNE, False),
        (datetime(2026, 7, 1, 0, 0, 0, 1, tzinfo=UTC), JUNE, False),
        (None, JUNE, False),
        # What itself says that it is younger than the compromise is believed in that.
        (JUNE, datetime(2026, 7, 1, tzinfo=UTC), False),
        (JUNE, datetime(2026, 6, 30, 23, 59, 59, 999_999, tzinfo=UTC), True),
        (JUNE, None, True),
    ],
    ids=["a microsecond before", "a second before", "then", "a microsecond after", "never",
         "signed then", "signed before", "signed without a time"],
)  # fmt: skip
def test_a_compromised_key_counts_for_what_is_proven_to_be_older(
    proven_at: datetime | None, signed_at: datetime | None, counts: bool
) -> None:
    key = trusted(status="compromised", compromised_at=JULY)
    finding = Signers("example.org/log", (key,)).refusal(
        golden.KEY_ID, purpose="checkpoint", signed_at=signed_at, proven_at=proven_at
    )
    assert (finding is None) == counts
    assert finding is None or finding.code == "key_compromised"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"not_before": "2026-06-01T00:00:00.000001Z"}, "key_not_yet_valid"),
        ({"not_after": "2026-05-31T23:59:59.999999Z"}, "key_retired"),
        ({"purposes": ("package",)}, "key_purpose"),
        ({"compromised_at": None}, "key_compromised"),
    ],
)
def test_an_early_proof_replaces_nothing_else(changes: dict[str, Any], code: str) -> None:
    key = trusted(**{"status": "compromised", "compromised_at": JULY, **changes})
    finding = Signers("example.org/log", (key,)).refusal(
        golden.KEY_ID, purpose="checkpoint", signed_at=JUNE, proven_at=JUNE
    )
    assert finding is not None and finding.code == code


@pytest.mark.parametrize("status", ["active", "retired"])
def test_other_keys_need_no_proof(status: str) -> None:
    ended = "2026-06-01T00:00:00.000000Z" if status == "retired" else None
    signers = Signers("example.org/log", (trusted(status=status, not_after=ended),))
    for proven_at in (None, datetime(2030, 1, 1, tzinfo=UTC)):
        assert signers.refusal(
            golden.KEY_ID, purpose="checkpoint", signed_at=JUNE, proven_at=proven_at
        ) is None  # fmt: skip


def test_an_unknown_key_does_not_count() -> None:
    signers = Signers("example.org/log", (trusted(),))
    finding = signers.refusal("sha256:" + "0" * 64, purpose="checkpoint", signed_at=JUNE)
    assert finding is not None
    assert finding.code == "key_unknown"
    assert signers.get("sha256:" + "0" * 64) is None
