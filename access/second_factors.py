"""Secrets of second factors, closed anew under the present key-encryption key."""

from __future__ import annotations

from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from django.db import transaction

from access.adapters import MFAAdapter, opened
from sealing.secretbox import WrongKey

# Where django-allauth keeps what its adapter encrypted: one text, or a list of them.
_ENCRYPTED = ("secret", "seed", "migrated_codes")


@dataclass(frozen=True, slots=True)
class Closed:
    """How many second factors were closed anew, and how many no key at hand opens."""

    done: int
    unopened: int


def close_anew() -> Closed:
    """Closes what a former key-encryption key closed. Asking twice does no harm."""
    done = unopened = 0
    for pk in Authenticator.objects.order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            row = Authenticator.objects.select_for_update().get(pk=pk)
            try:
                changed = {name: _closed(row.data[name]) for name in _ENCRYPTED if name in row.data}
            except WrongKey:
                unopened += 1
                continue
            if any(row.data[name] != value for name, value in changed.items()):
                row.data |= changed
                row.save(update_fields=["data"])
                done += 1
    return Closed(done, unopened)


def _closed(value: str | list[str]) -> str | list[str]:
    if isinstance(value, list):
        return [_text(item) for item in value]
    return _text(value)


def _text(box: str) -> str:
    secret, is_current = opened(box)
    return box if is_current else MFAAdapter().encrypt(secret)
