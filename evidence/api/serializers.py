"""Bodies of requests and answers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from access.api.serializers import MomentField, StrictSerializer
from evidence.formats.manifest import MAX_COUNTERSIGNATURES
from evidence.services.countersigning import MEANING

_PATH = 256
_SECRET = 4096


class ExportBody(StrictSerializer):
    """What a package shall hold and how it is signed."""

    client_id = serializers.CharField(max_length=64, required=False, allow_null=True, default=None)
    period_start = MomentField()
    period_end = MomentField()
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=128), required=False, allow_null=True, default=None
    )
    package_prefix = serializers.CharField(max_length=40, required=False)
    sign_bundle = serializers.BooleanField(required=False)
    signer = serializers.CharField(max_length=256, required=False, allow_null=True, default=None)
    signing_key_id = serializers.CharField(
        max_length=128, required=False, allow_null=True, default=None
    )
    retention_policy = serializers.CharField(max_length=64, required=False)
    vault_mode = serializers.CharField(max_length=32, required=False)
    kms_key_id = serializers.CharField(
        max_length=512, required=False, allow_null=True, default=None
    )
    external_require_success = serializers.BooleanField(required=False)
    required_countersignatures = serializers.IntegerField(
        min_value=0,
        max_value=MAX_COUNTERSIGNATURES,
        required=False,
        allow_null=True,
        default=None,
    )
    external_worm = serializers.BooleanField(required=False, default=False)
    external_kms = serializers.BooleanField(required=False, default=False)
    note = serializers.CharField(max_length=1000, required=False, allow_blank=True, default="")


class CountersignBody(StrictSerializer):
    """Who countersigns what, with which key; the password is asked for again."""

    package_path = serializers.CharField(max_length=_PATH)
    signer = serializers.CharField(max_length=256)
    signing_key_id = serializers.CharField(max_length=128)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    countersign_path = serializers.CharField(
        max_length=_PATH, required=False, allow_null=True, default=None
    )
    signing_secret = serializers.CharField(
        max_length=_SECRET, required=False, allow_null=True, trim_whitespace=False, default=None
    )
    note = serializers.CharField(max_length=1000, required=False, allow_blank=True, default="")
    meaning = serializers.CharField(max_length=200, required=False, default=MEANING)


class VerifyBody(StrictSerializer):
    """Which package to verify, by its name."""

    package_path = serializers.CharField(max_length=_PATH)
    signature_path = serializers.CharField(
        max_length=_PATH, required=False, allow_null=True, default=None
    )
    countersign_path = serializers.CharField(
        max_length=_PATH, required=False, allow_null=True, default=None
    )
    require_countersign = serializers.BooleanField(required=False, default=False)
    signing_secret = serializers.CharField(
        max_length=_SECRET, required=False, allow_null=True, trim_whitespace=False, default=None
    )


class UploadBody(StrictSerializer):
    """A package and its sidecars, to be verified and forgotten."""

    package = serializers.FileField(allow_empty_file=True)
    sig = serializers.FileField(required=False, allow_empty_file=True)
    signature = serializers.FileField(required=False, allow_empty_file=True)
    countersign = serializers.FileField(required=False, allow_empty_file=True)
    timestamp = serializers.FileField(required=False, allow_empty_file=True)
    require_countersign = serializers.BooleanField(required=False, default=False)
    signing_secret = serializers.CharField(
        max_length=_SECRET, required=False, trim_whitespace=False, default=None
    )


class FileAnswer(serializers.Serializer[Any]):
    """A member of a package."""

    name = serializers.CharField()
    relative_path = serializers.CharField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    media_type = serializers.CharField()


class SignatureAnswer(serializers.Serializer[Any]):
    """The service's signature."""

    signer = serializers.CharField()
    signing_key_id = serializers.CharField()
    algorithm = serializers.CharField()
    signed_at = serializers.CharField()
    digest = serializers.CharField()


