"""Fixed values of the kernel: once published, none of them may ever change."""

from __future__ import annotations

from sealing.signers.local import LocalSigner

# The Ed25519 key of the seed 00 01 02 … 1f.
PRIVATE_PEM = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
"""
PUBLIC_PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=
-----END PUBLIC KEY-----
"""
PUBLIC_HEX = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
KEY_ID = "sha256:a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5"

# The tree over the leaves "0" to "6".
TREE_7 = "a3e23b32ccb6bf96d092d165d8aa546e09829de8f03b0e8957581d1e16b92bdf"
INCLUSION_3_OF_7 = [
    "fa61e3dec3439589f4784c893bf321d0084f04c572c7af2b68e3f3360a35b486",
    "cb00989d94a569c0a678ae042b63dcd4625db96440517f37a6eb7976ea24ed4b",
    "973f083957c7359fb1943acf9e6689bca6ca5ea7197d808aad3c14498689efe0",
]
CONSISTENCY_3_TO_7 = [
    "fa61e3dec3439589f4784c893bf321d0084f04c572c7af2b68e3f3360a35b486",
    "906c5d2485cae722073a430f4d04fe1767507592cef226629aeadb85a2ec909d",
    "cb00989d94a569c0a678ae042b63dcd4625db96440517f37a6eb7976ea24ed4b",
    "973f083957c7359fb1943acf9e6689bca6ca5ea7197d808aad3c14498689efe0",
]
COMPACT_2_5_OF_7 = [
    "cb00989d94a569c0a678ae042b63dcd4625db96440517f37a6eb7976ea24ed4b",
    "906c5d2485cae722073a430f4d04fe1767507592cef226629aeadb85a2ec909d",
    "11e1f558223f4c71b6be1cecfd1f0de87146d2594877c27b29ec519f9040213c",
    "3bf9c81c231cae70b678d3f3038f9f4f6d6b9d7adcf9b378f25919ae53d17686",
]

ENVELOPE = {
    "payload": "eyJfdHlwZSI6IngifQ==",
    "payloadType": "application/vnd.in-toto+json",
    "signatures": [
        {
            "keyid": KEY_ID,
            "sig": (
                "goX4FL1gAO1dQj6OkNILGhdI5SanI8b6Vg4Uz7oCQmIVUQ5fn/+VKBi6suUNBnMNtoRyc8dS6Z3zSsd1"
                "PQo4Dw=="
            ),
        }
    ],
}
MAC = "e4ec611d3e8e09e548697e28458c4cdb7dd67762f76423204d4bb5995c77386c"


def signer() -> LocalSigner:
    """The signer of the golden key."""
    return LocalSigner.from_pem(PRIVATE_PEM)
