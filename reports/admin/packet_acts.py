"""What can be done with packets: each act says what it will do, and makes one service call."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from access import policy
from access.admin import components
from access.admin.acts import Decision, ObjectAction, ResultPage
from access.models import User
from access.roles import Action
from audit.events import Actor
from audit.models import SigningKey
from reports.admin import columns, packet_files
from reports.admin.forms import CountersignForm, FileForm
from reports.models import Packet
from reports.services import certificates, countersigning, files, verification
from sealing.errors import StrongroomError

# --- countersign ----------------------------------------------------------------------------


def countersign_hindrance(request: HttpRequest, obj: Packet) -> str | None:
    """Why the viewer can't countersign it now."""
    if not obj.is_complete:
        return "The packet was not made to its end."
    if columns.is_countersigned(obj):
        return "The packet has its countersignature."
    if obj.maker_id is not None and obj.maker_id in policy.people_of(_person_of(request)):
        return "You made this packet: another person has to countersign it."
    key = key_of(request)
    if key is None:
        return "You have no active signing key: make one first, under Administration."
    try:
        certificates.ensure_suitable(key)
    except StrongroomError as error:
        return error.message
    return None


def describe_countersign(request: HttpRequest, obj: Packet) -> Decision:
    """What is about to be signed."""
    key = key_of(request)
    return Decision(
        act=f"Countersign {obj.name}",
        digest=obj.pdf_sha256,
        facts=(
            ("JSON", components.digest(obj.json_sha256)),
            ("Client", columns.client(obj)),
            ("Period", columns.period(obj)),
            ("Controls", columns.controls_in_short(obj.summary)),
            ("Made by", maker(obj)),
            ("Made", components.when(obj.completed_at, relative=True)),
            ("Your key", components.digest(key.key_id) if key else "—"),
        ),
        consequences=(
            "The packet is verified once more. If anything is wrong with it, nothing is signed.",
            "Your signature is added to the PDF, with your name, the meaning, the note and the "
            "time. The service’s signature stays as it is.",
            "The PDF with both signatures is locked away in the vault beside the others.",
            "That you countersigned is recorded in the audit trail.",
        ),
        irreversible=("A countersignature can't be withdrawn.",),
    )


def do_countersign(request: HttpRequest, obj: Packet, data: dict[str, Any]) -> str:
    """Countersigns with the viewer's own key."""
    key = key_of(request)
    countersigning.countersign(
        actor=Actor.of_request(request),
        name=obj.name,
        signing_key_id=key.key_id if key else "",
        password=data["password"],
        meaning=data["meaning"],
        note=data["note"],
    )
    return f"Countersigned {obj.name}. It has both of its signatures."


def key_of(request: HttpRequest) -> SigningKey | None:
    """The viewer's active signing key."""
    person_id = _person_of(request)
    if person_id is None:
        return None
    return SigningKey.objects.filter(person_id=person_id, status="active").first()


def maker(packet: Packet) -> Any:
    """Who asked for it."""
    return components.person(packet.maker_account) if packet.maker_account else "The schedule"


def _person_of(request: HttpRequest) -> Any:
    return cast(User, request.user).person_id


# --- files and verification -----------------------------------------------------------------


def file_hindrance(request: HttpRequest, obj: Packet) -> str | None:
    """Why there is nothing to take."""
    return None if obj.is_complete else "The packet was not made to its end."


def describe_download(request: HttpRequest, obj: Packet) -> Decision:
    """What taking a file means."""
    return Decision(
        act=f"Download from {obj.name}",
        consequences=(
            "That you took the file, and its digest, is recorded in the audit trail before it "
            "leaves.",
        ),
    )


def do_download(request: HttpRequest, obj: Packet, data: dict[str, Any]) -> HttpResponseBase:
    """Hands the file out."""
    return _handed_out(request, obj, data["file"], disposition="attachment")


def describe_read(request: HttpRequest, obj: Packet) -> Decision:
    """What opening the PDF means."""
    return Decision(
        act=f"Open the PDF of {obj.name}",
        consequences=(
            "Your browser gets the file itself. That you took it, and its digest, is recorded in "
            "the audit trail like a download.",
        ),
    )


def do_read(request: HttpRequest, obj: Packet, data: dict[str, Any]) -> HttpResponseBase:
    """Shows the newest PDF in the browser."""
    return _handed_out(request, obj, packet_files.newest_pdf(obj), disposition="inline")


def _handed_out(
    request: HttpRequest, obj: Packet, name: str, *, disposition: str
) -> HttpResponseBase:
    raw, media_type = files.read(actor=Actor.of_request(request), packet=obj, name=name)
    response = HttpResponse(raw, content_type=media_type)
    response["Content-Disposition"] = f'{disposition}; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    # The reader that the browser brings needs its own styles; the file itself gets nothing.
    response["Content-Security-Policy"] = (
        "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return response


def describe_verify(request: HttpRequest, obj: Packet) -> Decision:
    """What verifying does."""
    return Decision(
        act=f"Verify {obj.name}",
        digest=obj.json_sha256,
        consequences=(
            "The files are read and checked against the keys and records of this installation. "
            "Nothing is changed.",
        ),
    )


def do_verify(request: HttpRequest, obj: Packet, data: dict[str, Any]) -> ResultPage:
    """Verifies, and shows each check."""
    report = verification.verify_stored(actor=Actor.of_request(request), name=obj.name)
    return ResultPage(
        template="admin/verdict_page.html",
        context={
            "title": obj.name,
            "report": report,
            "verdict": report.verdict.value,
            "meaning": report.message,
            "not_checked": report.not_checked,
        },
    )


COUNTERSIGN = ObjectAction(
    "countersign",
    "Countersign",
    Action.COUNTERSIGN,
    CountersignForm,
    handler=do_countersign,
    describe=describe_countersign,
    hindrance=countersign_hindrance,
    primary=True,
)
DOWNLOAD = ObjectAction(
    "download",
    "Download",
    Action.DOWNLOAD,
    FileForm,
    handler=do_download,
    describe=describe_download,
    hindrance=file_hindrance,
)
READ = ObjectAction(
    "read",
    "Open the PDF",
    Action.DOWNLOAD,
    handler=do_read,
    describe=describe_read,
    hindrance=file_hindrance,
)
VERIFY = ObjectAction(
    "verify",
    "Verify",
    Action.VERIFY,
    handler=do_verify,
    describe=describe_verify,
    hindrance=file_hindrance,
)
