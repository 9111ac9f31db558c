"""What the decision pages about people and clients ask for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import RegexValidator

from access.admin.forms import ActionForm
from access.models import Client, Person
from access.roles import Role

ALL_CLIENTS = ""
_username = RegexValidator(
    r"^[A-Za-z0-9@.+_-]+\Z", "Letters, digits and the characters @ . + - _ only."
)


class NewClientForm(ActionForm):
    """A client's id, name, and what ingest removes from its events."""

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

    def clean_redaction_pointers(self) -> list[str]:
        """One pointer a line."""
        lines = self.cleaned_data["redaction_pointers"].splitlines()
        return [line.strip() for line in lines if line.strip()]


class NewPersonForm(ActionForm):
    """An account of a human being."""

    username = forms.CharField(max_length=150, validators=[_username])
    display_name = forms.CharField(
        label="Full name", max_length=200, help_text="As it is to stand on signatures."
    )
    email = forms.EmailField(required=False)
    person = forms.ModelChoiceField(
        queryset=Person.objects.none(),
        required=False,
        empty_label="Somebody who has no account yet",
        help_text="Choose the person if this is another account of somebody who is here already.",
    )
    password = forms.CharField(
        label="First password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 14 characters. Hand it over in person; it is to be changed at once.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["person"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Person.objects.all()


class NewServiceForm(ActionForm):
    """An account that acts by API keys."""

    username = forms.CharField(
        label="Name", max_length=150, validators=[_username], help_text="Such as cloudtrail-feed."
    )


class GrantForm(ActionForm):
    """A role, and for whom."""

    role = forms.ChoiceField(choices=[])
    client_id = forms.ChoiceField(label="For", required=False, choices=[])

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


class ApiKeyForm(ActionForm):
    """What the key is for."""

    label = forms.CharField(max_length=200, help_text="What it is used for, and where it lies.")
