"""What can be asked for on the pages of signing keys."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from access.admin import components
from access.admin.acts import Decision, Done, ObjectAction
from access.admin.forms import ReasonForm
from access.models import Person
from access.roles import Action
from audit.admin.signing_keys import SigningKeyAdmin
from audit.events import Actor
from audit.models import KeyStatus, SigningKey
from audit.services import keys
from ops.acts import keys as acts
from ops.admin import asking
from ops.services import proposals
from sealing.errors import Conflict, Invalid
from sealing.times import parse_rfc3339


class CompromisedForm(ReasonForm):
    """Asks since when somebody else may have had the key."""

    compromised_at = forms.CharField(
        label="Since when",
        max_length=40,
        help_text="Date and time with an offset, such as 2026-01-31T09:00:00Z.",
    )
    field_order = ("compromised_at", "reason")

    def clean_compromised_at(self) -> Any:
        """The moment in UTC."""
        try:
            return parse_rfc3339(self.cleaned_data["compromised_at"])
        except Invalid as error:
            raise ValidationError(error.message) from error


def connect() -> None:
    """Adds the acts to the pages; called once, at start-up."""
    SigningKeyAdmin.list_actions = (CREATE,)
    SigningKeyAdmin.object_actions = (ROTATE, RETIRE, COMPROMISED)


def _person(request: HttpRequest) -> Person:
    # Only accounts of people enter the desk.
    person = getattr(request.user, "person", None)
    if not isinstance(person, Person):
        raise keys.NotOwnKey("A signing key belongs to a person.")
    return person


# --- a first key ------------------------------------------------------------------------------


def hindrance_to_create(request: HttpRequest, obj: None) -> str | None:
    """An active key is in the way of a second one."""
    if keys.active_key_of(_person(request)) is not None:
        return "You have an active signing key. Rotate it from its page if you need another."
    return None


def describe_create(request: HttpRequest, obj: None) -> Decision:
    """What a key is for."""
    return asking.decision(
        acts.CREATE,
        "Ask for a signing key of mine",
        facts=(
            ("Person", components.person(request.user)),
            ("Algorithm", "ECDSA on P-256 with SHA-256"),
        ),
    )


def do_create(request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
    """Asks for it."""
    approval = proposals.create_key(actor=Actor.of_request(request), reason=data["reason"])
    return asking.requested(approval)


# --- another key in its place -----------------------------------------------------------------


def hindrance_to_rotate(request: HttpRequest, obj: SigningKey) -> str | None:
    """One's own, or the one that signs checkpoints."""
    if obj.status != KeyStatus.ACTIVE:
        return "This key is out of use already."
    if obj.person_id is not None and obj.person_id != getattr(request.user, "person_id", None):
        return "Only the person whose key it is can rotate it: the password is needed."
    if obj.person_id is None and keys.CHECKPOINT not in obj.purposes:
        return "It is rotated by changing SIGNING_PRIVATE_KEY and restarting the worker."
    return None


def describe_rotate(request: HttpRequest, obj: SigningKey) -> Decision:
    """What takes its place."""
    action = acts.ROTATE if obj.person_id else acts.ROTATE_CHECKPOINT
    return asking.decision(action, f"Ask to rotate the key of {obj.name}", digest=obj.key_id)


def do_rotate(request: HttpRequest, obj: SigningKey, data: dict[str, Any]) -> Done:
    """Asks for it."""
    approval = proposals.rotate_key(
        actor=Actor.of_request(request), key_id=obj.key_id, reason=data["reason"]
    )
    return asking.requested(approval)


# --- taking it out of use ---------------------------------------------------------------------


def hindrance_to_retire(request: HttpRequest, obj: SigningKey) -> str | None:
    """Once only; a checkpoint key is rotated."""
    try:
        keys.ensure_retirable(obj)
    except Conflict as error:
        return error.message
    return None


def describe_retire(request: HttpRequest, obj: SigningKey) -> Decision:
    """What would not be possible any more."""
    act = f"Ask to retire the key of {obj.name}"
    return asking.decision(acts.RETIRE, act, digest=obj.key_id, danger=True)


def do_retire(request: HttpRequest, obj: SigningKey, data: dict[str, Any]) -> Done:
    """Asks for it."""
    approval = proposals.retire_key(
        actor=Actor.of_request(request), key_id=obj.key_id, reason=data["reason"]
    )
    return asking.requested(approval)


def hindrance_to_mark(request: HttpRequest, obj: SigningKey) -> str | None:
    """Once only."""
    if obj.status == KeyStatus.COMPROMISED:
        return "This key is marked as compromised already."
    return None


def describe_compromised(request: HttpRequest, obj: SigningKey) -> Decision:
    """What it means for everything that the key signed."""
    act = f"Ask to mark the key of {obj.name} as compromised"
    return asking.decision(acts.COMPROMISE, act, digest=obj.key_id, danger=True)


def do_mark_compromised(request: HttpRequest, obj: SigningKey, data: dict[str, Any]) -> Done:
    """Asks for it."""
    approval = proposals.report_compromised(
        actor=Actor.of_request(request), key_id=obj.key_id, **data
    )
    return asking.requested(approval)


CREATE = ObjectAction(
    "create",
    "Create my signing key",
    Action.MANAGE_OWN_KEY,
    ReasonForm,
    handler=do_create,
    describe=describe_create,
    hindrance=hindrance_to_create,
    primary=True,
)
ROTATE = ObjectAction(
    "rotate",
    "Rotate this key",
    Action.MANAGE_KEYS,
    ReasonForm,
    handler=do_rotate,
    describe=describe_rotate,
    hindrance=hindrance_to_rotate,
)
RETIRE = ObjectAction(
    "retire",
    "Retire this key",
    Action.MANAGE_KEYS,
    ReasonForm,
    handler=do_retire,
    describe=describe_retire,
    hindrance=hindrance_to_retire,
)
COMPROMISED = ObjectAction(
    "compromised",
    "Report as compromised",
    Action.MANAGE_KEYS,
    CompromisedForm,
    handler=do_mark_compromised,
    describe=describe_compromised,
    hindrance=hindrance_to_mark,
)
