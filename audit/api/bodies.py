"""What is sent to have the log verified, and what comes back."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from access.api.serializers import StrictSerializer
from audit.models import Storage, VerificationRequest
from audit.services.archive_verification import configured_locks
from audit.verifying import LockPolicy
from sealing.stores.base import LockMode

MAX_LOCK_DAYS = 36_500
_DAY = re.compile(r"(\d{4})([/-])(\d\d)\2(\d\d)\Z", re.ASCII)
_NOT_CONFIGURED = "This installation verifies only the archive that its settings name."


@extend_schema_field(OpenApiTypes.DATE)
class DayField(serializers.Field[date, str, str, date]):
    """A UTC day, YYYY-MM-DD or YYYY/MM/DD."""

    def to_internal_value(self, data: Any) -> date:
        """The day."""
        found = _DAY.match(data) if isinstance(data, str) else None
        if found is None:
            raise serializers.ValidationError("A day is expected, such as 2025-10-24.")
        try:
            return date(int(found[1]), int(found[3]), int(found[4]))
        except ValueError as error:
            raise serializers.ValidationError("There is no such day.") from error

    def to_representation(self, value: date) -> str:
        """As ISO 8601 writes it."""
        return value.isoformat()


class VerifyLogBody(StrictSerializer):
    """Which copy of the log is verified, and which days of it.

    `path`, `bucket` and `prefix` may be given to say what is meant; they must be those of the
    settings, since nothing else of the server's is read here. Object Lock is compared with what
    the settings ask for unless a mode or days are given.
    """

    storage = serializers.ChoiceField([str(kind) for kind in Storage])
    path = serializers.CharField(max_length=1024, required=False)
    bucket = serializers.CharField(max_length=255, required=False)
    prefix = serializers.CharField(max_length=1024, required=False, allow_blank=True)
    start = DayField(required=False, allow_null=True, default=None)
    end = DayField(required=False, allow_null=True, default=None)
    object_lock_mode = serializers.CharField(max_length=16, required=False)
    object_lock_days = serializers.IntegerField(
        min_value=1, max_value=MAX_LOCK_DAYS, required=False
    )

    def validate_object_lock_mode(self, value: str) -> str:
        """Governance or compliance, in any case of letters."""
        try:
            return str(LockMode(value.lower()))
        except ValueError as error:
            raise serializers.ValidationError("Either governance or compliance.") from error

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the service. Each refusal names its field."""
        storage = Storage(attrs["storage"])
        errors = _foreign(storage, attrs)
        if errors:
            raise serializers.ValidationError(errors)
        return {
            "storage": storage,
            "start_day": attrs["start"],
            "end_day": attrs["end"],
            "locks": _locks(storage, attrs),
        }


class VerifyLogAnswer(serializers.Serializer[Any]):
    """What a verification came to."""

    ok = serializers.BooleanField()
    verdict = serializers.ChoiceField(["VALID", "INVALID", "INCONCLUSIVE"])
    checked_events = serializers.IntegerField()
    first_bad_seq = serializers.IntegerField(allow_null=True)
    message = serializers.CharField()


class VerificationProgress(serializers.Serializer[Any]):
    """How far it is."""

    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    unit = serializers.CharField()


class VerificationRequestAnswer(serializers.Serializer[Any]):
    """A verification that the worker carries out."""

    id = serializers.IntegerField()
    status = serializers.ChoiceField(VerificationRequest.Status.choices)
    storage = serializers.ChoiceField([str(kind) for kind in Storage])
    start = serializers.DateField(allow_null=True)
    end = serializers.DateField(allow_null=True)
    progress = VerificationProgress()
    error_message = serializers.CharField(allow_null=True)
    result = VerifyLogAnswer(allow_null=True)


def _foreign(storage: Storage, attrs: dict[str, Any]) -> dict[str, list[str]]:
    """What was named and is not what the settings name, by field.

    The answer is the same whether or not there is such a thing.
    """
    errors: dict[str, list[str]] = {}
    belongs = {
        "path": Storage.LOCAL,
        "bucket": Storage.S3,
        "prefix": Storage.S3,
        "object_lock_mode": Storage.S3,
        "object_lock_days": Storage.S3,
    }
    for field, wanted in belongs.items():
        if field in attrs and storage is not wanted:
            errors[field] = [f"Only where storage is {wanted}."]
    configured = {
        "path": str(settings.AUDIT_STORAGE_PATH).rstrip("/"),
        "bucket": settings.AUDIT_S3_BUCKET,
        "prefix": settings.AUDIT_S3_PREFIX.strip("/"),
    }
    for field, known in configured.items():
        given = attrs.get(field)
        if field in errors or given is None:
            continue
        cut = {"path": given.rstrip("/"), "prefix": given.strip("/")}.get(field, given)
        if cut != known:
            errors[field] = [_NOT_CONFIGURED]
    return errors


def _locks(storage: Storage, attrs: dict[str, Any]) -> LockPolicy | None:
    policy = configured_locks(storage)
    if policy is None:
        return None
    mode, days = attrs.get("object_lock_mode"), attrs.get("object_lock_days")
    return LockPolicy(LockMode(mode) if mode else policy.mode, days or policy.days)
