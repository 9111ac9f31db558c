"""Forms of decision pages: a reason, a factor, and what the act itself needs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest


class ActionForm(forms.Form):
    """A form that knows who fills it in and for what.

    Attributes:
        request: the request, for choices within the account's grants.
        obj: what the act is about; None for acts of a list ("New client").
    """

    required_css_class = "required"

    def __init__(
        self, *args: Any, request: HttpRequest | None = None, obj: Any = None, **kwargs: Any
    ) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        self.request, self.obj = request, obj


class DayField(forms.DateField):
    """A day, entered as browsers offer it and shown as ISO 8601 writes it."""

    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


class ReasonForm(ActionForm):
    """Asks why; the reason is recorded with the act."""

    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Recorded with the act. Two years from now it has to explain itself.",
    )


class PasswordForm(ActionForm):
    """Asks for the password again, as the act is a signature."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text="Asked again because this is a signature. It also unlocks your signing key.",
    )
