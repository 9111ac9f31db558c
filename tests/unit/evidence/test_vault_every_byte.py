"""The documents of the vault: whatever is built is read back, and every byte counts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats.vault import Checked, Copy, CopyKind, KmsEnvelope, WormLock, WormReceipt
from sealing import canonical
from sealing.errors import Invalid
from sealing.stores.base import LockMode
from sealing.wrapping.base import Mode
from tests.unit.evidence.vault_samples import BUNDLE, DIGEST, DOCUMENTS

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda raw: "sha256:" + raw.hex())
SECONDS = st.datetimes().map(lambda at: f"{at:%m-%dT%H:%M:%S}.000000Z").map(lambda t: f"2028-{t}")
BYTES = st.binary(min_size=1, max_size=80)
LOCKS = st.builds(
    WormLock,
    bundle_id=st.just(BUNDLE),
    locked_at=SECONDS,
    retention_policy=WORDS,
    retain_until=SECONDS,
    mode=st.sampled_from(LockMode),
    package_sha256=DIGESTS,
    signature_path=st.none() | WORDS,
    legal_holds=st.sets(WORDS, max_size=4).map(sorted).map(tuple),
)
ENVELOPES = st.builds(
    KmsEnvelope,
    bundle_id=st.just(BUNDLE),
    created_at=SECONDS,
    kms_key_id=st.none() | WORDS,
    digest=DIGESTS,
    wrapped_digest=BYTES,
    wrapped_key=st.none() | BYTES,
    algorithm=WORDS,
    mode=st.sampled_from([Mode.LOCAL, Mode.AWS_KMS, Mode.PKCS11]),
    provider=WORDS,
    key_version=WORDS,
    request_id=st.none() | WORDS,
)
COPIES = st.builds(
    Copy,
    kind=st.just(CopyKind.EXTERNAL),
    provider=WORDS,
    archive_id=WORDS,
    object_key=WORDS,
    version_id=st.none() | WORDS,
    mode=st.none() | st.sampled_from(LockMode),
    lock_until=SECONDS,
    request_id=st.none() | WORDS,
    package_sha256=st.just(DIGEST),
    object_sha256=DIGESTS,
    checked=st.none(),
)


@st.composite
def receipts(draw: st.DrawFn) -> WormReceipt:
    """Receipts of which some copies were read back."""
    copies = draw(st.lists(COPIES, min_size=1, max_size=3))
    for index, copy in enumerate(copies):
        if draw(st.booleans()):
            checked = Checked(
                at=draw(SECONDS),
                sha256=copy.object_sha256,
                size_bytes=draw(st.integers(0, 2**40)),
                version_id=copy.version_id,
                mode=copy.mode,
                lock_until=max(copy.lock_until, draw(SECONDS)),
                legal_hold=draw(st.booleans()),
                replication=draw(st.none() | WORDS),
            )
            kind = draw(st.sampled_from(CopyKind))
            copies[index] = replace(copy, kind=kind, checked=checked)
    return WormReceipt(BUNDLE, draw(SECONDS), DIGEST, tuple(copies))


@given(LOCKS | ENVELOPES | receipts())
def test_what_is_built_is_read_back(document: WormLock | KmsEnvelope | WormReceipt) -> None:
    raw = document.build()
    assert type(document).parse(raw) == document
    assert raw == canonical.document(json.loads(raw))


@given(LOCKS | ENVELOPES | receipts(), st.data())
def test_a_changed_byte_is_refused_or_means_something_else(
    document: WormLock | KmsEnvelope | WormReceipt, data: st.DataObject
) -> None:
    raw = bytearray(document.build())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[place]))
    _refused_or_another(document, bytes(raw))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_byte_counts(name: str) -> None:
    document = DOCUMENTS[name]
    raw = document.build()
    for place in range(len(raw)):
        for mask in (0x01, 0x20, 0x80):
            changed = raw[:place] + bytes([raw[place] ^ mask]) + raw[place + 1 :]
            _refused_or_another(document, changed)
        _refused_or_another(document, raw[:place])
        _refused_or_another(document, raw[:place] + raw[place + 1 :])


def _refused_or_another(document: WormLock | KmsEnvelope | WormReceipt, raw: bytes) -> None:
    try:
        read = type(document).parse(raw)
    except Invalid:
        return
    assert read != document
    assert read.build() == raw


@pytest.mark.parametrize("form", [WormLock, KmsEnvelope, WormReceipt])
@given(st.binary(max_size=100))
def test_anything_else_is_refused(form: type[WormLock], raw: bytes) -> None:
    with pytest.raises(Invalid):
        form.parse(raw)
