"""People, their accounts and grants on the desk; all of it is only looked at here.

What can be done about them (new accounts, grants, their end) is added by `ops`, which records it.
"""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from access import policy
from access.admin import components
from access.admin.mixins import ObjectActionsMixin, ReadOnlyAdmin
from access.admin.site import site
from access.admin.states import EndedFilter, WithState
from access.models import Grant, Person, User
from access.roles import Action


@admin.register(Person, site=site)
class PersonAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    """Human beings. That two of them acted is what dual control counts."""

    view_action = Action.VIEW_PEOPLE
    client_field = None
    empty_sentence = "People will be listed here once they have an account."
    list_display = ("display_name", "shown_accounts", "created_at")
    search_fields = ("display_name__istartswith",)
    search_help_text = "The beginning of a name"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "display_name",
                    "shown_same",
                    "shown_accounts",
                    "shown_grants",
                    "created_at",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows in scope, with their accounts."""
        return super().get_queryset(request).prefetch_related("accounts")

    @admin.display(description="Counts as one with")
    def shown_same(self, obj: Person) -> SafeString:
        """Other persons who were found to be the same human."""
        others = Person.objects.filter(pk__in=policy.people_of(obj.pk)).exclude(pk=obj.pk)
        rows = (
            (reverse("admin:access_person_change", args=[other.pk]), other.display_name)
            for other in others
        )
        return format_html_join(", ", '<a href="{}">{}</a>', rows) or components.NOTHING

    @admin.display(description="Accounts")
    def shown_accounts(self, obj: Person) -> SafeString:
        """Links to the accounts."""
        return _links(obj.accounts.all())

    @admin.display(description="Grants")
    def shown_grants(self, obj: Person) -> SafeString:
        """What the person may do, by whichever account."""
        return _grants(Grant.objects.filter(user__person=obj, revoked_at=None))


@admin.register(User, site=site)
class UserAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    """Accounts of people and of services."""

    view_action = Action.VIEW_PEOPLE
    client_field = None
    keyset_field = "id"
    empty_sentence = "Accounts of people and services will be listed here."
    list_display = ("username", "shown_owner", "shown_state", "shown_factor", "last_login")
    list_filter = ("is_service", "is_active")
    search_fields = ("username__istartswith",)
    search_help_text = "The beginning of a username"
    fieldsets = (
        (None, {"fields": ("username", "shown_owner", "shown_state", "shown_grants")}),
        (
            "Signing in",
            {"fields": ("email", "shown_factor", "oidc_subject", "last_login", "date_joined")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows in scope, with what a line of the list shows."""
        factors = Authenticator.objects.filter(user=OuterRef("pk"))
        accounts = super().get_queryset(request).select_related("person")
        found: QuerySet[Any] = accounts.annotate(has_second_factor=Exists(factors))
        return found

    @admin.display(description="Person")
    def shown_owner(self, obj: User) -> SafeString:
        """Whose account it is."""
        if obj.person is None:
            return components.pill("service account")
        address = reverse("admin:access_person_change", args=[obj.person.pk])
        return format_html('<a href="{}">{}</a>', address, obj.person)

    @admin.display(description="State")
    def shown_state(self, obj: User) -> SafeString:
        """The state pill."""
        return components.pill("active" if obj.is_active else "inactive")

    @admin.display(description="Second factor")
    def shown_factor(self, obj: Any) -> SafeString:
        """Whether there is one; a service account has none."""
        if obj.is_service:
            return components.NOTHING
        return components.pill(
            "on" if obj.has_second_factor else "off",
            "On" if obj.has_second_factor else "None",
            tone="verified" if obj.has_second_factor else "attention",
        )

    @admin.display(description="Grants")
    def shown_grants(self, obj: User) -> SafeString:
        """What the account may do."""
        return _grants(obj.grants.filter(revoked_at=None))


@admin.register(Grant, site=site)
class GrantAdmin(WithState, ObjectActionsMixin, ReadOnlyAdmin):
    """Who may do what, and who might once."""

    view_action = Action.VIEW_PEOPLE
    keyset_field = "id"
    empty_sentence = "Roles that were granted will be listed here."
    list_display = (
        "shown_grant", "shown_account", "shown_state", "created_at", "revoked_at",
    )  # fmt: skip
    list_display_links = ("shown_grant",)
    list_filter = (EndedFilter, "group")
    search_fields = ("user__username__istartswith",)
    search_help_text = "The beginning of a username"
    fieldsets = (
        (None, {"fields": ("shown_account", "shown_grant", "shown_state")}),
        ("History", {"fields": ("created_at", "shown_granted_by", "revoked_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows in scope, with what a line of the list shows."""
        found = super().get_queryset(request)
        return found.select_related("user__person", "group", "client", "granted_by__person")

    @admin.display(description="Role")
    def shown_grant(self, obj: Grant) -> str:
        """The role and for whom."""
        return str(obj)

    @admin.display(description="Account")
    def shown_account(self, obj: Grant) -> SafeString:
        """Whose grant it is."""
        return components.person(obj.user)

    @admin.display(description="Granted by")
    def shown_granted_by(self, obj: Grant) -> SafeString:
        """Who gave it; the first two have none."""
        return components.person(obj.granted_by)


def _links(accounts: Any) -> SafeString:
    rows = (
        (reverse("admin:access_user_change", args=[account.pk]), account.username)
        for account in accounts
    )
    return format_html_join(", ", '<a href="{}">{}</a>', rows) or components.NOTHING


def _grants(grants: QuerySet[Grant]) -> SafeString:
    rows = (
        (reverse("admin:access_grant_change", args=[grant.pk]), str(grant))
        for grant in grants.select_related("group", "client").order_by("id")
    )
    return format_html_join("", '<div><a href="{}">{}</a></div>', rows) or components.NOTHING
