"""`Idempotency-Key`: the same write twice is done once and answered the same.

The key counts per account, method and path, for a day. Answers of the server's own failures are
not kept, so that the client may try again. A request that was cut short (its process died) may
or may not have done its work: its key is answered with 409 from then on rather than doing it
twice.
"""

from __future__ import annotations

import hmac
import re
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access.api.parsers import limit_of, read_body
from access.models import IdempotencyRecord
from sealing.errors import Conflict, Invalid

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT_FOR = timedelta(hours=24)
# No request takes longer: what is not finished by then was lost with its process.
LOST_AFTER = timedelta(minutes=15)
_KEY = re.compile(r"[\x21-\x7e]{1,200}\Z")
_KEPT_HEADERS = ("Location", "ETag")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_PRUNED_AT_ONCE = 100


class KeyReused(Conflict):
    """The key came with another body before."""

    code = "idempotency_key_reused"


class InProgress(Conflict):
    """The first request with this key is still at work."""

    code = "idempotency_in_progress"


class OutcomeUnknown(Conflict):
    """The first request with this key was cut short; what it did can only be looked up."""

    code = "idempotency_outcome_unknown"


class Idempotent(APIView):
    """A view whose writes take the header."""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answers from the record where there is one."""
        self._record: IdempotencyRecord | None = None
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After authentication, permission and throttling: finds or opens the record."""
        super().initial(request, *args, **kwargs)
        key = request.headers.get(HEADER)
        if key is None or request.method in _SAFE_METHODS or not request.user.is_authenticated:
            return
        if not _KEY.match(key):
            raise Invalid("1 to 200 printable ASCII characters.", field=HEADER)
        mac = _mac_of(request, self.compared(request))
        record, is_new = _find_or_open(request, key, mac)
        if not is_new:
            raise _Replay(record)
        self._record = record

    def compared(self, request: Request) -> tuple[bytes, ...]:
        """What makes two requests to one address the same; for overriding where a body is not
        kept in memory."""
        return (
            request.headers.get("Content-Type", "").encode(),
            request.headers.get("Content-Encoding", "").encode(),
            read_body(request, limit_of(self)),
        )

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        """Gives the recorded answer, or any other error its usual form."""
        if isinstance(exc, _Replay):
            return _answer_of(exc.record)
        try:
            return super().handle_exception(exc)
        except Exception:
            # It becomes a 500 outside of this view.
            self._forget()
            raise

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Keeps the answer, unless the server failed: then the client is to try again."""
        final: HttpResponseBase = super().finalize_response(request, response, *args, **kwargs)
        record, self._record = self._record, None
        if record is None:
            return final
        if final.status_code >= 500 or not isinstance(final, Response):
            record.delete()
        else:
            final.add_post_render_callback(lambda rendered: _keep(record, rendered))
        return final

    def _forget(self) -> None:
        if self._record is not None:
            self._record.delete()
            self._record = None


class _Replay(Exception):
    def __init__(self, record: IdempotencyRecord) -> None:
        super().__init__()
        self.record = record


def _mac_of(request: Request, compared: tuple[bytes, ...]) -> str:
    """Stands for all that makes two requests the same; keyed, since bodies hold passwords."""
    parts = (request.META.get("QUERY_STRING", "").encode(), *compared)
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return salted_hmac("access.api.idempotency", message, algorithm="sha256").hexdigest()


def _find_or_open(request: Request, key: str, mac: str) -> tuple[IdempotencyRecord, bool]:
    identity = {
        "user": request.user,
        "key": key,
        "method": request.method,
        "path": request.path[:500],
    }
    now = timezone.now()
    _prune(now)
    try:
        with transaction.atomic():
            return IdempotencyRecord.objects.create(**identity, request_mac=mac), True
    except IntegrityError:
        found = IdempotencyRecord.objects.filter(**identity).first()
    if found is None:
        # It failed and was forgotten in this moment: the client's next attempt does the work.
        raise InProgress("The first request with this Idempotency-Key just ended: try again.")
    if not hmac.compare_digest(found.request_mac, mac):
        raise KeyReused("This Idempotency-Key came with another request before.")
    if found.status is None and found.created_at > now - LOST_AFTER:
        raise InProgress("The first request with this Idempotency-Key is still at work.")
    if found.status is None:
        raise OutcomeUnknown(
            "The first request with this Idempotency-Key was cut short. Look up what it did, then"
            " use another key."
        )
    return found, False


def _prune(now: Any) -> None:
    old = IdempotencyRecord.objects.filter(created_at__lt=now - KEPT_FOR)
    expired = list(old.order_by("created_at").values_list("pk", flat=True)[:_PRUNED_AT_ONCE])
    if expired:
        IdempotencyRecord.objects.filter(pk__in=expired).delete()


def _keep(record: IdempotencyRecord, response: Response) -> None:
    IdempotencyRecord.objects.filter(pk=record.pk).update(
        status=response.status_code,
        content_type=response.headers.get("Content-Type", ""),
        headers={name: response[name] for name in _KEPT_HEADERS if name in response},
        body=bytes(response.content),
    )


def _answer_of(record: IdempotencyRecord) -> HttpResponse:
    answer = HttpResponse(bytes(record.body or b""), status=record.status)
    if record.content_type:
        answer["Content-Type"] = record.content_type
    else:
        del answer["Content-Type"]
    for name, value in record.headers.items():
        answer[name] = value
    answer[REPLAYED] = "true"
    return answer
