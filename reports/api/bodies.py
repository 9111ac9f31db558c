"""Parameters and bodies of requests about packets, and what is answered."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from access.api.serializers import MomentField, StrictSerializer
from evidence.api.serializers import VerdictAnswer
from ops.models import RunStatus
from reports.models import Framework, PacketStatus
from reports.services.serving import DocumentFormat

MAX_REVISION = 32_767
_CLIENT = 64
_MOMENT = 40
_NAME = 160
_NOTE = 1000


class SingleValues(StrictSerializer):
    """The parameters of an address, each at most once, and none of them empty.

    An empty one would be taken for one that is not there: another client's packet, say.
    """

    def to_internal_value(self, data: Any) -> Any:
        """The validated values."""
        errors = {
            name[:100]: ["Once only." if len(data.getlist(name)) > 1 else "Not empty."]
            for name in data
            if data.getlist(name) == [""] or len(data.getlist(name)) > 1
        }
        if errors:
            raise serializers.ValidationError(errors)
        return super().to_internal_value(data)


class PacketQuery(SingleValues):
    """Which packet is asked for, and in which form."""

    startDate = serializers.CharField(max_length=_MOMENT)  # noqa: N815 - as addresses have it
    endDate = serializers.CharField(max_length=_MOMENT)  # noqa: N815
    format = serializers.ChoiceField(
        choices=[str(item) for item in DocumentFormat], required=False, default="json"
    )
    client_id = serializers.CharField(max_length=_CLIENT, required=False, default=None)
    revision = serializers.IntegerField(
        min_value=1, max_value=MAX_REVISION, required=False, default=None
    )


class ListQuery(SingleValues):
    """What a list of packets is narrowed by; `cursor` and `page_size` are the pagination's."""

    framework = serializers.ChoiceField(choices=Framework.values, required=False)
    client_id = serializers.CharField(max_length=_CLIENT, required=False)
    status = serializers.ChoiceField(choices=PacketStatus.values, required=False)
    since = MomentField(required=False)
    cursor = serializers.CharField(max_length=4000, required=False)
    page_size = serializers.CharField(max_length=40, required=False)


class PacketBody(StrictSerializer):
    """A packet that shall be made; with `revise`, another revision of one that is there."""

    client_id = serializers.CharField(
        max_length=_CLIENT, required=False, allow_null=True, default=None
    )
    startDate = serializers.CharField(max_length=_MOMENT)  # noqa: N815
    endDate = serializers.CharField(max_length=_MOMENT)  # noqa: N815
    revise = serializers.BooleanField(required=False, default=False)
    reason = serializers.CharField(max_length=_NOTE, required=False, allow_blank=True, default="")


class PacketCountersignBody(StrictSerializer):
    """With which key the caller countersigns; the password is asked for again."""

    signer = serializers.CharField(max_length=256, required=False, allow_null=True, default=None)
    signing_key_id = serializers.CharField(max_length=128)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    meaning = serializers.CharField(max_length=200, required=False)
    note = serializers.CharField(max_length=_NOTE, required=False, allow_blank=True, default="")


class PacketVerifyBody(StrictSerializer):
    """Which packet to verify, by its name."""

    packet = serializers.CharField(max_length=_NAME)
    require_countersign = serializers.BooleanField(required=False, default=False)


class PacketUploadBody(StrictSerializer):
    """Files of a packet, any of them, to be verified and forgotten."""

    json = serializers.FileField(required=False, allow_empty_file=True)
    json_sig = serializers.FileField(required=False, allow_empty_file=True)
    pdf = serializers.FileField(required=False, allow_empty_file=True)
    pdf_sig = serializers.FileField(required=False, allow_empty_file=True)
    countersigned = serializers.FileField(required=False, allow_empty_file=True)
    countersigned_sig = serializers.FileField(required=False, allow_empty_file=True)
    require_countersign = serializers.BooleanField(required=False, default=False)


class PacketRunAnswer(serializers.Serializer[Any]):
    """A run that makes the packet and goes on."""

    run_id = serializers.CharField()
    status = serializers.ChoiceField(choices=RunStatus.values)


class AuditPeriodAnswer(serializers.Serializer[Any]):
    """A half-open period: the end is not part of it."""

    startDate = serializers.CharField()  # noqa: N815
    endDate = serializers.CharField()  # noqa: N815


class PacketPersonAnswer(serializers.Serializer[Any]):
    """A person."""

    person = serializers.CharField()
    name = serializers.CharField()


class PacketFileAnswer(serializers.Serializer[Any]):
    """A file of a packet, and where it can be fetched."""

    name = serializers.CharField()
    size_bytes = serializers.IntegerField(allow_null=True)
    sha256 = serializers.CharField()
    media_type = serializers.CharField()
    url = serializers.CharField()


class PacketCountersignatureAnswer(PacketPersonAnswer):
    """The second signature."""

    signer = serializers.CharField()
    signing_key_id = serializers.CharField()
    signed_at = serializers.CharField()
    meaning = serializers.CharField()
    note = serializers.CharField()
    pdf_sha256 = serializers.CharField()


class PacketAnswer(serializers.Serializer[Any]):
    """A packet: what it is about, where its making stands, and its files."""

    name = serializers.CharField()
    framework = serializers.CharField()
    client_id = serializers.CharField(allow_null=True)
    auditPeriod = AuditPeriodAnswer()  # noqa: N815
    period_was_over = serializers.BooleanField()
    revision = serializers.IntegerField()
    reason = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=PacketStatus.values)
    run_id = serializers.CharField(allow_null=True)
    maker = PacketPersonAnswer(allow_null=True)
    generated_at = serializers.CharField()
    tree_size = serializers.IntegerField()
    signing_key_id = serializers.CharField()
    json_sha256 = serializers.CharField(allow_null=True)
    pdf_sha256 = serializers.CharField(allow_null=True)
    required_countersignatures = serializers.IntegerField()
    countersignature = PacketCountersignatureAnswer(allow_null=True)
    retention_policy = serializers.CharField()
    retain_until = serializers.CharField()
    vault_folder = serializers.CharField(allow_null=True)
    timestamp_status = serializers.CharField(allow_null=True)
    summary = serializers.DictField()
    files = PacketFileAnswer(many=True)
    error_code = serializers.CharField(allow_null=True)
    error_message = serializers.CharField(allow_null=True)
    verify_url = serializers.CharField()


class PacketPage(serializers.Serializer[Any]):
    """A page of packets."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = PacketAnswer(many=True)


class PacketVerifyAnswer(VerdictAnswer):
    """The outcome of a verification: of each part, whether it was checked and whether it holds."""

    packet_id = serializers.CharField(allow_null=True)
    json_sha256 = serializers.CharField(allow_null=True)
    pdf_sha256 = serializers.CharField(allow_null=True)
    document_checked = serializers.BooleanField()
    document_valid = serializers.BooleanField()
    pdf_checked = serializers.BooleanField()
    pdf_valid = serializers.BooleanField()
    countersigner = serializers.CharField(allow_null=True)
    not_checked = serializers.ListField(child=serializers.CharField())
