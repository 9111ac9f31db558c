"""Parameters and bodies of requests about artefacts, and what is answered."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from access.api.serializers import MomentField, StrictSerializer
from evidence.services.submissions import MAX_NOTE, MAX_ORIGIN, MAX_TITLE
from reports.models import Framework
from sealing import digests

# A body of JSON is held in memory: text, a third larger than the bytes that it stands for.
MAX_JSON_BYTES = 4 << 20
_CLIENT = 64
_CONTROL = 40
_FILE_NAME = 255
_MEDIA_TYPE = 255


@extend_schema_field(OpenApiTypes.BYTE)
class Base64Field(serializers.Field[bytes, str, str, bytes]):
    """Bytes in base64 (RFC 4648 §4), with its padding and nothing else in between."""

    def to_internal_value(self, data: Any) -> bytes:
        """The bytes."""
        if not isinstance(data, str):
            raise serializers.ValidationError("Text is expected, in base64.")
        try:
            return digests.unb64(data)
        except digests.DigestRefused as error:
            raise serializers.ValidationError("This is not base64 (RFC 4648 §4).") from error

    def to_representation(self, value: bytes) -> str:
        """As it is sent."""
        return digests.b64(value)


class AboutArtifact(StrictSerializer):
    """What every artefact is handed in with."""

    client_id = serializers.CharField(
        max_length=_CLIENT, required=False, allow_null=True, default=None
    )
    framework = serializers.CharField(max_length=16, required=False, default=Framework.SOC2)
    control = serializers.CharField(max_length=_CONTROL)
    period_start = MomentField()
    period_end = MomentField()
    title = serializers.CharField(max_length=MAX_TITLE)
    origin = serializers.CharField(
        max_length=MAX_ORIGIN, required=False, allow_blank=True, default=""
    )
    note = serializers.CharField(max_length=MAX_NOTE, required=False, allow_blank=True, default="")


class ArtifactUpload(AboutArtifact):
    """A file, and what it is evidence of."""

    file = serializers.FileField(allow_empty_file=True)


class ArtifactBody(AboutArtifact):
    """A small file in JSON."""

    file_name = serializers.CharField(max_length=_FILE_NAME)
    media_type = serializers.CharField(
        max_length=_MEDIA_TYPE, required=False, allow_blank=True, default=""
    )
    content = Base64Field()


class ArtifactQuery(StrictSerializer):
    """What a list of artefacts is narrowed by; `cursor` and `page_size` are the pagination's."""

    client_id = serializers.CharField(max_length=_CLIENT, required=False)
    framework = serializers.CharField(max_length=16, required=False)
    control = serializers.CharField(max_length=_CONTROL, required=False)
    cursor = serializers.CharField(max_length=4000, required=False)
    page_size = serializers.CharField(max_length=40, required=False)


class ArtifactSenderAnswer(serializers.Serializer[Any]):
    """Who handed it in: an account, and whose it is where it is a person's."""

    account = serializers.CharField()
    person = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True)


class ArtifactVaultAnswer(serializers.Serializer[Any]):
    """Where it lies, and until when."""

    mode = serializers.CharField()
    path = serializers.CharField()
    retention_policy = serializers.CharField()
    retain_until = serializers.CharField()
    legal_holds = serializers.ListField(child=serializers.CharField())


class ArtifactAnswer(serializers.Serializer[Any]):
    """An artefact: what it is about, its digest, and where it is kept."""

    id = serializers.CharField()
    client_id = serializers.CharField(allow_null=True)
    framework = serializers.CharField()
    control = serializers.CharField()
    period_start = serializers.CharField()
    period_end = serializers.CharField()
    title = serializers.CharField()
    origin = serializers.CharField()
    note = serializers.CharField()
    file_name = serializers.CharField()
    media_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    received_at = serializers.CharField()
    received_from = ArtifactSenderAnswer()
    vault = ArtifactVaultAnswer()
    content_url = serializers.CharField()


class ArtifactPage(serializers.Serializer[Any]):
    """A page of artefacts."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = ArtifactAnswer(many=True)
