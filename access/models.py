"""People, their accounts, clients, and who may act for which client."""

from __future__ import annotations

import re
import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, Group, UserManager
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models import Q

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])+)+\Z")
REDACTABLE = ("/data/", "/source/", "/object/")


class Person(models.Model):
    """One human being, who may have several accounts. Two people means two of these.

    Where two were found to be one human, ``merged_into`` says so, once and for ever (triggers see
    to it). Whoever counts people counts by ``access.policy.root_person``.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    display_name = models.CharField(max_length=200)
    merged_into = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="merged",
        verbose_name="is the same human as",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("display_name", "id")
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return self.display_name


class AccountManager(UserManager["User"]):
    """Gives every human's account a person."""

    def _create_user(self, username, email, password, **extra: Any) -> User:  # type: ignore[no-untyped-def]
        with transaction.atomic(using=self.db):
            if not extra.get("is_service") and extra.get("person") is None:
                extra["person"] = Person.objects.using(self.db).create(display_name=username)
            made: User = super()._create_user(username, email, password, **extra)  # type: ignore[misc]
            return made


class User(AbstractUser):
    """An account: of a person, or of a service that acts by API keys.

    Whose account it is never changes (a trigger refuses it): that two people acted is counted by
    persons, and moving an account would rewrite who they were.
    """

    person = models.ForeignKey(
        Person, models.PROTECT, null=True, blank=True, related_name="accounts"
    )
    is_service = models.BooleanField("service account", default=False)
    oidc_subject = models.CharField(
        "subject at the identity provider", max_length=255, null=True, blank=True, unique=True
    )

    objects: ClassVar[AccountManager] = AccountManager()

    class Meta(AbstractUser.Meta):
        verbose_name = "account"
        constraints = [
            models.CheckConstraint(
                name="access_user_person_or_service",
                condition=Q(is_service=True, person__isnull=True)
                | Q(is_service=False, person__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.username


def validate_pointers(value: Any) -> None:
    """A list of JSON pointers (RFC 6901) into the parts of an event that may be redacted."""
    if not isinstance(value, list):
        raise ValidationError("A list of JSON pointers is expected.")
    for pointer in value:
        if not isinstance(pointer, str) or not _POINTER.match(pointer):
            raise ValidationError(f"Not a JSON pointer: {str(pointer)[:100]}")
        if not pointer.startswith(REDACTABLE):
            raise ValidationError(f"Only below {', '.join(REDACTABLE)}: {pointer[:100]}")


class Client(models.Model):
    """Whose evidence it is. The id names folders and stands in events: it never changes."""

    id = models.CharField(
        primary_key=True,
        max_length=64,
        validators=[
            RegexValidator(
                r"^(?!platform$)[a-z0-9][a-z0-9-]{0,62}[a-z0-9]\Z",
                "Small letters, digits and hyphens, 2 to 64 of them; not the word platform.",
            )
        ],
    )
    name = models.CharField(max_length=200)
    redaction_pointers = models.JSONField(default=list, blank=True, validators=[validate_pointers])
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name


class Grant(models.Model):
    """A role for one client, or for all of them. Ended ones stay, with the time."""

    user = models.ForeignKey(User, models.PROTECT, related_name="grants")
    group = models.ForeignKey(Group, models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, models.PROTECT, null=True, blank=True, related_name="grants")
    granted_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                "user",
                "group",
                "client",
                name="access_grant_once",
                condition=Q(revoked_at__isnull=True),
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group.name} for {self.client_id or 'all clients'}"


class ApiKey(models.Model):
    """A service account's key; only its hash is kept."""

    user = models.ForeignKey(User, models.PROTECT, related_name="api_keys")
    prefix = models.CharField(max_length=16, unique=True)
    secret_sha256 = models.CharField(max_length=64)
    label = models.CharField(max_length=200)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.label})"


class TokenSession(models.Model):
    """What a family of tokens belongs to; ending it ends them all at once.

    ``credential_mac`` stands for the password that opened it: a changed password ends it too.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.PROTECT, related_name="token_sessions")
    refresh_jti = models.UUIDField()
    credential_mac = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.user} since {self.created_at:%Y-%m-%d %H:%M}"


class IdempotencyRecord(models.Model):
    """What a write with an `Idempotency-Key` answered, to answer the same again.

    A row without a status belongs to a request that is under way, or that was cut short.
    ``request_mac`` is keyed, since bodies may hold passwords.
    """

    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    key = models.CharField(max_length=200)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=500)
    request_mac = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=("user", "key", "method", "path"), name="access_idempotency_once"
            )
        ]
        indexes = [models.Index(fields=("created_at",), name="access_idempotency_age")]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"
