"""Asking an external endpoint: again where that is safe, and keeping whatever it answers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

from sealing import canonical, outgoing
from sealing.digests import b64, sha256_tag
from sealing.external_body import Body
from sealing.external_endpoint import Endpoint
from sealing.external_forms import ArchiveReceipt, ReceiptRefused, Unwrapped, WrapReceipt
from sealing.outgoing import Exchange
from sealing.times import format_time
from sealing.wire import Clock, Stopped

Receipt = TypeVar("Receipt", ArchiveReceipt, WrapReceipt, Unwrapped)

OK = "OK"
MAX_ATTEMPTS = 3
BACK_OFF_SECONDS = (0.5, 2.0)
KEPT_BYTES = 1 << 16
# "Not now": said by a server that has done nothing.
_LATER = (429, 503)
_DONE = (200, 201)
_ESCAPE = re.compile(rb"\\(?:u00([0-7][0-9a-fA-F])|(/))")
_SEPARATORS = re.compile(rb"\\[bfnrt]|[^A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class Attempt(Generic[Receipt]):
    """One exchange, and what came of it.

    Attributes:
        url: without its query.
        http_status: None if no answer began.
        body: the first 64 KiB of the answer; empty where it held a secret.
        body_size_bytes, body_sha256: of all that was read of it.
        outcome: `OK` or `FAILED: <reason>: <words>`.
    """

    url: str
    started_at: datetime
    finished_at: datetime
    http_status: int | None
    body: bytes
    body_size_bytes: int
    body_sha256: str
    outcome: str
    receipt: Receipt | None = field(repr=False)

    def document(self) -> dict[str, Any]:
        """The attempt as JSON: all but the receipt, which is read from the body."""
        is_text = self.body.isascii() and b"\x00" not in self.body
        return {
            "url": self.url,
            "started_at": format_time(self.started_at),
            "finished_at": format_time(self.finished_at),
            "http_status": self.http_status,
            "body": self.body.decode("ascii") if is_text else None,
            "body_base64": None if is_text else b64(self.body),
            "body_size_bytes": self.body_size_bytes,
            "body_sha256": self.body_sha256,
            "outcome": self.outcome,
        }


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Receipt]):
    """What came of a request.

    Attributes:
        status: that of the last attempt.
        attempts: all of them, in order; at least one.
        receipt: None unless the status is `OK`.
    """

    status: str
    attempts: tuple[Attempt[Receipt], ...]
    receipt: Receipt | None = field(repr=False)

    @property
    def is_ok(self) -> bool:
        """Whether there is a receipt."""
        return self.status == OK

    @property
    def reason(self) -> str:
        """The stable word for the failure, such as `http_500`; empty where there is none."""
        return "" if self.is_ok else self.status.split(": ")[1]


@dataclass(frozen=True, slots=True)
class Asking(Generic[Receipt]):
    """A request on its way to a receipt, or to the reason why there is none.

    Attributes:
        key: names the request, so that a server may know it again; empty where a repeat does no
            harm.
        read: makes a receipt of what was answered, or raises ReceiptRefused.
        secrets: what must be in no answer, beside the token.
        keeps_body: False where the answer itself is a secret.
    """

    endpoint: Endpoint
    key: str
    body: Body
    read: Callable[[Any], Receipt]
    secrets: tuple[str, ...] = field(default=(), repr=False)
    keeps_body: bool = True

    def outcome(self) -> Outcome[Receipt]:
        """Asks until there is an answer, the time is over or nothing more may be tried."""
        limit, sending = self.endpoint.timeout_seconds, self.body.sending_seconds
        budget = Clock(MAX_ATTEMPTS * (limit + sending))
        attempts: list[Attempt[Receipt]] = []
        while True:
            left = max(0.0, budget.left())
            seconds = min(limit, left)
            found, attempt = self._attempt(seconds, min(sending, left - seconds))
            attempts.append(attempt)
            pause = _pause(found, len(attempts))
            if pause is None or pause >= budget.left():
                return Outcome(attempt.outcome, tuple(attempts), attempt.receipt)
            time.sleep(pause)

    def _attempt(self, seconds: float, sending: float) -> tuple[Exchange, Attempt[Receipt]]:
        started_at = datetime.now(UTC)
        blocks, size = self.body.blocks(), self.body.size_bytes
        found = outgoing.exchange(
            outgoing.Question(self.endpoint.url, self._headers(), blocks, size, sending),
            clock=Clock(seconds),
            permits=self.endpoint.permits,
            ca_file=self.endpoint.ca_file,
        )
        body = bytes(found.body)
        tells = self._tells_secret(body)
        outcome, receipt = self._judged(found, body, tells)
        attempt = Attempt(
            url=self.endpoint.shown_url,
            started_at=started_at,
            finished_at=datetime.now(UTC),
            http_status=found.status,
            body=body[:KEPT_BYTES] if self.keeps_body and not tells else b"",
            body_size_bytes=len(body),
            body_sha256=sha256_tag(body),
            outcome=outcome,
            receipt=receipt,
        )
        return found, attempt

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": self.body.content_type,
            "Accept": "application/json",
        }
        if self.key:
            headers["Idempotency-Key"] = self.key
        if self.endpoint.token:
            headers["Authorization"] = f"Bearer {self.endpoint.token}"
        return headers

    def _tells_secret(self, body: bytes) -> bool:
        """Whether an answer repeats a secret; kept, it would lie in clear for years."""
        plain = _ESCAPE.sub(_character, body)
        token = self.endpoint.token.encode("ascii")
        if token and token in plain:
            return True
        # Whoever reads these spells them as he likes: in capitals, without padding, in groups.
        spelled = _bare(plain)
        known: list[bytes] = [text.encode("ascii") for text in self.secrets if text]
        texts = (*known, *(b64(text).rstrip("=").encode("ascii") for text in known))
        return any(_bare(text) in spelled for text in texts)

    def _judged(self, found: Exchange, body: bytes, tells: bool) -> tuple[str, Receipt | None]:
        try:
            _check_answer(found)
            if tells:
                raise Stopped("secret_echoed", "the answer repeats a secret of the request")
            return OK, self.read(_parsed(body))
        except Stopped as stopped:
            words = stopped.words[:1].upper() + stopped.words[1:]
            return f"FAILED: {stopped.reason}: {words}.", None
        except ReceiptRefused as refused:
            return f"FAILED: {refused.code}: {refused.message}", None


def _check_answer(found: Exchange) -> None:
    """Raises Stopped unless there is a whole answer that may be a receipt."""
    status = found.status or 0
    if status in range(300, 400):
        raise Stopped("redirect", f"the answer was {status}; redirects are not followed")
    if status and status not in _DONE:
        raise Stopped(f"http_{status}", f"the answer was {status}")
    if found.failure is not None:
        raise found.failure
    if found.headers.get_content_type() != "application/json":
        raise Stopped("wrong_type", "the answer's Content-Type is not application/json")
    if found.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Stopped("wrong_type", "the answer is compressed, which was not asked for")


def _parsed(body: bytes) -> Any:
    try:
        return canonical.loads(body, max_bytes=outgoing.MAX_BYTES)
    except canonical.JSONRefused as error:
        if error.code == "json_invalid":
            raise ReceiptRefused("The answer is not JSON.", code="not_json") from error
        raise ReceiptRefused(f"The answer is not strict JSON ({error.code}).") from error


def _pause(found: Exchange, attempts: int) -> float | None:
    """The seconds to wait before another attempt; None if there must be none.

    Only what certainly had no effect is tried again: no connection was made, or the server said
    "not now". An answer that was lost may have been a receipt.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    back_off = BACK_OFF_SECONDS[attempts - 1]
    if found.status in _LATER:
        return max(back_off, _retry_after(found.headers))
    if found.failure is not None and found.failure.reason == "no_connection":
        return back_off
    return None


def _retry_after(headers: Message) -> float:
    """What the server asks for (RFC 9110 §10.2.3), in seconds; 0 if that can't be read."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()


def _bare(text: bytes) -> bytes:
    """Letters and digits alone, in lower case: alike in all spellings of hex and of base64."""
    return _SEPARATORS.sub(b"", text).lower()


def _character(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 16)]) if match[1] else b"/"
