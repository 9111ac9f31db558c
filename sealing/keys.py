"""Public keys: their ids, what they verify, and the signers file that says whose they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from sealing import canonical
from sealing.digests import sha256_tag
from sealing.errors import Invalid
from sealing.results import Finding
from sealing.times import parse_time

ED25519, RSA_SHA256, ECDSA_P256 = "ed25519", "rsa-sha256", "ecdsa-p256-sha256"
ALGORITHMS = (ED25519, RSA_SHA256, ECDSA_P256)
# A passkey's signature is over more than the message, so `TrustedKey.verify` never accepts one.
WEBAUTHN_ES256 = "webauthn-es256"
PURPOSES = ("checkpoint", "package", "packet", "countersign")
STATUSES = ("active", "retired", "compromised")
MIN_RSA_BITS = 2048
KEY_COMPROMISED = "key_compromised"
PublicKey = ed25519.Ed25519PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class KeyRefused(Invalid):
    """The text is not a key of a kind that is used here."""

    code = "key_invalid"


class SignersRefused(Invalid):
    """The signers file does not have the form of docs/formats.md §3."""

    code = "signers_invalid"


def load_public_key(pem: str) -> PublicKey:
    """Reads a SubjectPublicKeyInfo in PEM: Ed25519, RSA of 2048 bits or more, or P-256."""
    try:
        key = serialization.load_pem_public_key(pem.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm, UnicodeError, AttributeError) as error:
        raise KeyRefused("Not a public key in PEM.") from error
    if not isinstance(key, PublicKey):
        raise KeyRefused("Keys are Ed25519, RSA or ECDSA on P-256.")
    algorithm_of(key)
    return key


def algorithm_of(key: PublicKey) -> str:
    """The one signature algorithm that a key of this type is used with."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return ED25519
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise KeyRefused(f"RSA keys have {MIN_RSA_BITS} bits or more.")
        return RSA_SHA256
    if isinstance(key.curve, ec.SECP256R1):
        return ECDSA_P256
    raise KeyRefused("ECDSA keys are on P-256.")


def public_pem(key: PublicKey) -> str:
    """The SubjectPublicKeyInfo of ``key`` in PEM."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode("ascii")


def key_id(public_key_pem: str) -> str:
    """`sha256:` and the SHA-256 of the SubjectPublicKeyInfo in DER."""
    der = load_public_key(public_key_pem).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return sha256_tag(der)


def verify(public_key_pem: str, algorithm: str, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` over ``message`` is of that key, with that algorithm.

    Raises:
        KeyRefused: the key itself is not usable. A bad signature is False, never an error.
    """
    return _verify(_loaded(public_key_pem), algorithm, signature, message)


def _verify(key: PublicKey, algorithm: str, signature: bytes, message: bytes) -> bool:
    if algorithm_of(key) != algorithm:
        return False
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _verify_digest(key: PublicKey, algorithm: str, signature: bytes, digest: bytes) -> bool:
    if algorithm_of(key) != algorithm or isinstance(key, ed25519.Ed25519PublicKey):
        return False
    hashed = utils.Prehashed(hashes.SHA256())
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), hashed)
        else:
            key.verify(signature, digest, ec.ECDSA(hashed))
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One entry of a signers file."""

    signer_kid: str
    name: str
    person: str | None
    purposes: tuple[str, ...]
    algorithm: str
    public_key_pem: str
    status: str
    not_before: str
    not_after: str | None
    compromised_at: str | None
    rp_id: str | None = None
    origins: tuple[str, ...] = ()

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is this key's; says nothing of whether it may count."""
        return _verify(_loaded(self.public_key_pem), self.algorithm, signature, message)

    def verify_digest(self, signature: bytes, digest: bytes) -> bool:
        """The same for a message of which only the SHA-256 is at hand.

        Ed25519 has no such signatures (RFC 8032 hashes the message itself): always False.
        """
        return _verify_digest(_loaded(self.public_key_pem), self.algorithm, signature, digest)


@dataclass(frozen=True, slots=True)
class Signers:
    """A signers file: the log's name, and the keys whose signatures may count."""

    origin: str
    keys: tuple[TrustedKey, ...]

    def get(self, kid: str) -> TrustedKey | None:
        """The key of that id."""
        return next((key for key in self.keys if key.signer_kid == kid), None)

    def checkpoint_keys(self) -> tuple[TrustedKey, ...]:
        """The keys that may sign checkpoints."""
        return tuple(key for key in self.keys if "checkpoint" in key.purposes)

    def refusal(
        self,
        kid: str,
        *,
        purpose: str,
        signed_at: datetime | None,
        proven_at: datetime | None = None,
    ) -> Finding | None:
        """Why a signature by that key can't count; None if it counts.

        Args:
            signed_at: the time that the signature itself covers, or None if it covers none.
            proven_at: when it existed by somebody else's word than its signer's, or None. It
                matters for compromised keys alone, whose holders write any ``signed_at``.
        """
        key = self.get(kid)
        if key is None:
            return Finding("key_unknown", False, "The key is not among the signers.", kid)
        if purpose not in key.purposes:
            return Finding("key_purpose", False, f"The key is not for the purpose {purpose}.", kid)
        if key.status == "compromised" and not _is_older(key, signed_at, proven_at):
            message = "The key is marked as compromised, and nothing shows the signature is older."
            return Finding(KEY_COMPROMISED, False, message, kid)
        if signed_at is not None and signed_at < parse_time(key.not_before):
            return Finding("key_not_yet_valid", False, "Signed before the key was in use.", kid)
        if key.status == "retired" and key.not_after is None:
            return Finding("key_retired", False, "The key was retired, nobody says when.", kid)
        if key.not_after is not None and (
            signed_at is None or signed_at > parse_time(key.not_after)
        ):
            return Finding("key_retired", False, "Signed after the key was retired.", kid)
        return None


