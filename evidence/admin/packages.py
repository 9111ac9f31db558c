"""Packages on the desk: the list, the custody line, and what can be done with a package."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.utils.safestring import SafeString

from access.admin import components
from access.admin.mixins import ObjectActionsMixin, ReadOnlyAdmin
from evidence import selectors
from evidence.admin import acts, columns, custody, custody_vault
from evidence.admin.custody_vault import Kept
from evidence.admin.filters import OutcomeFilter, WaitingFilter
from evidence.models import Package


class PackageAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    """Evidence packages."""

    change_form_template = "admin/evidence/package/change_form.html"
    empty_sentence = "Packages of audit events, signed and countersigned, will be listed here."
    list_display = (
        "shown_bundle",
        "shown_standing",
        "shown_client",
        "shown_period",
        "shown_digest",
        "created_at",
    )
    list_filter = (OutcomeFilter, WaitingFilter)
    search_fields = ("bundle_id__startswith",)
    search_help_text = "The beginning of a bundle id"
    ordering = ("-created_at", "-id")
    fieldsets = (
        (None, {"fields": ("shown_state", "shown_signatures", "shown_full_digest")}),
        (
            "What it holds",
            {
                "fields": (
                    "shown_client",
                    "shown_period",
                    "shown_types",
                    "event_count",
                    "tree_size",
                    "shown_size",
                    "note",
                )
            },
        ),
        (
            "How it was made",
            {
                "fields": (
                    "shown_maker",
                    "generated_at",
                    "shown_path",
                    "pending_at_export",
                    "set_aside_at_export",
                )
            },
        ),
        (
            "Where it is kept",
            {
                "fields": (
                    "shown_vault",
                    "shown_lock",
                    "shown_retention",
                    "shown_timestamp",
                    "shown_external_kms",
                    "shown_external_worm",
                )
            },
        ),
    )
    list_actions = (acts.EXPORT,)
    object_actions = (acts.COUNTERSIGN, acts.DOWNLOAD, acts.VERIFY)

    def visible_to(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The packages of the account's clients, or those that it made."""
        return selectors.visible(request.user, queryset)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows in scope, with all that a line of the list shows."""
        found = super().get_queryset(request)
        return columns.with_counts(found.select_related("client", "maker", "maker_account"))

    # --- columns ------------------------------------------------------------------------------

    @admin.display(description="Package", ordering="bundle_id")
    def shown_bundle(self, obj: Package) -> SafeString:
        """The bundle id, in the monospace stack."""
        return components.identifier(obj.bundle_id)

    @admin.display(description="State")
    def shown_standing(self, obj: Package) -> SafeString:
        """The state pill, and how many of its signatures are there."""
        return columns.standing(obj)

    @admin.display(description="State")
    def shown_state(self, obj: Package) -> SafeString:
        """The state pill."""
        return columns.state(obj)

    @admin.display(description="Client")
    def shown_client(self, obj: Package) -> str:
        """The client's name."""
        return columns.client(obj)

    @admin.display(description="Period")
    def shown_period(self, obj: Package) -> SafeString:
        """The period."""
        return columns.period(obj)

    @admin.display(description="Signatures")
    def shown_signatures(self, obj: Package) -> SafeString:
        """How many of those needed are there."""
        return columns.signatures(obj)

    @admin.display(description="Digest")
    def shown_digest(self, obj: Package) -> SafeString:
        """The digest, shortened."""
        return components.digest(obj.package_sha256)

    @admin.display(description="Digest")
    def shown_full_digest(self, obj: Package) -> SafeString:
        """The whole digest."""
        return components.digest(obj.package_sha256, full=True)

    @admin.display(description="Size")
    def shown_size(self, obj: Package) -> str:
        """The size of the zip file."""
        return columns.size(obj.size_bytes)

    @admin.display(description="Event types")
    def shown_types(self, obj: Package) -> str:
        """Which types were asked for."""
        return ", ".join(obj.event_types) if obj.event_types else "All"

    @admin.display(description="Maker")
    def shown_maker(self, obj: Package) -> SafeString:
        """Who made it."""
        return components.person(obj.maker_account)

    @admin.display(description="Working copy")
    def shown_path(self, obj: Package) -> SafeString:
        """Its name below the package folder."""
        return components.identifier(obj.package_path)

    @admin.display(description="Vault")
    def shown_vault(self, obj: Package) -> Any:
        """In which vault, or that there is none."""
        return custody_vault.vault_words(obj, _kept(obj))

    @admin.display(description="Lock")
    def shown_lock(self, obj: Package) -> Any:
        """The lock that rules."""
        return custody_vault.lock_words(_kept(obj))

    @admin.display(description="Retention policy asked for")
    def shown_retention(self, obj: Package) -> SafeString:
        """The policy by its name."""
        return components.identifier(obj.retention_policy)

    @admin.display(description="Timestamp")
    def shown_timestamp(self, obj: Package) -> SafeString:
        """What came of asking the authority."""
        return custody_vault.outside_status(obj.timestamp_status)

    @admin.display(description="External key service")
    def shown_external_kms(self, obj: Package) -> SafeString:
        """What came of asking it."""
        return custody_vault.outside_status(obj.external_kms_status)

    @admin.display(description="External archive")
    def shown_external_worm(self, obj: Package) -> SafeString:
        """What came of asking it."""
        return custody_vault.outside_status(obj.external_worm_status)

    def page_context(self, request: HttpRequest, obj: Package) -> dict[str, Any]:
        """The custody line, the files in the vault, and the button that verifies at once."""
        kept = _kept(obj)
        return {
            **super().page_context(request, obj),
            "steps": custody.steps(obj, kept),
            "vault_columns": custody_vault.FILE_COLUMNS,
            "vault_rows": custody_vault.file_rows(kept),
            "verify_action": self.action_url(acts.VERIFY, obj) if obj.is_complete else None,
            "csrf_token": get_token(request),
        }


def _kept(package: Package) -> Kept:
    """What is recorded of where it lies, looked up once for a page."""
    found: Kept | None = package.__dict__.get("_strongroom_kept")
    if found is None:
        found = package.__dict__["_strongroom_kept"] = Kept.of(package)
    return found
