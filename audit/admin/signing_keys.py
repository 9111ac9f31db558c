"""Signing keys in the admin: everybody's public halves.

They are only looked at here. Changing them takes two people: `ops` adds the acts that ask for it.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access import policy
from access.admin import components
from access.admin.mixins import ObjectActionsMixin, ReadOnlyAdmin
from access.admin.site import site
from access.roles import Action
from audit.models import SigningKey
from audit.services import keys


def connect() -> None:
    """Registers the page with the site."""
    site.register(SigningKey, SigningKeyAdmin)


class SigningKeyAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    """The keys whose signatures count, or counted."""

    client_field = None
    view_action = Action.VIEW_KEYS
    keyset_field = "id"
    empty_sentence = "The service's keys are made when the first two people are."
    list_display = ("name", "shown_key_id", "shown_purposes", "state", "not_before", "not_after")
    fields = (
        "name",
        "person",
        "shown_key_id",
        "shown_purposes",
        "algorithm",
        "state",
        "not_before",
        "not_after",
        "compromised_at",
        "shown_pem",
    )

    # --- who ---------------------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may look at keys for at least one client: the public halves are public."""
        return bool(policy.scope(request.user, self.view_action))

    def visible_to(
        self, request: HttpRequest, queryset: QuerySet[SigningKey]
    ) -> QuerySet[SigningKey]:
        """All of them, or none."""
        return queryset if self.has_view_permission(request) else queryset.none()

    def client_of(self, obj: SigningKey) -> str | None:
        """Whose people look after it; see `keys.client_of`."""
        return keys.client_of(obj.person)

    # --- columns -----------------------------------------------------------------------------

    @display(description="key id")
    def shown_key_id(self, key: SigningKey) -> SafeString:
        """The digest of the public key."""
        return components.digest(key.key_id)

    @display(description="purposes")
    def shown_purposes(self, key: SigningKey) -> str:
        """What its signatures count for."""
        return ", ".join(key.purposes)

    @display(description="state")
    def state(self, key: SigningKey) -> SafeString:
        """Active, retired or compromised."""
        return components.pill(key.status)

    @display(description="public key")
    def shown_pem(self, key: SigningKey) -> SafeString:
        """The public key in PEM."""
        return format_html("<pre>{}</pre>", key.public_key_pem)
