"""Signing keys in the admin: everybody's public halves, and acts on one's own."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin import display
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access import policy
from access.admin import components
from access.admin.forms import ActionForm, PasswordForm
from access.admin.mixins import (
    Decision,
    Done,
    ObjectAction,
    ObjectActionsMixin,
    ReadOnlyAdmin,
)
from access.admin.site import site
from access.models import Person
from access.roles import Action
from audit.events import Actor
from audit.models import KeyStatus, SigningKey
from audit.services import keys
from sealing.errors import Invalid
from sealing.times import parse_rfc3339


def connect() -> None:
    """Registers the page with the site."""
    site.register(SigningKey, SigningKeyAdmin)


class CompromisedForm(ActionForm):
    """Asks since when somebody else may have had the key."""

    compromised_at = forms.CharField(
        label="Since when",
        max_length=40,
        help_text="Date and time with an offset, such as 2026-01-31T09:00:00Z.",
    )

    def clean_compromised_at(self) -> Any:
        """The moment in UTC."""
        try:
            return parse_rfc3339(self.cleaned_data["compromised_at"])
        except Invalid as error:
            raise ValidationError(error.message) from error


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
    list_actions = [
        ObjectAction(
            "create",
            "Create my signing key",
            Action.MANAGE_OWN_KEY,
            PasswordForm,
            handler="do_create",
            describe="describe_create",
            hindrance="hindrance_to_create",
            primary=True,
        )
    ]
    object_actions = [
        ObjectAction(
            "retire",
            "Retire this key",
            Action.MANAGE_OWN_KEY,
            handler="do_retire",
            describe="describe_retire",
            hindrance="hindrance_to_retire",
        ),
        ObjectAction(
            "compromised",
            "Report as compromised",
            Action.MANAGE_OWN_KEY,
            CompromisedForm,
            handler="do_mark_compromised",
            describe="describe_compromised",
            hindrance="hindrance_to_mark",
        ),
    ]

    # --- who ---------------------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may look at keys for at least one client: the public halves are public."""
        return bool(policy.scope(request.user, self.view_action))

    def visible_to(
        self, request: HttpRequest, queryset: QuerySet[SigningKey]
    ) -> QuerySet[SigningKey]:
        """All of them, or none."""
        return queryset if self.has_view_permission(request) else queryset.none()

    def may(self, request: HttpRequest, act: ObjectAction, obj: SigningKey | None) -> bool:
        """A key belongs to a person, not to a client: a grant for any client will do."""
        return bool(policy.scope(request.user, act.action))

    # --- making one --------------------------------------------------------------------------

    def hindrance_to_create(self, request: HttpRequest, obj: None) -> str | None:
        """An active key is in the way of a second one."""
        if keys.active_key_of(_person(request)) is not None:
            return "You have an active signing key. Retire it before you make another."
        return None

    def describe_create(self, request: HttpRequest, obj: None) -> Decision:
        """What a key is for."""
        return Decision(
            act="Create my signing key",
            facts=(("Person", components.person(request.user)), ("Algorithm", "Ed25519")),
            consequences=(
                "You can countersign packages with it.",
                "It is kept here, locked with your password: nobody can use it without you.",
            ),
            irreversible=(
                "Keys are never deleted. A key that is out of use still verifies what it signed.",
                "If your password changes, the key can't be opened any more: make a new one.",
            ),
        )

    def do_create(self, request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
        """Makes it."""
        key = keys.create_person_key(
            actor=Actor.of(request.user, request),
            person=_person(request),
            password=data["password"],
        )
        return Done(message="Your signing key was created.", url=self._home(key))

    # --- taking it out of use ----------------------------------------------------------------

    def hindrance_to_retire(self, request: HttpRequest, obj: SigningKey) -> str | None:
        """Only one's own, and only once."""
        if obj.status != KeyStatus.ACTIVE:
            return "This key is out of use already."
        return _not_own(request, obj)

    def describe_retire(self, request: HttpRequest, obj: SigningKey) -> Decision:
        """What will not be possible any more."""
        return Decision(
            act=f"Retire the key of {obj.name}",
            digest=obj.key_id,
            consequences=("What it signed until now still verifies.",),
            irreversible=("It can't be used again: make a new key to go on signing.",),
            danger=True,
        )

    def do_retire(self, request: HttpRequest, obj: SigningKey, data: dict[str, Any]) -> str:
        """Retires it."""
        keys.retire_key(actor=Actor.of(request.user, request), key=obj)
        return "The key was retired."

    def hindrance_to_mark(self, request: HttpRequest, obj: SigningKey) -> str | None:
        """Only one's own, and only once."""
        if obj.status == KeyStatus.COMPROMISED:
            return "This key is marked as compromised already."
        return _not_own(request, obj)

    def describe_compromised(self, request: HttpRequest, obj: SigningKey) -> Decision:
        """What it means for everything that the key signed."""
        return Decision(
            act=f"Report the key of {obj.name} as compromised",
            digest=obj.key_id,
            consequences=(
                "No signature of this key counts any more, on any package.",
                "Packages that it countersigned need another countersignature.",
            ),
            irreversible=("The mark stays for ever.",),
            danger=True,
        )

    def do_mark_compromised(
        self, request: HttpRequest, obj: SigningKey, data: dict[str, Any]
    ) -> str:
        """Marks it."""
        keys.mark_compromised(
            actor=Actor.of(request.user, request),
            key=obj,
            compromised_at=data["compromised_at"],
        )
        return "The key is marked as compromised."

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


def _person(request: HttpRequest) -> Person:
    # Only accounts of people enter the desk.
    person = getattr(request.user, "person", None)
    if not isinstance(person, Person):
        raise keys.NotOwnKey("A signing key belongs to a person.")
    return person


def _not_own(request: HttpRequest, key: SigningKey) -> str | None:
    if key.person_id is None or key.person_id != getattr(request.user, "person_id", None):
        return "Only the person whose key it is may do this alone."
    return None
