"""DSSE envelopes and in-toto statements."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing import dsse, keys
from sealing.dsse import EnvelopeRefused
from sealing.signers.local import LocalSigner
from tests.unit.sealing import golden

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["payload", "payloadType", "signatures", "sig", "keyid", "x"]), inner
        )
    ),
    max_leaves=12,
)


class Key:
    """A verifying key as the envelope wants it."""

    def __init__(self, signer: LocalSigner) -> None:
        self._signer = signer

    def verify(self, signature: bytes, message: bytes) -> bool:
        return keys.verify(self._signer.public_key_pem, self._signer.algorithm, signature, message)


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(golden.ENVELOPE), **changes}


def test_the_encoding_is_that_of_the_specification() -> None:
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == expected
    assert dsse.pae("ä", b"") == b"DSSEv1 2 \xc3\xa4 0 "


def test_golden_envelope() -> None:
    made = dsse.sign_envelope(dsse.IN_TOTO, b'{"_type":"x"}', [golden.signer()])
    assert made == golden.ENVELOPE
    envelope = dsse.parse_envelope(golden.ENVELOPE)
    assert envelope.payload == b'{"_type":"x"}'
    assert dsse.verify_envelope(envelope, {golden.KEY_ID: Key(golden.signer())}) == (golden.KEY_ID,)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        changed(extra=1),
        changed(payload=None),
        changed(payload="eyJfdHlwZSI6IngifQ"),
        changed(payload="eyJfdHlwZSI6IngifQ==\n"),
        changed(payload="-_8="),
        changed(payloadType=None),
        changed(signatures=None),
        changed(signatures=[None]),
        changed(signatures=[{"keyid": "a"}]),
        changed(signatures=[{"sig": "AA=="}]),
        changed(signatures=[{"keyid": "a", "sig": "AA==", "cert": ""}]),
        changed(signatures=[{"keyid": 1, "sig": "AA=="}]),
        changed(signatures=[{"keyid": "a", "sig": "AB=="}]),
        {key: value for key, value in golden.ENVELOPE.items() if key != "payload"},
    ],
)
def test_our_own_envelopes_have_one_spelling(value: Any) -> None:
    with pytest.raises(EnvelopeRefused):
        dsse.parse_envelope(value)


def test_envelopes_of_others_may_be_spelled_otherwise() -> None:
    value = changed(payload="-_8", signatures=[{"sig": "-_8="}], extra=1)
    envelope = dsse.parse_envelope(value, strict=False)
    assert envelope.payload == b"\xfb\xff"
    assert envelope.signatures == (("", b"\xfb\xff"),)


@given(JSON, st.booleans())
def test_any_value_is_parsed_or_refused(value: Any, strict: bool) -> None:
    try:
        dsse.parse_envelope(value, strict=strict)
    except EnvelopeRefused as error:
        assert error.code == "envelope_invalid"


def test_a_changed_payload_type_payload_or_signature_does_not_verify() -> None:
    known = {golden.KEY_ID: Key(golden.signer())}
    signature = golden.ENVELOPE["signatures"][0]
    for value in (
        changed(payloadType="application/json"),
        changed(payload="eyJfdHlwZSI6InkifQ=="),
        changed(signatures=[{**signature, "sig": "AAAA"}]),
        changed(signatures=[]),
    ):
        assert dsse.verify_envelope(dsse.parse_envelope(value), known) == ()


def test_a_key_counts_once() -> None:
    one, two = golden.signer(), LocalSigner.generate(keys.ECDSA_P256)
    known = {signer.key_id: Key(signer) for signer in (one, two)}

    def verified(*signers: LocalSigner, threshold: int) -> tuple[str, ...]:
        made = dsse.sign_envelope("type", b"payload", signers)
        return dsse.verify_envelope(dsse.parse_envelope(made), known, threshold)

    assert set(verified(one, two, threshold=2)) == {one.key_id, two.key_id}
    assert verified(one, one, threshold=2) == ()
    assert verified(one, threshold=0) == ()
    assert verified(LocalSigner.generate(keys.ED25519), threshold=1) == ()


def test_statements() -> None:
    made = dsse.statement("a.zip", "0" * 64, f"{dsse.PREDICATES}/x/v1", {"a": 1})
    assert made == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "a.zip", "digest": {"sha256": "0" * 64}}],
        "predicateType": "https://strongroom.dev/predicates/x/v1",
        "predicate": {"a": 1},
    }
