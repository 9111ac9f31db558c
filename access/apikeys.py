"""API keys of service accounts: `srk_<prefix>_<secret>`, of which only a hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from datetime import timedelta

from django.utils import timezone

from access.models import ApiKey, User

MARK = "srk_"
_RAW = re.compile(r"srk_([a-z0-9]{12})_([A-Za-z0-9]{43})\Z")
_USED_EVERY = timedelta(minutes=1)


def create(*, user: User, label: str, created_by: User | None) -> tuple[ApiKey, str]:
    """Makes a key; the caller records it.

    Returns:
        The stored key and the raw one, which can't be read again.
    """
    prefix = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))
    secret = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(43))
    key = ApiKey.objects.create(
        user=user,
        prefix=prefix,
        secret_sha256=_digest(secret),
        label=label,
        created_by=created_by,
    )
    return key, f"{MARK}{prefix}_{secret}"


def account_of(raw: str) -> User | None:
    """The account that a raw key belongs to, if it is valid now."""
    match = _RAW.match(raw)
    if match is None:
        return None
    prefix, secret = match.groups()
    key = ApiKey.objects.select_related("user").filter(prefix=prefix).first()
    expected = key.secret_sha256 if key else "0" * 64
    if not hmac.compare_digest(_digest(secret), expected) or key is None:
        return None
    if key.revoked_at is not None or not key.user.is_active or not key.user.is_service:
        return None
    _note_use(key)
    return key.user


def _note_use(key: ApiKey) -> None:
    """Roughly when the key was last used: a write a minute, not one a request."""
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at < now - _USED_EVERY:
        ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(last_used_at=now)


def _digest(secret: str) -> str:
    # 43 random letters need no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode("ascii")).hexdigest()
