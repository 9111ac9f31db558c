"""The documents of the vault: their exact bytes, and that no other form is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from evidence.formats.vault import KmsEnvelope, WormReceipt
from sealing import canonical
from sealing.errors import Invalid
from sealing.wrapping.base import MAX_CIPHERTEXT_BYTES, Mode, Wrapped
from tests.unit.evidence.vault_samples import (
    AT,
    BUNDLE,
    CHECKED,
    DIGEST,
    DOCUMENTS,
    ENVELOPE,
    EXTERNAL,
    IN_S3,
    LOCK,
    OTHER,
    RECEIPT,
    UNTIL,
)

# --- golden vectors -------------------------------------------------------------------------------


def test_lock_bytes() -> None:
    assert LOCK.build().decode() == (
        f'{{"bundle_id":"{BUNDLE}","legal_holds":["case-1","case-2"],"locked_at":"{AT}",'
        f'"mode":"compliance","package_sha256":"{DIGEST}","retain_until":"{UNTIL}",'
        f'"retention_policy":"hipaa_6y","signature_path":"{BUNDLE}.zip.sig"}}\n'
    )


def test_envelope_bytes() -> None:
    assert ENVELOPE.build().decode() == (
        f'{{"algorithm":"SYMMETRIC_DEFAULT","bundle_id":"{BUNDLE}","created_at":"{AT}",'
        f'"digest":"{DIGEST}","key_version":"arn:aws:kms:eu-central-1:1:key/2",'
        '"kms_key_id":"alias/vault","mode":"aws_kms","provider":"aws-kms","request_id":"r-1",'
        '"wrapped_digest":"AP9kaWdlc3Q=","wrapped_key":"AWtleQ=="}\n'
    )


def test_receipt_bytes() -> None:
    assert WormReceipt(BUNDLE, AT, DIGEST, (EXTERNAL, IN_S3)).build().decode() == (
        f'{{"bundle_id":"{BUNDLE}","copies":[{{"archive_id":"a-1","checked":null,'
        f'"kind":"external","lock_until":"{UNTIL}","mode":null,"object_key":"objects/1",'
        f'"object_sha256":"{DIGEST}","package_sha256":"{DIGEST}","provider":"reference-archive",'
        '"request_id":"r-2","version_id":null},{"archive_id":"vault-bucket","checked":'
        f'{{"at":"{AT}","legal_hold":false,"lock_until":"{UNTIL}","mode":"compliance",'
        f'"replication":"COMPLETED","sha256":"{DIGEST}","size_bytes":1234,"version_id":"v1"}},'
        f'"kind":"s3","lock_until":"{UNTIL}","mode":"compliance",'
        f'"object_key":"clinic-001/2026/02/02/{BUNDLE}/{BUNDLE}.zip","object_sha256":"{DIGEST}",'
        f'"package_sha256":"{DIGEST}","provider":"s3","request_id":null,"version_id":"v1"}}],'
        f'"created_at":"{AT}","package_sha256":"{DIGEST}"}}\n'
    )


# --- one thing changed ----------------------------------------------------------------------------


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to

    return change


CHANGES: list[tuple[str, str, Callable[[dict[str, Any]], None]]] = [
    ("lock", "/more", _set("more", to=1)),
    ("lock", "/mode", lambda value: value.pop("mode")),
    ("lock", "/bundle_id", _set("bundle_id", to="evidence")),
    ("lock", "/locked_at", _set("locked_at", to="2026-02-02T09:30:00Z")),
    ("lock", "/retain_until", _set("retain_until", to="2032-02-03T09:30:00.000001Z")),
    ("lock", "/retention_policy", _set("retention_policy", to="")),
    ("lock", "/mode", _set("mode", to="none")),
    ("lock", "/mode", _set("mode", to=["compliance"])),
    ("lock", "/package_sha256", _set("package_sha256", to="ab" * 32)),
    ("lock", "/signature_path", _set("signature_path", to="")),
    ("lock", "/legal_holds", _set("legal_holds", to=None)),
    ("lock", "/legal_holds", _set("legal_holds", to=["case-2", "case-1"])),
    ("lock", "/legal_holds", _set("legal_holds", to=["case-1", "case-1"])),
    ("lock", "/legal_holds/1", _set("legal_holds", to=["case-1", ""])),
    ("lock", "/legal_holds/0", _set("legal_holds", to=[1])),
    ("lock", "/legal_holds/0", _set("legal_holds", to=["x" * 129])),
    ("lock", "/legal_holds", _set("legal_holds", to=[f"{n:04d}" for n in range(1001)])),
    ("envelope", "/more", _set("more", to=1)),
    ("envelope", "/wrapped_key", lambda value: value.pop("wrapped_key")),
    ("envelope", "/mode", _set("mode", to="gcp_kms")),
    ("envelope", "/mode", _set("mode", to={})),
    ("envelope", "/wrapped_digest", _set("wrapped_digest", to=None)),
    ("envelope", "/wrapped_digest", _set("wrapped_digest", to="")),
    ("envelope", "/wrapped_digest", _set("wrapped_digest", to="AP9kaWdlc3Q")),
    ("envelope", "/wrapped_digest", _set("wrapped_digest", to="AP9kaWdlc3R=")),
    ("envelope", "/wrapped_digest", _set("wrapped_digest", to="AP9k aWdlc3Q=")),
    ("envelope", "/wrapped_digest", _set("wrapped_digest", to="AP9k_Wdlc3Q=")),
    ("envelope", "/wrapped_key", _set("wrapped_key", to="A" * (MAX_CIPHERTEXT_BYTES * 4 // 3 + 4))),
    ("envelope", "/wrapped_key", _set("wrapped_key", to=7)),
    ("envelope", "/request_id", _set("request_id", to="")),
    ("envelope", "/provider", _set("provider", to=None)),
    ("receipt", "/copies", _set("copies", to=[])),
    ("receipt", "/copies", _set("copies", to=[{}] * 101)),
    ("receipt", "/copies/1/more", _set("copies", 1, "more", to=1)),
    ("receipt", "/copies/0/kind", _set("copies", 0, "kind", to="disk")),
    ("receipt", "/copies/0/checked", _set("copies", 0, "checked", to=None)),
    ("receipt", "/copies/0/checked/more", _set("copies", 0, "checked", "more", to=1)),
    ("receipt", "/copies/0/checked/sha256", _set("copies", 0, "checked", "sha256", to=OTHER)),
    ("receipt", "/copies/0/checked/sha256", _set("copies", 0, "object_sha256", to=OTHER)),
    ("receipt", "/copies/0/checked/version_id", _set("copies", 0, "version_id", to="v2")),
    ("receipt", "/copies/0/checked/mode", _set("copies", 0, "checked", "mode", to="governance")),
    (
        "receipt",
        "/copies/0/checked/lock_until",
        _set("copies", 0, "checked", "lock_until", to=None),
    ),
    (
        "receipt",
        "/copies/0/checked/lock_until",
        _set("copies", 0, "checked", "lock_until", to="2032-02-03T09:29:59.000000Z"),
    ),
    ("receipt", "/copies/0/checked/size_bytes", _set("copies", 0, "checked", "size_bytes", to=-1)),
    ("receipt", "/copies/0/checked/legal_hold", _set("copies", 0, "checked", "legal_hold", to=0)),
    ("receipt", "/copies/1/package_sha256", _set("copies", 1, "package_sha256", to=OTHER)),
    ("receipt", "/copies/1/lock_until", _set("copies", 1, "lock_until", to=None)),
]


@pytest.mark.parametrize(
    ("name", "place", "change"),
    CHANGES,
    ids=[f"{n}-{item[0]}{item[1]}" for n, item in enumerate(CHANGES)],
)
def test_other_forms_are_refused_with_their_place(
    name: str, place: str, change: Callable[[dict[str, Any]], None]
) -> None:
    document = DOCUMENTS[name]
    value = json.loads(document.build())
    change(value)
    with pytest.raises(Invalid) as caught:
        type(document).parse(canonical.document(value))
    assert caught.value.field == place


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_could_not_be_read_back_is_not_built(name: str) -> None:
    with pytest.raises(Invalid):
        replace(DOCUMENTS[name], bundle_id="evidence").build()


# --- envelopes ------------------------------------------------------------------------------------


def wrapped(**changed: Any) -> Wrapped:
    return replace(Wrapped(b"\x01", "AES-256-GCM", "strongroom", "k", "v1", "r-1"), **changed)


def enveloped(mode: Mode, digest: Wrapped, key: Wrapped | None) -> KmsEnvelope:
    return KmsEnvelope.of(
        bundle_id=BUNDLE,
        created_at=AT,
        digest=DIGEST,
        mode=mode,
        wrapped_digest=digest,
        wrapped_key=key,
    )


def test_envelope_keeps_what_a_wrapper_needs() -> None:
    digest, key = wrapped(), wrapped(ciphertext=b"\x02", request_id="r-2")
    read = KmsEnvelope.parse(enveloped(Mode.LOCAL, digest, key).build())
    assert read.digest_as_wrapped() == digest
    assert read.key_as_wrapped() == replace(key, request_id="r-1")
    assert read.mode is Mode.LOCAL


def test_envelope_without_encryption_has_no_key() -> None:
    read = KmsEnvelope.parse(enveloped(Mode.LOCAL, wrapped(), None).build())
    assert read.wrapped_key is None
    assert read.key_as_wrapped() is None


@pytest.mark.parametrize("name", ["algorithm", "provider", "key_id", "key_version"])
def test_digest_and_key_are_wrapped_by_one_key(name: str) -> None:
    with pytest.raises(Invalid):
        enveloped(Mode.LOCAL, wrapped(), wrapped(**{name: "another"}))


@pytest.mark.parametrize("text", ["d3JhcHBlZA==", "vault:v1:ünïcode"])
def test_words_of_an_external_service_are_kept_as_they_are(text: str) -> None:
    envelope = enveloped(Mode.EXTERNAL_KMS, wrapped(ciphertext=text.encode()), None)
    raw = envelope.build()
    assert json.loads(raw)["wrapped_digest"] == text
    assert KmsEnvelope.parse(raw).wrapped_digest == text.encode()


def test_words_of_an_external_service_are_text() -> None:
    with pytest.raises(Invalid):
        enveloped(Mode.EXTERNAL_KMS, wrapped(ciphertext=b"\xff"), None).build()


def test_encrypted_copy_has_a_digest_of_its_own() -> None:
    copy = replace(IN_S3, object_sha256=OTHER, checked=replace(CHECKED, sha256=OTHER))
    receipt = replace(RECEIPT, copies=(copy,))
    assert WormReceipt.parse(receipt.build()) == receipt


def test_longer_lock_than_confirmed_is_fine() -> None:
    later = replace(CHECKED, lock_until="2040-01-01T00:00:00.000000Z")
    receipt = replace(RECEIPT, copies=(replace(IN_S3, checked=later),))
    assert WormReceipt.parse(receipt.build()) == receipt