class PeriodAnswer(serializers.Serializer[Any]):
    """A half-open period."""

    start = serializers.CharField()
    end = serializers.CharField()


class MakerAnswer(serializers.Serializer[Any]):
    """Who made a package."""

    person = serializers.CharField()
    name = serializers.CharField()


class PackageAnswer(serializers.Serializer[Any]):
    """A package."""

    bundle_id = serializers.CharField()
    client_id = serializers.CharField(allow_null=True)
    status = serializers.CharField()
    period = PeriodAnswer()
    maker = MakerAnswer()
    note = serializers.CharField()
    retention_policy = serializers.CharField()
    vault_mode = serializers.CharField()
    generated_at = serializers.CharField()
    package_path = serializers.CharField()
    package_sha256 = serializers.CharField(allow_null=True)
    size_bytes = serializers.IntegerField(allow_null=True)
    events = serializers.IntegerField(allow_null=True)
    signature_enabled = serializers.BooleanField()
    signature = SignatureAnswer(allow_null=True)
    required_countersignatures = serializers.IntegerField()
    countersign_count = serializers.IntegerField()
    files = FileAnswer(many=True)
    downloads = serializers.ListField(child=serializers.CharField())
    error_code = serializers.CharField(allow_null=True)
    error_message = serializers.CharField(allow_null=True)
    verify_url = serializers.CharField()


class PackagePage(serializers.Serializer[Any]):
    """A page of packages."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = PackageAnswer(many=True)


class ExportGoesOn(serializers.Serializer[Any]):
    """An export that takes longer than an answer may."""

    run_id = serializers.CharField()
    status = serializers.CharField()


class ExportAnswer(PackageAnswer):
    """A package that was just made, and what came of vault and external archives."""

    run_id = serializers.CharField()
    timestamp_status = serializers.CharField()
    vault_copy_path = serializers.CharField(allow_null=True)
    vault_worm_lock_path = serializers.CharField(allow_null=True)
    vault_envelope_path = serializers.CharField(allow_null=True)
    external_worm_status = serializers.CharField()
    external_worm_receipt = serializers.JSONField(allow_null=True)
    external_kms_status = serializers.CharField()
    archive_receipt = serializers.JSONField(allow_null=True)


class CountersignAnswer(serializers.Serializer[Any]):
    """The countersign file after the entry."""

    package_path = serializers.CharField()
    package_sha256 = serializers.CharField()
    countersign_path = serializers.CharField()
    entry_count = serializers.IntegerField()
    last_entry = serializers.JSONField()


class IssueAnswer(serializers.Serializer[Any]):
    """Something that stands in the way of VALID."""

    code = serializers.CharField()
    message = serializers.CharField()
    where = serializers.CharField(allow_null=True)


class VerdictAnswer(serializers.Serializer[Any]):
    """What every verification tells: of each part, whether it was checked and whether it holds."""

    signature_checked = serializers.BooleanField()
    signature_valid = serializers.BooleanField()
    countersign_checked = serializers.BooleanField()
    countersign_valid = serializers.BooleanField()
    timestamp_checked = serializers.BooleanField()
    timestamp_valid = serializers.BooleanField()
    proofs_checked = serializers.BooleanField()
    proofs_valid = serializers.BooleanField()
    verdict = serializers.ChoiceField(choices=["VALID", "INVALID", "INCONCLUSIVE"])
    issues = IssueAnswer(many=True)
    message = serializers.CharField()


class VerifyAnswer(VerdictAnswer):
    """The outcome of a verification."""

    package_path = serializers.CharField()
    package_exists = serializers.BooleanField()
    package_sha256 = serializers.CharField(allow_null=True)
    manifest_exists = serializers.BooleanField()
    manifest_valid = serializers.BooleanField()
    countersign_count = serializers.IntegerField()
    mac_checked = serializers.BooleanField()
    mac_valid = serializers.BooleanField()
