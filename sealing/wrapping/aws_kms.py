"""Wrapping under a key of AWS KMS, which never leaves it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from sealing.errors import StrongroomError
from sealing.wrapping.base import (
    DataKey,
    KeyServiceDenied,
    KeyServiceUnavailable,
    Mode,
    UnwrapFailed,
    Wrapped,
    WrapperRefused,
    check_plaintext,
    context_bytes,
)

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

ALGORITHM: Final = "SYMMETRIC_DEFAULT"
PROVIDER: Final = "aws-kms"
_CONNECT_SECONDS: Final = 10
_DESCRIPTIONS = botocore.loaders.Loader()
# What KMS answers when the ciphertext, its context or its key is not the one that was wrapped.
_DIFFERS: Final = {"InvalidCiphertextException", "IncorrectKeyException"}
# Answers after which the same request may succeed; KMS gives some of them with the status 400.
_PASSING: Final = {
    "DependencyTimeoutException",
    "KeyUnavailableException",
    "KMSInternalException",
    "LimitExceededException",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "Throttling",
    "ThrottlingException",
}


@dataclass(frozen=True, slots=True)
class KmsOptions:
    """How AWS KMS is reached. Credentials come from where AWS's tools look, never from here.

    Attributes:
        region: None takes the one that the environment names.
        endpoint_url: of a VPC endpoint, or of a server that is not AWS.
        max_attempts: how often one request is tried in all.
        timeout_seconds: for an answer; connecting gets at most ten seconds of it.
    """

    region: str | None = None
    endpoint_url: str | None = None
    max_attempts: int = 3
    timeout_seconds: float = 30


class AwsKmsWrapper:
    """Wraps by `Encrypt` and `GenerateDataKey`, with the context as encryption context.

    The version of a key is the ARN that KMS answers: an alias may be pointed elsewhere later, and
    material that KMS rotates keeps the ARN and is found by KMS itself.

    Args:
        key_id: a key's id, ARN or alias (``alias/…``).
    """

    mode: Final = Mode.AWS_KMS

    def __init__(self, key_id: str, options: KmsOptions = KmsOptions()) -> None:
        if not key_id:
            raise WrapperRefused("AWS KMS needs the id, the ARN or the alias of a key.")
        self._key_id, self._options = key_id, options
        self._client = _make_client(options)

    def wrap(self, plaintext: bytes, context: Mapping[str, str]) -> Wrapped:
        """See `Wrapper.wrap`."""
        context_bytes(context)
        with self._meaning("Encrypt"):
            answer = self._client.encrypt(
                KeyId=self._key_id,
                Plaintext=check_plaintext(plaintext),
                EncryptionContext=context,
                EncryptionAlgorithm=ALGORITHM,
            )
        return self._wrapped(answer)

    def unwrap(self, wrapped: Wrapped, context: Mapping[str, str]) -> bytes:
        """See `Wrapper.unwrap`."""
        if (wrapped.algorithm, wrapped.provider) != (ALGORITHM, PROVIDER):
            raise UnwrapFailed("This was not wrapped by AWS KMS.")
        context_bytes(context)
        with self._meaning("Decrypt"):
            answer = self._client.decrypt(
                CiphertextBlob=wrapped.ciphertext,
                EncryptionContext=context,
                # Named, so that KMS opens nothing that another key closed.
                KeyId=wrapped.key_version,
                EncryptionAlgorithm=ALGORITHM,
            )
        if _member(answer, "KeyId") != wrapped.key_version:
            raise UnwrapFailed("AWS KMS unwrapped it with another key.")
        return bytes(_member(answer, "Plaintext"))

    def new_data_key(self, context: Mapping[str, str]) -> DataKey:
        """See `Wrapper.new_data_key`."""
        context_bytes(context)
        with self._meaning("GenerateDataKey"):
            answer = self._client.generate_data_key(
                KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=context
            )
        return DataKey(bytes(_member(answer, "Plaintext")), self._wrapped(answer))

    def fresh(self) -> AwsKmsWrapper:
        """See `Wrapper.fresh`."""
        return AwsKmsWrapper(self._key_id, self._options)

    def _wrapped(self, answer: Any) -> Wrapped:
        return Wrapped(
            ciphertext=bytes(_member(answer, "CiphertextBlob")),
            algorithm=ALGORITHM,
            provider=PROVIDER,
            key_id=self._key_id,
            key_version=str(_member(answer, "KeyId")),
            request_id=answer["ResponseMetadata"].get("RequestId"),
        )

    @contextlib.contextmanager
    def _meaning(self, operation: str) -> Iterator[None]:
        """Turns what boto3 raises into our errors, which name the operation and KMS's code."""
        try:
            yield
        except ClientError as error:
            raise _of_answer(error, operation) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise KeyServiceDenied(f"{operation}: there are no credentials for AWS KMS.") from error
        except BotoCoreError as error:
            reason = type(error).__name__.removesuffix("Error")
            raise KeyServiceUnavailable(
                f"{operation}: AWS KMS gave no answer: {reason}."
            ) from error


def _make_client(options: KmsOptions) -> KMSClient:
    """A client of its own. Raises WrapperRefused for an endpoint or region that can't be."""
    config = Config(
        retries={"total_max_attempts": options.max_attempts, "mode": "standard"},
        connect_timeout=min(_CONNECT_SECONDS, options.timeout_seconds),
        read_timeout=options.timeout_seconds,
    )
    # A session of its own looks credentials up anew; KMS's description is shared: reading it takes
    # ten times what everything else about a client does.
    core = botocore.session.get_session()
    core.register_component("data_loader", _DESCRIPTIONS)
    session = boto3.session.Session(botocore_session=core)
    try:
        return session.client(
            "kms", region_name=options.region, endpoint_url=options.endpoint_url, config=config
        )
    except (ValueError, BotoCoreError) as error:
        raise WrapperRefused(f"AWS KMS can't be reached as configured: {error}.") from error


def _member(answer: Any, name: str) -> Any:
    """A member that KMS always answers, and that something in between may have lost."""
    if not answer.get(name):
        raise KeyServiceUnavailable(f"AWS KMS answered without {name}.")
    return answer[name]


def _of_answer(error: ClientError, operation: str) -> StrongroomError:
    details: Any = error.response
    status = int(details.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(details.get("Error", {}).get("Code", "")) or str(status)
    told = f"{operation}: AWS KMS answered {status} {code}"
    if code in _DIFFERS and operation == "Decrypt":
        return UnwrapFailed(f"{told}: the ciphertext, its context or its key differs.")
    if status >= 500 or status == 429 or code in _PASSING:
        return KeyServiceUnavailable(f"{told}.")
    return KeyServiceDenied(f"{told}.")