def _is_older(key: TrustedKey, signed_at: datetime | None, proven_at: datetime | None) -> bool:
    """Whether a signature is proven to be older than the key's compromise, and claims no less."""
    if key.compromised_at is None or proven_at is None:
        return False
    since = parse_time(key.compromised_at)
    return proven_at < since and (signed_at is None or signed_at < since)


def parse_signers(raw: bytes) -> Signers:
    """Reads a signers file (docs/formats.md §3). Unknown members are refused.

    Raises:
        SignersRefused: with the place in `field`.
    """
    try:
        value = canonical.loads(raw, max_bytes=4 << 20)
    except Invalid as error:
        raise SignersRefused(f"Not a signers file: {error}", field=error.field) from error
    if not isinstance(value, dict) or set(value) != {"origin", "signers"}:
        raise SignersRefused("A signers file has the members origin and signers.")
    if not isinstance(value["origin"], str) or not isinstance(value["signers"], list):
        raise SignersRefused("origin is text and signers a list.")
    keys = tuple(_trusted_key(item, index) for index, item in enumerate(value["signers"]))
    if len({key.signer_kid for key in keys}) != len(keys):
        raise SignersRefused("A key is listed twice.", field="/signers")
    return Signers(value["origin"], keys)


def signers_document(signers: Signers) -> bytes:
    """The bytes of a signers file."""
    entries = []
    for key in signers.keys:
        entry: dict[str, Any] = asdict(key)
        entry["purposes"] = list(key.purposes)
        if key.rp_id is None:
            del entry["rp_id"], entry["origins"]
        else:
            entry["origins"] = list(key.origins)
        entries.append(entry)
    return canonical.document({"origin": signers.origin, "signers": entries})


_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "signer_kid": str,
    "name": str,
    "person": (str, type(None)),
    "purposes": list,
    "algorithm": str,
    "public_key_pem": str,
    "status": str,
    "not_before": str,
    "not_after": (str, type(None)),
    "compromised_at": (str, type(None)),
}
_OPTIONAL: dict[str, type | tuple[type, ...]] = {"rp_id": (str, type(None)), "origins": list}


def _trusted_key(item: Any, index: int) -> TrustedKey:
    place = f"/signers/{index}"
    if not isinstance(item, dict):
        raise SignersRefused("A signer is an object.", field=place)
    known = _REQUIRED | _OPTIONAL
    for name in item.keys() - known.keys():
        raise SignersRefused("Unknown member.", field=f"{place}/{name}")
    for name in _REQUIRED.keys() - item.keys():
        raise SignersRefused("A member is missing.", field=f"{place}/{name}")
    for name, value in item.items():
        if not isinstance(value, known[name]):
            raise SignersRefused("Not of the expected type.", field=f"{place}/{name}")
    _check_entry(item, place)
    return TrustedKey(
        **{
            **item,
            "purposes": tuple(item["purposes"]),
            "origins": tuple(item.get("origins", ())),
        }
    )


def _check_entry(item: dict[str, Any], place: str) -> None:
    purposes = item["purposes"]
    if not all(purpose in PURPOSES for purpose in purposes) or len(set(purposes)) < len(purposes):
        raise SignersRefused("Unknown or repeated purpose.", field=f"{place}/purposes")
    if not all(isinstance(origin, str) for origin in item.get("origins", ())):
        raise SignersRefused("Origins are texts.", field=f"{place}/origins")
    if item["status"] not in STATUSES:
        raise SignersRefused("Unknown status.", field=f"{place}/status")
    if (item["status"] == "compromised") != (item["compromised_at"] is not None):
        raise SignersRefused(
            "A compromised key, and no other, says since when.", field=f"{place}/compromised_at"
        )
    if item["status"] == "retired" and item["not_after"] is None:
        raise SignersRefused("A retired key says until when.", field=f"{place}/not_after")
    try:
        if key_id(item["public_key_pem"]) != item["signer_kid"]:
            raise SignersRefused("Not the id of this key.", field=f"{place}/signer_kid")
        algorithm = algorithm_of(load_public_key(item["public_key_pem"]))
        if item["algorithm"] != algorithm and not _is_passkey(item, algorithm):
            raise SignersRefused("Not this key's algorithm.", field=f"{place}/algorithm")
        for name in ("not_before", "not_after", "compromised_at"):
            if item[name] is not None:
                parse_time(item[name])
    except SignersRefused:
        raise
    except Invalid as error:
        raise SignersRefused(error.message, field=place) from error


def _is_passkey(item: dict[str, Any], algorithm: str) -> bool:
    return (
        item["algorithm"] == WEBAUTHN_ES256
        and algorithm == ECDSA_P256
        and bool(item.get("rp_id") and item.get("origins"))
    )


_cache: dict[str, PublicKey] = {}


def _loaded(pem: str) -> PublicKey:
    """Loaded keys, since reading PEM costs as much as verifying; bounded by clearing."""
    key = _cache.get(pem)
    if key is None:
        key = load_public_key(pem)
        if len(_cache) >= 256:
            _cache.clear()
        _cache[pem] = key
    return key
