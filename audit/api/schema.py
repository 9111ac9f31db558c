"""What the audit addresses answer, for the OpenAPI description."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers


class Body(serializers.Serializer[Any]):
    """The root of the descriptions: they are never used to parse or render."""


class EventActor(Body):
    """Who acted."""

    id = serializers.CharField(max_length=256)
    person = serializers.CharField(required=False)


class EventObject(Body):
    """What it was done to."""

    type = serializers.CharField(max_length=64)
    id = serializers.CharField(max_length=512)


class SentEvent(Body):
    """An event as a service account sends it."""

    id = serializers.UUIDField()
    type = serializers.RegexField(r"^[A-Za-z0-9_.-]{1,128}$")
    occurred_at = serializers.DateTimeField()
    actor = EventActor()
    client_id = serializers.CharField(required=False, allow_null=True, max_length=64)
    object = EventObject(required=False, allow_null=True)
    outcome = serializers.ChoiceField(["success", "failure", "denied"])
    request_id = serializers.CharField(required=False, allow_null=True, max_length=128)
    source = serializers.DictField(  # type: ignore[assignment]
        required=False, allow_null=True
    )
    data = serializers.JSONField(  # type: ignore[assignment]
        required=False, allow_null=True
    )
    redacted = serializers.ListField(child=serializers.CharField(), required=False)


class Event(SentEvent):
    """An event as it was hashed."""

    recorder = serializers.CharField()


class Line(Body):
    """A line of the log."""

    v = serializers.IntegerField()
    seq = serializers.IntegerField()
    sealed_at = serializers.DateTimeField()
    prev_hash = serializers.CharField()
    event = Event()
    hash = serializers.CharField()


class LinePage(Body):
    """A page of lines, newest first."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = Line(many=True)


class Ingested(Body):
    """What became of the events that were sent."""

    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    first_seq = serializers.IntegerField(allow_null=True)
    last_seq = serializers.IntegerField(allow_null=True)
    head = serializers.CharField()


class Proof(Body):
    """That an event is in the tree that a checkpoint signs."""

    seq = serializers.IntegerField()
    tree_size = serializers.IntegerField()
    leaf_hash = serializers.CharField()
    hashes = serializers.ListField(child=serializers.CharField())
    checkpoint = serializers.CharField()


class Consistency(Body):
    """That one tree extends another."""

    hashes = serializers.ListField(child=serializers.CharField())


class CheckpointState(Body):
    """A checkpoint, in short."""

    size = serializers.IntegerField()
    signed_at = serializers.DateTimeField()


class VerificationState(Body):
    """A verification, in short."""

    finished_at = serializers.DateTimeField()
    verdict = serializers.CharField()
    end_seq = serializers.IntegerField()
    first_bad_seq = serializers.IntegerField(allow_null=True)


class ArchiverStanding(Body):
    """Whether the archiver works."""

    state = serializers.ChoiceField(["running", "paused"])
    paused_at = serializers.DateTimeField(allow_null=True)
    paused_by = serializers.CharField(allow_null=True)
    pause_reason = serializers.CharField(allow_null=True)
    is_failing = serializers.BooleanField()
    last_error = serializers.CharField(allow_null=True)
    last_succeeded_at = serializers.DateTimeField(allow_null=True)
    last_failed_at = serializers.DateTimeField(allow_null=True)


class LastArchived(Body):
    """The newest segment of the archive."""

    seq = serializers.IntegerField()
    object_key = serializers.CharField()
    archived_at = serializers.DateTimeField()


class RelayStanding(Body):
    """How far a stream has come."""

    topic = serializers.CharField()
    next_seq = serializers.IntegerField()
    behind_events = serializers.IntegerField()
    sent_at = serializers.DateTimeField(allow_null=True)
    is_failing = serializers.BooleanField()
    last_error = serializers.CharField(allow_null=True)


class SnowflakeStanding(Body):
    """How far Snowflake can load: it is fed from the archive."""

    available_through_seq = serializers.IntegerField(allow_null=True)
    behind_events = serializers.IntegerField()


class TimestampStanding(Body):
    """Whether the timestamp authority answers."""

    is_configured = serializers.BooleanField()
    failing_since = serializers.DateTimeField(allow_null=True)


class KmsKeyCount(Body):
    """How many archived segments one KMS key encrypts."""

    kms_key_id = serializers.CharField(allow_null=True)
    segments = serializers.IntegerField()


class Status(Body):
    """How the log, its archive and its streams stand."""

    origin = serializers.CharField()
    size = serializers.IntegerField()
    head = serializers.CharField()
    last_sealed_at = serializers.DateTimeField(allow_null=True)
    unsealed = serializers.IntegerField()
    oldest_unsealed_at = serializers.DateTimeField(allow_null=True)
    set_aside = serializers.IntegerField()
    last_checkpoint = CheckpointState(allow_null=True)
    last_verified = VerificationState(allow_null=True)
    last_verified_archive = VerificationState(allow_null=True)
    unarchived = serializers.IntegerField()
    oldest_unarchived_at = serializers.DateTimeField(allow_null=True)
    oldest_unarchived_seconds = serializers.FloatField()
    last_archived = LastArchived(allow_null=True)
    archiver = ArchiverStanding()
    object_lock_mismatches = serializers.IntegerField()
    relay = RelayStanding(many=True)
    snowflake = SnowflakeStanding()
    timestamps = TimestampStanding()
    kms_keys = KmsKeyCount(many=True)


def _query(name: str, description: str, kind: type = str) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=description)


LIST_PARAMETERS = [
    _query("type", "Only events of exactly this type."),
    _query("actor", "Only events of this actor, such as user:alice."),
    _query("client_id", "Only events of this client."),
    _query("object_id", "Only events about the object of this id."),
    _query("outcome", "success, failure or denied."),
    _query("since", "Occurred at or after this time (RFC 3339, with an offset)."),
    _query("until", "Occurred before this time."),
    _query("q", "Only events whose id, actor or object is exactly this."),
    _query("cursor", "As `next` or `previous` of another page gave it."),
    _query("page_size", "1 to 500 events.", int),
]
INGEST_PARAMETERS = [
    _query("profile", "Whose records they are: `cloudtrail`; without it our own events."),
    _query("client_id", "The client of events that name none."),
]
