"""`/verify/`: whoever was given a package has it verified here, without an account.

Nothing about it stays: no file, no name, no digest, no result. What is sent lies in memory or in a
temporary file without a name for as long as the request lasts, and no event is recorded.
"""

from __future__ import annotations

import threading
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from rest_framework.request import Request
from rest_framework.views import APIView

from access.api.parsers import BodyTooLarge
from access.api.throttling import BurstThrottle
from access.statuses import status_of
from evidence import checkable
from evidence.admin.columns import size
from evidence.api.uploads import max_upload_bytes
from evidence.formats.report import PackageReport
from evidence.public_files import (
    Chosen,
    NamelessUploadHandler,
    Other,
    is_of_package,
    sort_out,
    sort_out_other,
)
from evidence.services import checking
from sealing.errors import Invalid, StrongroomError, Unavailable

TEMPLATE = "verify.html"
MEANING = "Nothing was verified, so this says nothing about the package. Nothing was stored."
SENTENCES = {
    "signature": "The service’s signature: no signature file was sent.",
    "countersign": "Countersignatures: no file with any was sent, or it did not come to that.",
    "proofs": "The log lines and their proof: it did not come to that.",
    "timestamp": "A timestamp of an outside authority: none was sent, or none could be checked.",
}
ALWAYS = (
    "Whether anything was left out of the package: that takes the whole log.",
    "Whether this is the latest state: later countersignatures are in files of their own.",
)

# How long a package waits for the one before it, and what is then said to its sender.
WAIT_SECONDS = 5.0
RETRY_SECONDS = 30
_turn = threading.Lock()
_OPTIONS = checking.Options(only_if_signed=True)

# Findings that a file which was not sent might do away with.
_LACKING_SIGNATURE = frozenset({"signature_missing", "lines_not_checked"})
_LACKING_TIME = frozenset({"key_compromised", "timestamp_needed"})


class VerifyThrottle(BurstThrottle):
    """Files sent to the public page, by the address that they come from."""

    scope = "public-verify"
    rate = "20/min"


class TooOften(Unavailable):
    """More was sent from one address than the page takes."""

    code = "throttled"


class Busy(Unavailable):
    """Another package is being verified: one at a time bounds what strangers can use up."""

    code = "busy"


class UnreadableForm(Invalid):
    """What arrived is not a form with files."""

    code = "form_unreadable"


@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class VerifyPage(View):
    """The page, and the verdict on what was sent to it."""

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form."""
        return _page(request, {}, 200)

    def post(self, request: HttpRequest) -> HttpResponse:
        """The verdict. Sizes and rates are looked at before a byte of a file is."""
        throttle = VerifyThrottle()
        # It asks for the address and the account, which any request has.
        if not throttle.allow_request(cast(Request, request), cast(APIView, self)):
            wait = max(1, round(throttle.wait() or 1))
            error = TooOften(f"Too many packages were sent from your address. Wait {wait} seconds.")
            response = _refused(request, error, 429)
            response["Retry-After"] = str(wait)
            return response
        try:
            _receive(request)
        except StrongroomError as error:
            return _refused(request, error)
        return _verified(request)


def _receive(request: HttpRequest) -> None:
    """Reads the form, which the check of its token would otherwise do without these limits.

    Raises:
        BodyTooLarge: more than the setting allows.
        UnreadableForm: the form is not whole.
    """
    limit = max_upload_bytes()
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if not announced.isdigit() or int(announced) > limit:
        raise BodyTooLarge(f"The files are larger than this page takes: {size(limit)} together.")
    request.upload_handlers = [NamelessUploadHandler(request)]
    try:
        request.POST  # noqa: B018 - reading it parses the body
    except (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent) as error:
        raise BodyTooLarge("There is more in the form than this page takes.") from error
    except (MultiPartParserError, UnreadablePostError) as error:
        raise UnreadableForm("The files did not arrive whole. Send them again.") from error


@csrf_protect
def _verified(request: HttpRequest) -> HttpResponse:
    files = request.FILES.getlist("files")
    try:
        kind = checkable.kind_of([file.name or "" for file in files], is_of_package)
        chosen = sort_out(files) if kind is None else sort_out_other(kind, files)
    except StrongroomError as error:
        return _refused(request, error)
    if not _turn.acquire(timeout=WAIT_SECONDS):
        response = _refused(request, Busy("Another package is being verified. Try again soon."))
        response["Retry-After"] = str(RETRY_SECONDS)
        return response
    try:
        told = _of_other(chosen) if isinstance(chosen, Other) else _of_package(chosen)
    finally:
        _turn.release()
    return _page(request, {**told, "chosen": chosen, "verified_at": timezone.now()}, 200)


def _of_package(chosen: Chosen) -> dict[str, Any]:
    with chosen.opened() as (data, sidecars):
        # Not `verify_upload`: that one asks for a role, and here nobody needs any.
        report = checking.check_bytes(data, sidecars=sidecars, options=_OPTIONS)
    return {
        "report": report,
        "verdict": report.verdict.value,
        "meaning": report.message,
        "not_checked": _not_checked(report),
        "missing": _missing(chosen, report),
    }


def _of_other(chosen: Other) -> dict[str, Any]:
    card = chosen.kind.verify(chosen.read())
    return {
        "report": card,
        "card": card,
        "verdict": card.verdict.value,
        "meaning": card.meaning,
        "not_checked": card.not_checked,
        "missing": card.missing,
    }


def _refused(
    request: HttpRequest, error: StrongroomError, status: int | None = None
) -> HttpResponse:
    context = {"error": error, "error_meaning": MEANING}
    return _page(request, context, status or status_of(error))


def _page(request: HttpRequest, context: dict[str, Any], status: int) -> HttpResponse:
    common = {
        "title": "Verify a package",
        "origin": settings.AUDIT_ORIGIN,
        "max_bytes": max_upload_bytes(),
        "max_words": size(max_upload_bytes()),
        "kinds": checkable.kinds.all(),
        "endings": " ".join([".zip", *_other_endings()]),
    }
    response = render(request, TEMPLATE, {**common, **context}, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _other_endings() -> list[str]:
    return [ending for kind in checkable.kinds.all() for ending in kind.endings]


def _not_checked(report: PackageReport) -> list[str]:
    told = report.as_dict()
    parts = [text for part, text in SENTENCES.items() if not told[f"{part}_checked"]]
    return [*parts, *ALWAYS]


def _missing(chosen: Chosen, report: PackageReport) -> list[str]:
    """Files that were not sent and could change the verdict, in words."""
    codes = {issue.code for issue in report.issues}
    manifest = report.manifest
    wanted = {
        "sig": bool(codes & _LACKING_SIGNATURE),
        "signature": bool(codes & _LACKING_SIGNATURE),
        "countersign": bool(codes) and manifest is not None and manifest.countersignatures > 0,
        "timestamp": bool(codes & _LACKING_TIME),
    }
    return [words for field, words in chosen.missing.items() if wanted[field]]
