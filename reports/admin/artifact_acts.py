"""What can be done with artefacts: each act says what it will do, and makes one service call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from access.admin.acts import Decision, Done, ObjectAction
from access.admin.forms import ActionForm
from access.roles import Action
from audit.events import Actor
from evidence.admin import columns
from evidence.models import Artifact
from evidence.responses import file_response
from evidence.services import artifacts as kept
from evidence.services.submissions import MAX_NOTE, MAX_ORIGIN, MAX_TITLE, Submission
from evidence.services.vault import opening
from reports import catalogue
from reports.admin.forms import PeriodForm, clients_for
from reports.models import Framework
from reports.services import artifacts


class ArtifactForm(PeriodForm):
    """A file, and what it is evidence of."""

    file = forms.FileField(allow_empty_file=True)
    title = forms.CharField(
        max_length=MAX_TITLE, help_text="What it shows: “Users with access to the EHR, January”."
    )
    client_id = forms.ChoiceField(label="Client", required=False)
    control = forms.ChoiceField()
    origin = forms.CharField(
        label="Comes from",
        max_length=MAX_ORIGIN,
        required=False,
        help_text="The system, and how you got it out: “Okta, export of groups”.",
    )
    note = forms.CharField(
        max_length=MAX_NOTE,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What whoever reads it later should know.",
    )
    field_order = (
        "file", "title", "client_id", "control", "month", "first_day", "last_day", "origin", "note",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asked = self.request.GET if self.request is not None else {}
        user = self.request.user if self.request is not None else None
        limit = columns.size(settings.EVIDENCE_ARTIFACT_MAX_BYTES)
        self.fields["file"].help_text = f"Up to {limit}, of any kind."
        self.fields["month"].help_text = "The period that it is evidence of, in UTC."
        client, control = self.fields["client_id"], self.fields["control"]
        assert isinstance(client, forms.ChoiceField)
        assert isinstance(control, forms.ChoiceField)
        client.choices = clients_for(user, Action.UPLOAD_ARTEFACT)
        client.initial = asked.get("client")
        control.choices = [
            (f"{framework}:{spec.control_id}", f"{spec.control_id}  {spec.label}")
            for framework in Framework.values
            for spec in catalogue.controls(framework)
        ]
        control.initial = asked.get("control")


def upload_hindrance(request: HttpRequest, obj: Any) -> str | None:
    """Why nothing can be uploaded now."""
    if opening.configured():
        return None
    return "There is no vault to keep it in: whoever runs this installation has to set one up."


def describe_upload(request: HttpRequest, obj: None) -> Decision:
    """What uploading does."""
    return Decision(
        act="Upload an artefact",
        consequences=(
            "The file is put into the vault as it is, and its digest is recorded with your name.",
            "Packets of this period name it under its control, with its digest and place.",
            "Nobody looks into it: Strongroom doesn’t search it for viruses, nor for names.",
        ),
        irreversible=(
            "It can’t be changed or deleted before its retention ends.",
            "Look at it first: what should not be kept for years does not belong in it.",
        ),
    )


def do_upload(request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
    """Keeps the file, and shows its page."""
    file, period = data["file"], data["period"]
    framework, _, control_id = data["control"].partition(":")
    is_on_disk = isinstance(file, TemporaryUploadedFile)
    artifact = artifacts.receive(
        actor=Actor.of_request(request),
        submission=Submission(
            client_id=data["client_id"] or None,
            framework=framework,
            control_id=control_id,
            period_start=period.start,
            period_end=period.end,
            title=data["title"],
            origin=data["origin"],
            note=data["note"],
            file_name=file.name or "",
            media_type=file.content_type or "",
            content=Path(file.temporary_file_path()) if is_on_disk else file.read(),
        ),
    )
    return Done(
        message=f"“{artifact.title}” is in the vault.",
        url=reverse("admin:evidence_artifact_change", args=[artifact.pk]),
    )


def describe_download(request: HttpRequest, obj: Artifact) -> Decision:
    """What taking the file means."""
    return Decision(
        act=f"Download {obj.file_name}",
        digest=obj.sha256,
        facts=(
            ("Title", obj.title),
            ("Comes from", obj.origin or "—"),
            ("Size", columns.size(obj.size_bytes)),
        ),
        consequences=(
            "The file is taken out of the vault and compared with its digest.",
            "That you took it is recorded in the audit trail before it leaves.",
            "It is what somebody sent: open it with the care that you would give to their mail.",
        ),
    )


def do_download(request: HttpRequest, obj: Artifact, data: dict[str, Any]) -> HttpResponseBase:
    """Hands the file out."""
    return file_response(kept.read(actor=Actor.of_request(request), artifact_id=obj.pk))


UPLOAD = ObjectAction(
    "upload",
    "Upload an artefact",
    Action.UPLOAD_ARTEFACT,
    ArtifactForm,
    handler=do_upload,
    describe=describe_upload,
    hindrance=upload_hindrance,
    primary=True,
)
DOWNLOAD = ObjectAction(
    "download",
    "Download",
    Action.DOWNLOAD,
    ActionForm,
    handler=do_download,
    describe=describe_download,
)
