"""What the decision pages of approvals ask for."""

from __future__ import annotations

from typing import Any

from django import forms

from access.admin.forms import ActionForm, PasswordForm
from ops.admin import approval_words as words


class _DecideForm(PasswordForm):
    """A comment, the password, and the digest of what was shown."""

    comment = forms.CharField(
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What you looked at. It is recorded with the decision.",
    )
    request_sha256 = forms.CharField(max_length=71, widget=forms.HiddenInput)
    field_order = ("comment", "password", "request_sha256")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[
            "password"
        ].help_text = "Asked again, so that nobody decides in your name at a desk that you left."
        if self.obj is not None:
            self.initial["request_sha256"] = self.obj.request_sha256


class ApproveForm(_DecideForm):
    """For an approval the comment is optional."""


class RejectForm(_DecideForm):
    """A rejection says why."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["comment"].required = True
        self.fields["comment"].help_text = "Why not, for whoever asked. It is recorded."


class WithdrawForm(ActionForm):
    """Why it is not wanted any more."""

    reason = forms.CharField(
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Recorded with the request.",
    )


class CarryOutForm(PasswordForm):
    """What the act needs and only its requester has."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        act = words.act_of(self.obj) if self.obj is not None else None
        needs = act.needs if act else ()
        if "password" not in needs:
            del self.fields["password"]
        else:
            self.fields["password"].help_text = "It is asked again, and locks what is made."
        for name in needs:
            if name not in self.fields:
                widget = forms.PasswordInput(attrs={"autocomplete": "off"})
                self.fields[name] = forms.CharField(strip=False, widget=widget)
