"""What the decision pages about people and clients ask for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import RegexValidator

from access import policy
from access.admin.forms import ActionForm, ReasonForm
from access.models import Client, Person
from access.roles import Action, Role

ALL_CLIENTS = ""
_username = RegexValidator(
    r"^[A-Za-z0-9@.+_-]+\Z", "Letters, digits and the characters @ . + - _ only."
)


def _reason(help_text: str) -> forms.CharField:
    return forms.CharField(
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=help_text,
    )


class NewClientForm(ActionForm):
    """A client's id, name, and what ingest removes from its events; an officer says why."""

    client_id = forms.SlugField(
        label="Id",
        max_length=64,
        help_text="Small letters, digits and hyphens. It names folders and stands in events: it"
        " can't be changed later.",
    )
    name = forms.CharField(max_length=200)
    redaction_pointers = forms.CharField(
        label="Redaction",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="JSON pointers, one a line, such as /data/responseElements/credentials. What"
        " they name is removed from events before they are hashed.",
    )

    reason = _reason("For the administrator who has to approve it. It is recorded.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if policy.can(getattr(self.request, "user", None), Action.MANAGE_CLIENTS):
            del self.fields["reason"]
        else:
            self.fields["reason"].required = True

    def clean_redaction_pointers(self) -> list[str]:
        """One pointer a line."""
        lines = self.cleaned_data["redaction_pointers"].splitlines()
        return [line.strip() for line in lines if line.strip()]


class NewPersonForm(ActionForm):
    """An account of a human being who has none yet."""

    username = forms.CharField(max_length=150, validators=[_username])
    display_name = forms.CharField(
        label="Full name", max_length=200, help_text="As it is to stand on signatures."
    )
    email = forms.EmailField(required=False)
    password = forms.CharField(
        label="First password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 14 characters. Hand it over in person; it is to be changed at once.",
    )


class AnotherAccountForm(ReasonForm):
    """What another account of one's own is called, and what it is for."""

    username = forms.CharField(max_length=150, validators=[_username])
    field_order = ("username", "reason")


class NewServiceForm(ActionForm):
    """An account that acts by API keys."""

    username = forms.CharField(
        label="Name", max_length=150, validators=[_username], help_text="Such as cloudtrail-feed."
    )


class GrantForm(ActionForm):
    """A role, for whom, and why where another person has to approve it."""

    role = forms.ChoiceField(choices=[])
    client_id = forms.ChoiceField(label="For", required=False, choices=[])
    reason = _reason(
        "Needed where another person has to approve: for administrators, for officers, and for"
        " any role that counts for all clients."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        service = getattr(self.obj, "is_service", False)
        roles = [role for role in Role if (role == Role.AUTOMATION) == service]
        role, client = self.fields["role"], self.fields["client_id"]
        assert isinstance(role, forms.ChoiceField)
        assert isinstance(client, forms.ChoiceField)
        role.choices = [(item.value, item.value) for item in roles]
        clients = Client.objects.filter(is_active=True)
        client.choices = [(ALL_CLIENTS, "All clients"), *((c.pk, c.name) for c in clients)]

    def clean_role(self) -> Role:
        """The role itself."""
        return Role(self.cleaned_data["role"])


class MergeForm(ReasonForm):
    """Which other person it is, and how that was found out."""

    into = forms.ModelChoiceField(
        label="The same human as", queryset=Person.objects.none(), empty_label=None
    )
    field_order = ("into", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["into"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Person.objects.filter(merged_into=None)
        if isinstance(self.obj, Person):
            field.queryset = field.queryset.exclude(pk=self.obj.pk)


class ApiKeyForm(ActionForm):
    """What the key is for."""

    label = forms.CharField(max_length=200, help_text="What it is used for, and where it lies.")
