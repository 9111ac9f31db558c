"""Wrapping by a key service of other make (`sealing.external`), over HTTP."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from sealing import external
from sealing.digests import untag
from sealing.errors import StrongroomError
from sealing.external import Endpoint, Outcome, UnwrapRequest, WrapReceipt, WrapRequest
from sealing.wrapping.base import (
    DATA_KEY_BYTES,
    DataKey,
    KeyServiceDenied,
    KeyServiceUnavailable,
    Mode,
    Purpose,
    UnwrapFailed,
    Wrapped,
    WrapperRefused,
    context_bytes,
)

# What a service says of a text that it did not make, or no longer knows.
_DIFFERS: Final = {"http_400", "http_404", "http_409", "http_410", "http_422"}
_DENIED: Final = {"http_401", "http_403"}


class ExternalWrapper:
    """Wraps the digest of one package, and its data key if there is one, in one request.

    The service is asked once for a package, since a repeat with another body would look like a
    second wrapping under the same name: take the data key first and wrap the digest then, which
    answers from what came with the key. The service knows of the context what is in the request,
    the bundle id; purposes are told apart by the member that carries them.

    Attributes:
        outcomes: every exchange, in order, failed ones too; `fresh` adds to the same list.

    Args:
        endpoint: what wraps.
        unwrap_endpoint: what unwraps; None where the service offers that to nobody. Then nothing
            can be proved, and no data key is wrapped: the copy could never be opened again.
        digest: the package's.
    """

    mode: Final = Mode.EXTERNAL_KMS

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        unwrap_endpoint: Endpoint | None,
        kms_key_id: str | None,
        retention_policy: str,
        digest: str,
    ) -> None:
        self._endpoint, self._unwrap_endpoint = endpoint, unwrap_endpoint
        self._kms_key_id, self._retention_policy = kms_key_id, retention_policy
        self._digest = digest
        self._with_key: tuple[Mapping[str, str], WrapReceipt] | None = None
        self.outcomes: list[Outcome[Any]] = []

    @property
    def can_unwrap(self) -> bool:
        """Whether what it wraps can be proved, and a data key be wrapped."""
        return self._unwrap_endpoint is not None

    def wrap(self, plaintext: bytes, context: Mapping[str, str]) -> Wrapped:
        """See `Wrapper.wrap`; the package's digest and nothing else."""
        context_bytes(context)
        if context["purpose"] != Purpose.DIGEST or plaintext != untag(self._digest):
            raise WrapperRefused("An external service wraps the digest of its one package.")
        known, receipt = self._with_key or (None, None)
        if receipt is None or known != _place(context):
            receipt = self._ask(context, None)
        return self._wrapped(receipt, receipt.wrapped_digest)

    def new_data_key(self, context: Mapping[str, str]) -> DataKey:
        """See `Wrapper.new_data_key`. Raises WrapperRefused where nothing can be unwrapped."""
        context_bytes(context)
        if context["purpose"] != Purpose.DATA_KEY:
            raise WrapperRefused("A data key is wrapped as a data key.")
        if not self.can_unwrap:
            raise WrapperRefused(
                "Without an endpoint that unwraps, a copy that is encrypted under an external key"
                " could not be opened again.",
                code="unwrap_endpoint_missing",
            )
        key = os.urandom(DATA_KEY_BYTES)
        receipt = self._ask(context, key)
        self._with_key = (_place(context), receipt)
        return DataKey(key, self._wrapped(receipt, receipt.wrapped_key or ""))

    def unwrap(self, wrapped: Wrapped, context: Mapping[str, str]) -> bytes:
        """See `Wrapper.unwrap`. Raises WrapperRefused where nothing can be unwrapped."""
        context_bytes(context)
        if self._unwrap_endpoint is None:
            raise WrapperRefused(
                "There is no endpoint that unwraps.", code="unwrap_endpoint_missing"
            )
        try:
            text = wrapped.ciphertext.decode("utf-8")
        except UnicodeDecodeError:
            raise UnwrapFailed("This was not wrapped by an external service.") from None
        is_key = context["purpose"] == Purpose.DATA_KEY
        request = UnwrapRequest(
            kms_key_id=wrapped.key_id,
            key_version=wrapped.key_version,
            wrapped_key=text if is_key else None,
            wrapped_digest=None if is_key else text,
        )
        outcome = external.unwrap(self._unwrap_endpoint, request)
        self.outcomes.append(outcome)
        if outcome.receipt is None:
            if outcome.reason in _DIFFERS:
                raise UnwrapFailed(f"The external service does not unwrap it: {outcome.status}")
            raise _of(outcome)
        return outcome.receipt.value

    def fresh(self) -> ExternalWrapper:
        """See `Wrapper.fresh`."""
        made = ExternalWrapper(
            self._endpoint,
            unwrap_endpoint=self._unwrap_endpoint,
            kms_key_id=self._kms_key_id,
            retention_policy=self._retention_policy,
            digest=self._digest,
        )
        made.outcomes = self.outcomes
        return made

    def _ask(self, context: Mapping[str, str], data_key: bytes | None) -> WrapReceipt:
        request = WrapRequest(
            bundle_id=context["bundle_id"],
            digest=self._digest,
            kms_key_id=self._kms_key_id,
            retention_policy=self._retention_policy,
            data_key=data_key,
        )
        outcome = external.wrap(self._endpoint, request)
        self.outcomes.append(outcome)
        if outcome.receipt is None:
            raise _of(outcome)
        return outcome.receipt

    def _wrapped(self, receipt: WrapReceipt, text: str) -> Wrapped:
        return Wrapped(
            ciphertext=text.encode("utf-8"),
            algorithm=receipt.algorithm,
            provider=receipt.provider,
            key_id=self._kms_key_id,
            key_version=receipt.key_version,
            request_id=receipt.request_id,
        )


def _place(context: Mapping[str, str]) -> dict[str, str]:
    """The context without its purpose."""
    return {key: context[key] for key in ("client", "bundle_id")}


def _of(outcome: Outcome[Any]) -> StrongroomError:
    """The failure, in the words of the status that is kept."""
    if outcome.reason in _DENIED:
        return KeyServiceDenied(outcome.status)
    return KeyServiceUnavailable(outcome.status)
