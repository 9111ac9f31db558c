"""What can be done with packages: each act says what it will do, and makes one service call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from access import policy
from access.admin import components
from access.admin.acts import Decision, Done, ObjectAction, ResultPage
from access.models import User
from access.roles import Action
from audit.events import Actor
from audit.models import SigningKey
from evidence.admin import columns
from evidence.admin.forms import CountersignForm, DownloadForm, ExportForm, VerifyForm
from evidence.models import Package
from evidence.responses import file_response
from evidence.services import countersigning, downloads, exporting, verification
from sealing.times import format_time

# A page is not kept waiting longer for an export; the run's own page shows how it goes on.
PATIENCE_SECONDS = 5.0
_AS_ENTERED = (
    "retention_policy", "vault_mode", "external_kms", "external_worm",
    "external_require_success", "required_countersignatures", "note",
)  # fmt: skip

# --- export -------------------------------------------------------------------------------


def describe_export(request: HttpRequest, obj: None) -> Decision:
    """What an export does."""
    return Decision(
        act="Export a package",
        consequences=(
            "The client's audit events of these days are put into a package, together with "
            "a proof that they are part of the log.",
            "The service signs the package. You become its maker.",
            "Unless you choose otherwise, a copy is locked away in the vault.",
            "That you made it is recorded in the audit trail.",
        ),
        irreversible=(
            "A package can't be changed or deleted, nor its copy before the retention ends.",
            "You can't countersign what you made, by any account.",
        ),
    )


def do_export(request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
    """Asks for the package, and shows it, or the run that makes it where that takes a while."""
    payload: dict[str, Any] = {
        "client_id": data["client_id"] or None,
        "period_start": format_time(data["period_start"]),
        "period_end": format_time(data["period_end"]),
        **{key: data[key] for key in _AS_ENTERED if data.get(key, "") != ""},
    }
    found = exporting.request_export(
        actor=Actor.of_request(request), payload=payload, wait_seconds=PATIENCE_SECONDS
    )
    if found.package is None:
        return Done(
            message="The export was started. You can leave this page; the run goes on.",
            url=reverse("admin:ops_run_change", args=[found.run.pk]),
        )
    package = found.package
    return Done(
        message=f"Made {package.bundle_id} with {package.event_count} events.",
        url=reverse("admin:evidence_package_change", args=[package.pk]),
    )


# --- countersign ----------------------------------------------------------------------------


def countersign_hindrance(request: HttpRequest, obj: Package) -> str | None:
    """Why the viewer can't countersign it now."""
    person_id = cast(User, request.user).person_id
    if not obj.is_complete:
        return "The package was not written to its end."
    if not obj.required_signatures:
        return "The package was made without a signature: there is nothing to countersign."
    same_human = policy.people_of(person_id)
    if obj.maker_id in same_human:
        return "You made this package: another person has to countersign it."
    if obj.countersignatures.filter(person__in=same_human).exists():
        return "You have countersigned this package already."
    if _key_of(request) is None:
        return "You have no active signing key: make one first, under Administration."
    return None


def describe_countersign(request: HttpRequest, obj: Package) -> Decision:
    """What is about to be signed."""
    key = _key_of(request)
    return Decision(
        act=f"Countersign {obj.bundle_id}",
        digest=obj.package_sha256,
        facts=(
            ("Client", columns.client(obj)),
            ("Period", columns.period(obj)),
            ("Events", obj.event_count),
            ("Made by", components.person(obj.maker_account)),
            ("Made", components.when(obj.completed_at, relative=True)),
            ("Note", obj.note or "—"),
            ("Your key", components.digest(key.key_id) if key else "—"),
        ),
        consequences=(
            "The package is verified once more. If anything is wrong with it, nothing is signed.",
            "Your key signs its digest, your name, the meaning, the note and the time.",
            "That you countersigned is recorded in the audit trail.",
        ),
        irreversible=("A countersignature can't be withdrawn.",),
    )


def do_countersign(request: HttpRequest, obj: Package, data: dict[str, Any]) -> str:
    """Countersigns with the viewer's own key."""
    key = _key_of(request)
    entry = countersigning.countersign(
        actor=Actor.of_request(request),
        package_path=obj.package_path,
        signer=request.user.get_username(),
        signing_key_id=key.key_id if key else "",
        password=data["password"],
        note=data["note"],
        meaning=data["meaning"],
    )
    return f"Countersigned {obj.bundle_id} as number {entry.number}."


def _key_of(request: HttpRequest) -> SigningKey | None:
    person_id = getattr(request.user, "person_id", None)
    if person_id is None:
        return None
    return SigningKey.objects.filter(person_id=person_id, status="active").first()


# --- download and verify --------------------------------------------------------------------


def file_hindrance(request: HttpRequest, obj: Package) -> str | None:
    """Why there is nothing to take."""
    return None if obj.is_complete else "The package was not written to its end."


def describe_download(request: HttpRequest, obj: Package) -> Decision:
    """What taking a file means."""
    return Decision(
        act=f"Download from {obj.bundle_id}",
        digest=obj.package_sha256,
        consequences=(
            "That you took the file, and its digest, is recorded in the audit trail before "
            "it leaves.",
        ),
    )


def do_download(request: HttpRequest, obj: Package, data: dict[str, Any]) -> HttpResponseBase:
    """Hands the file out."""
    found = downloads.download(
        actor=Actor.of_request(request), bundle_id=obj.bundle_id, name=data["file"]
    )
    return file_response(found)


def describe_verify(request: HttpRequest, obj: Package) -> Decision:
    """What verifying does."""
    return Decision(
        act=f"Verify {obj.bundle_id}",
        digest=obj.package_sha256,
        consequences=(
            "The files on the disk are read and checked against the keys and records of this "
            "installation. Nothing is changed.",
        ),
    )


def do_verify(request: HttpRequest, obj: Package, data: dict[str, Any]) -> ResultPage:
    """Verifies, and shows each check."""
    secret = data.get("signing_secret")
    result = verification.verify(
        actor=Actor.of_request(request),
        package_path=obj.package_path,
        signing_secret=secret.encode() if secret else None,
    )
    told = result.as_dict()
    return ResultPage(
        template="admin/verdict_page.html",
        context={
            "title": obj.bundle_id,
            "report": result.report,
            "verdict": result.verdict.value,
            "meaning": told["message"],
            "not_checked": _not_checked(told),
        },
    )


def _not_checked(told: dict[str, Any]) -> Sequence[str]:
    sentences = {
        "signature": "The service's signature: there is none.",
        "countersign": "Countersignatures: there are none.",
        "proofs": "The log lines and their proof.",
        "mac": "A mac of older times: there is none, or no secret to compare it with.",
        "timestamp": "A timestamp of an authority: there is none, or nothing to check it by.",
    }
    return [text for part, text in sentences.items() if not told[f"{part}_checked"]]


EXPORT = ObjectAction(
    "export",
    "Export a package",
    Action.EXPORT,
    ExportForm,
    handler=do_export,
    describe=describe_export,
    primary=True,
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
    DownloadForm,
    handler=do_download,
    describe=describe_download,
    hindrance=file_hindrance,
)
VERIFY = ObjectAction(
    "verify",
    "Verify",
    Action.VERIFY,
    VerifyForm,
    handler=do_verify,
    describe=describe_verify,
    hindrance=file_hindrance,
)
