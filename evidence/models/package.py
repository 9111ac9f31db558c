"""Packages, their signatures and countersignatures."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from access.models import Client, Person, User
from audit.models import SigningKey
from evidence.formats import names
from evidence.formats.contents import VaultMode
from ops.models import Run


class PackageStatus(models.TextChoices):
    """Where an export stands. Complete and failed are final."""

    WRITING = "writing", "Being written"
    COMPLETE = "complete", "Complete"
    FAILED = "failed", "Failed"


class Package(models.Model):
    """An evidence package: first the plan of an export, then the record of its outcome.

    What shapes the bytes (id, period, size of the log, checkpoint, key) is stored before
    anything is written, so that an export taken up again after a crash gives the same bytes.
    Triggers keep it unchanged; once the export has ended, everything else as well.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bundle_id = models.CharField(max_length=80, unique=True)
    client = models.ForeignKey(
        Client, models.PROTECT, null=True, blank=True, related_name="packages"
    )
    maker = models.ForeignKey(Person, models.PROTECT, related_name="packages_made")
    maker_account = models.ForeignKey(User, models.PROTECT, related_name="packages_made")
    period_start = models.DateTimeField("period from")
    period_end = models.DateTimeField("period up to")
    event_types = models.JSONField(null=True, blank=True)
    package_prefix = models.CharField(max_length=40)
    # The run that makes it; null for packages from before there were runs.
    run = models.OneToOneField(Run, models.PROTECT, null=True, blank=True, related_name="package")
    retention_policy = models.CharField(max_length=64)
    # When the vault may let go of it at the earliest; null where it has no vault.
    retain_until = models.DateTimeField(null=True, blank=True)
    vault_mode = models.CharField(
        max_length=16, choices=[(item.value, item.value) for item in VaultMode]
    )
    kms_key_id = models.CharField(max_length=512, blank=True)
    external_worm = models.BooleanField("external archive asked for", default=False)
    external_kms = models.BooleanField("external key service asked for", default=False)
    external_require_success = models.BooleanField(
        "external services have to succeed", default=False
    )
    note = models.CharField(max_length=1000, blank=True)
    required_signatures = models.PositiveSmallIntegerField()
    required_countersignatures = models.PositiveSmallIntegerField()
    signing_key = models.ForeignKey(
        SigningKey, models.PROTECT, null=True, related_name="packages_planned"
    )
    generated_at = models.DateTimeField("generated")
    tree_size = models.BigIntegerField("events in the whole log")
    checkpoint = models.TextField()
    pending_at_export = models.BigIntegerField("events not sealed at export")
    set_aside_at_export = models.BigIntegerField("events set aside at export")
    # Expected against finished runs, archive and checkpoints, as they stood then.
    observed = models.JSONField(default=dict)
    created_at = models.DateTimeField("made", db_default=Now(), editable=False)

    status = models.CharField(
        max_length=16, choices=PackageStatus.choices, default=PackageStatus.WRITING
    )
    package_sha256 = models.CharField(max_length=71, blank=True)
    size_bytes = models.BigIntegerField(null=True)
    event_count = models.BigIntegerField("events", null=True)
    manifest_sha256 = models.CharField(max_length=71, blank=True)
    files = models.JSONField(default=list)
    # ``OK``, ``FAILED: …``, ``SKIPPED`` or ``DISABLED``.
    external_worm_status = models.CharField(max_length=400, blank=True, default="")
    external_kms_status = models.CharField(max_length=400, blank=True, default="")
    timestamp_status = models.CharField(max_length=400, blank=True, default="")
    completed_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.CharField(max_length=1000, blank=True)

    # How many entries the countersign file is known to hold. Fewer than there are rows means
    # that writing it was interrupted, and that it may be written again from the rows.
    countersign_file_entries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = "package"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["id", "maker"], name="evidence_package_id_maker"),
            models.CheckConstraint(
                condition=Q(period_start__lt=F("period_end")), name="evidence_package_period"
            ),
            models.CheckConstraint(
                condition=Q(required_signatures__lte=1), name="evidence_package_signatures"
            ),
            models.CheckConstraint(
                condition=(
                    Q(status="writing", package_sha256="", error_code="")
                    | Q(status="failed", package_sha256="", completed_at__isnull=False)
                    & ~Q(error_code="")
                    | Q(
                        status="complete",
                        package_sha256__startswith="sha256:",
                        size_bytes__isnull=False,
                        completed_at__isnull=False,
                        error_code="",
                    )
                ),
                name="evidence_package_outcome",
            ),
        ]
        indexes = [
            models.Index(fields=["client", "-created_at"], name="evidence_package_by_client"),
            models.Index(
                fields=["-created_at"],
                name="evidence_package_unfinished",
                condition=~Q(status="complete"),
            ),
        ]

    def __str__(self) -> str:
        return self.bundle_id

    @property
    def name(self) -> names.PackageName:
        """Where the package's files lie below the package root."""
        return names.PackageName(self.client_id, self.bundle_id)

    @property
    def package_path(self) -> str:
        """``<client or platform>/<bundle_id>.zip``."""
        return self.name.path

    @property
    def is_complete(self) -> bool:
        """Whether the export succeeded."""
        return self.status == PackageStatus.COMPLETE


class Signature(models.Model):
    """The service's signature over a package, as its two sidecars state it."""

    fact_table = True

    package = models.OneToOneField(
        Package, models.PROTECT, primary_key=True, related_name="signature"
    )
    key = models.ForeignKey(SigningKey, models.PROTECT, related_name="package_signatures")
    signer = models.CharField(max_length=256)
    algorithm = models.CharField(max_length=32)
    digest = models.CharField(max_length=71)
    signed_at = models.DateTimeField()
    sig_sha256 = models.CharField(max_length=71)
    signature_sha256 = models.CharField(max_length=71)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "package signature"

    def __str__(self) -> str:
        return f"signature of {self.package_id}"


class CountersignEntry(models.Model):
    """An officer's signed statement about a package.

    The maker's person is copied here, so that the database itself can refuse an entry of the
    maker; composite foreign keys (migration 0001) hold the copy to the package and the person
    to the key.
    """

    fact_table = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    package = models.ForeignKey(Package, models.PROTECT, related_name="countersignatures")
    maker = models.ForeignKey(Person, models.PROTECT, related_name="+")
    number = models.PositiveSmallIntegerField()
    person = models.ForeignKey(Person, models.PROTECT, related_name="countersignatures")
    account = models.ForeignKey(User, models.PROTECT, related_name="countersignatures")
    key = models.ForeignKey(SigningKey, models.PROTECT, related_name="countersignatures")
    signer = models.CharField(max_length=256)
    signed_at = models.DateTimeField()
    digest = models.CharField(max_length=71)
    meaning = models.CharField(max_length=200)
    note = models.CharField(max_length=1000, blank=True)
    nonce = models.CharField(max_length=64)
    previous = models.CharField(max_length=71)
    scheme = models.CharField(max_length=16)
    entry = models.TextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "countersignature"
        ordering = ["package", "number"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(person=F("maker")), name="evidence_countersign_not_maker"
            ),
            models.CheckConstraint(
                condition=Q(number__gte=1), name="evidence_countersign_number_from_one"
            ),
            models.UniqueConstraint(
                fields=["package", "person"], name="evidence_countersign_one_per_person"
            ),
            models.UniqueConstraint(
                fields=["package", "key"], name="evidence_countersign_one_per_key"
            ),
            models.UniqueConstraint(
                fields=["package", "number"], name="evidence_countersign_number"
            ),
        ]

    def __str__(self) -> str:
        return f"countersignature {self.number} of {self.package_id}"
