"""What django-allauth is told: who may sign in, and how secrets are kept."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.adapter import get_adapter as account_adapter
from allauth.mfa.adapter import get_adapter as mfa_adapter
from django.test import Client as Browser
from django.test import RequestFactory

from access.adapters import AccountAdapter, MFAAdapter
from access.models import User
from sealing.errors import Invalid
from sealing.secretbox import WrongKey
from tests.factories import World


def test_adapters_are_in_use() -> None:
    assert isinstance(account_adapter(), AccountAdapter)
    assert isinstance(mfa_adapter(), MFAAdapter)


def test_nobody_signs_up() -> None:
    assert account_adapter().is_open_for_signup(RequestFactory().get("/")) is False


@pytest.mark.parametrize("secret", ["", "JBSWY3DPEHPK3PXP", "é" * 300])
def test_secret_comes_back(secret: str) -> None:
    box = MFAAdapter().encrypt(secret)
    assert MFAAdapter().decrypt(box) == secret
    assert not secret or secret not in box
    assert MFAAdapter().encrypt(secret) != box


def test_changed_box(settings: Any) -> None:
    box = MFAAdapter().encrypt("JBSWY3DPEHPK3PXP")
    for place in range(0, len(box) - 4, 5):
        other = "A" if box[place] != "A" else "B"
        with pytest.raises((WrongKey, Invalid)):
            MFAAdapter().decrypt(box[:place] + other + box[place + 1 :])


def test_other_key_encryption_key(settings: Any) -> None:
    box = MFAAdapter().encrypt("JBSWY3DPEHPK3PXP")
    settings.KEY_ENCRYPTION_KEY = bytes(32)
    with pytest.raises(WrongKey):
        MFAAdapter().decrypt(box)


@pytest.mark.parametrize(
    ("username", "signed_in"), [("audrey", True), ("svc-clinic-001", False), ("ben", False)]
)
def test_login_page(world: World, username: str, signed_in: bool) -> None:
    service = world.user("svc-clinic-001")
    service.set_password(world.password)
    service.save()
    User.objects.filter(username="ben").update(is_active=False)
    browser = Browser()
    browser.post("/accounts/login/", {"login": username, "password": world.password})
    assert ("_auth_user_id" in browser.session) is signed_in
