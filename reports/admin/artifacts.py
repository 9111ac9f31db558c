"""Artefacts on the desk: the list, the page of one with its custody, upload and download."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.admin import components
from access.admin.components import CustodyStep
from access.admin.desk import NavItem, Section, register_nav
from access.admin.filters import ChoiceFilter
from access.admin.mixins import ObjectActionsMixin, ReadOnlyAdmin
from access.admin.site import site
from access.roles import Action
from audit.events import EventType
from audit.models import AuditEvent
from evidence import selectors
from evidence.admin import columns, custody_deposits
from evidence.admin.custody_people import Cast
from evidence.models import Artifact
from evidence.services.vault import depositing
from reports import catalogue
from reports.admin import artifact_acts as acts
from reports.catalogue import UnknownControl
from reports.models import Framework
from sealing import canonical

LIST = "admin:evidence_artifact_changelist"
SHOWN_EVENTS = 50


def connect() -> None:
    """Registers the pages and their place in the navigation; called once, at start-up."""
    site.register(Artifact, ArtifactAdmin)
    register_nav(NavItem(Section.CONTROLS, "Artefacts", LIST, Action.VIEW, order=30))


class ControlFilter(ChoiceFilter):
    """The control that artefacts are for."""

    title = "control"
    parameter_name = "control"
    field = "control_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every control that there is."""
        return [
            (spec.control_id, spec.control_id)
            for framework in Framework.values
            for spec in catalogue.controls(framework)
        ]


class ArtifactAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    """Evidence of other systems."""

    change_form_template = "admin/reports/artifact/change_form.html"
    empty_sentence = (
        "Evidence that lives elsewhere, such as an export of your identity provider, will be"
        " listed here."
    )
    list_display = ("title", "shown_control", "shown_client", "shown_period", "shown_digest",
                    "created_at")  # fmt: skip
    list_filter = (ControlFilter,)
    search_fields = ("title__icontains", "origin__icontains", "sha256__startswith")
    search_help_text = "Title, where it comes from, or the beginning of a digest"
    ordering = ("-created_at", "-id")
    fieldsets = (
        (
            "What it is evidence of",
            {"fields": ("shown_control", "shown_client", "shown_period", "origin", "note")},
        ),
        (
            "The file",
            {"fields": ("shown_file", "media_type", "shown_size", "shown_full_digest")},
        ),
        ("Where it is kept", {"fields": ("shown_vault", "shown_lock")}),
    )
    list_actions = (acts.UPLOAD,)
    object_actions = (acts.DOWNLOAD,)

    def visible_to(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The artefacts of the account's clients, or those that it handed in."""
        return selectors.visible_artifacts(request.user, queryset)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows in scope, with all that a line of the list shows."""
        return super().get_queryset(request).select_related("client", "deposit", "account__person")

    @admin.display(description="Control", ordering="control_id")
    def shown_control(self, obj: Artifact) -> SafeString:
        """The control, and what it is about."""
        return format_html(
            '{} <span class="account">{}</span>',
            components.identifier(obj.control_id),
            _label(obj),
        )

    @admin.display(description="Client")
    def shown_client(self, obj: Artifact) -> str:
        """Whose evidence it is."""
        return obj.client.name if obj.client else "The installation"

    @admin.display(description="Period", ordering="period_start")
    def shown_period(self, obj: Artifact) -> SafeString:
        """The period."""
        return components.period(obj.period_start, obj.period_end)

    @admin.display(description="Digest")
    def shown_digest(self, obj: Artifact) -> SafeString:
        """The digest, shortened."""
        return components.digest(obj.sha256)

    @admin.display(description="Digest")
    def shown_full_digest(self, obj: Artifact) -> SafeString:
        """The whole digest."""
        return components.digest(obj.sha256, full=True)

    @admin.display(description="Name")
    def shown_file(self, obj: Artifact) -> SafeString:
        """The name that the file has here."""
        return components.identifier(obj.file_name)

    @admin.display(description="Size")
    def shown_size(self, obj: Artifact) -> str:
        """The size of the file."""
        return columns.size(obj.size_bytes)

    @admin.display(description="Vault")
    def shown_vault(self, obj: Artifact) -> SafeString:
        """In which vault, and its folder."""
        place = custody_deposits.PLACES[obj.deposit.mode]
        return format_html("In {}: {}", place, components.identifier(obj.deposit.folder))

    @admin.display(description="Lock")
    def shown_lock(self, obj: Artifact) -> Any:
        """The lock that rules."""
        return custody_deposits.lock_words(depositing.current(obj.deposit), obj.deposit)

    def page_context(self, request: HttpRequest, obj: Artifact) -> dict[str, Any]:
        """The custody line."""
        return {**super().page_context(request, obj), "steps": steps(obj)}


def steps(artifact: Artifact) -> list[CustodyStep]:
    """Everything known: who handed it in, where it was put, and what was done with it since."""
    deposit = artifact.deposit
    locks = list(deposit.locks.order_by("number"))
    events = _taken_events(artifact)
    actors = [*(lock.actor_id for lock in locks), *(event.actor_id for event in events)]
    cast = Cast.of([*actors, deposit.actor_id], [artifact.account])
    sender = artifact.account
    later = [
        *(custody_deposits.lock_step(lock, cast) for lock in locks[1:]),
        *(_taken(event, artifact, cast) for event in events),
    ]
    return [
        CustodyStep(
            what="Received",
            who=sender,
            at=artifact.created_at,
            state="complete",
            role=cast.role(sender, artifact.created_at, artifact.client_id),
            digest=artifact.sha256,
            detail=artifact.origin,
        ),
        *custody_deposits.deposited(deposit, cast),
        *(custody_deposits.lock_step(lock, cast) for lock in locks[:1]),
        *sorted(later, key=lambda step: str(step.at)),
    ]


def _taken_events(artifact: Artifact) -> list[AuditEvent]:
    return list(
        AuditEvent.objects.filter(
            object_id=str(artifact.pk),
            object_type="artifact",
            recorder="strongroom",
            type=EventType.EVIDENCE_ARTIFACT_DOWNLOADED,
        ).order_by("-seq")[:SHOWN_EVENTS]
    )


def _taken(event: AuditEvent, artifact: Artifact, cast: Cast) -> CustodyStep:
    account = cast.who(event.actor_id)
    data = canonical.loads(event.event.encode())["data"]
    return CustodyStep(
        what=f"Downloaded {data['file']}",
        who=account,
        at=event.occurred_at,
        state="unknown",
        role=cast.role(account, event.occurred_at, artifact.client_id),
        digest=data["sha256"],
    )


def _label(artifact: Artifact) -> str:
    try:
        return catalogue.control(artifact.framework, artifact.control_id).label
    except UnknownControl:
        return ""  # of a catalogue that has changed since
