"""Packets, the certificates of the keys that sign PDFs, and countersignatures."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from access.models import Client, Person, User
from audit.models import SigningKey
from audit.models.log import ClockTimestamp
from evidence.formats.contents import VaultMode
from evidence.models import Deposit
from ops.models import Run
from reports.models.control import Framework


class PacketStatus(models.TextChoices):
    """Where a packet stands. Complete and failed are final."""

    WRITING = "writing", "Being written"
    COMPLETE = "complete", "Complete"
    FAILED = "failed", "Failed"


class Packet(models.Model):
    """A packet: first the plan, then the record of its outcome.

    What shapes the bytes (name, period, size of the log, checkpoint, key) is stored before
    anything is written. Triggers keep it unchanged; once the packet has ended, everything else.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    framework = models.CharField(max_length=16, choices=Framework.choices)
    client = models.ForeignKey(
        Client, models.PROTECT, null=True, blank=True, related_name="packets"
    )
    period_start = models.DateTimeField("period from")
    period_end = models.DateTimeField("period up to")
    revision = models.PositiveSmallIntegerField()
    # ``SOC2_Evidence_<client or platform>_<start>_<last day>[_rN]``: the files' common name.
    name = models.CharField(max_length=160)
    # Why there is a revision after the first.
    reason = models.CharField(max_length=1000, blank=True, default="")
    categories = models.JSONField(default=list)
    # The run that made it; one run may make several.
    run = models.ForeignKey(Run, models.PROTECT, null=True, blank=True, related_name="packets")
    # Who asked for it; null where the schedule did.
    maker = models.ForeignKey(
        Person, models.PROTECT, null=True, blank=True, related_name="packets_made"
    )
    maker_account = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="packets_made"
    )
    signing_key = models.ForeignKey(SigningKey, models.PROTECT, related_name="packets_planned")
    required_countersignatures = models.PositiveSmallIntegerField(default=1)
    retention_policy = models.CharField(max_length=64)
    retain_until = models.DateTimeField()
    vault_mode = models.CharField(
        max_length=16, choices=[(item.value, item.value) for item in VaultMode]
    )
    generated_at = models.DateTimeField("generated")
    tree_size = models.BigIntegerField("events in the whole log")
    checkpoint = models.TextField()
    created_at = models.DateTimeField("made", db_default=ClockTimestamp(), editable=False)

    status = models.CharField(
        max_length=16, choices=PacketStatus.choices, default=PacketStatus.WRITING
    )
    json_sha256 = models.CharField(max_length=71, blank=True, default="")
    json_size_bytes = models.BigIntegerField(null=True)
    pdf_sha256 = models.CharField(max_length=71, blank=True, default="")
    pdf_size_bytes = models.BigIntegerField(null=True)
    # Of the PDF before it was signed: the same for the same facts.
    unsigned_pdf_sha256 = models.CharField(max_length=71, blank=True, default="")
    # The four files: ``{name, size_bytes, sha256, media_type}``.
    files = models.JSONField(default=list)
    # What lists show of it: ``{"controls": {...}, "events": n}``.
    summary = models.JSONField(default=dict)
    timestamp_status = models.CharField(max_length=400, blank=True, default="")
    deposit = models.OneToOneField(
        Deposit, models.PROTECT, null=True, blank=True, related_name="packet"
    )
    completed_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=64, blank=True, default="")
    error_message = models.CharField(max_length=1000, blank=True, default="")

    class Meta:
        verbose_name = "packet"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "framework", "period_start", "period_end", "revision"],
                name="reports_packet_one_per_revision",
                condition=~Q(status="failed"),
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["name"], name="reports_packet_name", condition=~Q(status="failed")
            ),
            models.UniqueConstraint(fields=["id", "maker"], name="reports_packet_id_maker"),
            models.CheckConstraint(
                condition=Q(period_start__lt=F("period_end")), name="reports_packet_period"
            ),
            models.CheckConstraint(
                condition=Q(revision=1) | Q(revision__gt=1) & ~Q(reason=""),
                name="reports_packet_revision_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(maker__isnull=True, maker_account__isnull=True)
                | Q(maker__isnull=False, maker_account__isnull=False),
                name="reports_packet_maker",
            ),
            models.CheckConstraint(
                condition=(
                    Q(status="writing", json_sha256="", completed_at__isnull=True, error_code="")
                    | Q(status="failed", json_sha256="", completed_at__isnull=False)
                    & ~Q(error_code="")
                    | Q(
                        status="complete",
                        json_sha256__startswith="sha256:",
                        pdf_sha256__startswith="sha256:",
                        completed_at__isnull=False,
                        error_code="",
                    )
                    & (Q(deposit__isnull=False) | Q(vault_mode="none"))
                ),
                name="reports_packet_outcome",
            ),
        ]
        indexes = [
            models.Index(fields=["client", "-created_at"], name="reports_packet_by_client"),
            models.Index(fields=["-created_at", "-id"], name="reports_packet_newest"),
            models.Index(fields=["framework", "-period_start"], name="reports_packet_by_period"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_complete(self) -> bool:
        """Whether it was made to its end."""
        return self.status == PacketStatus.COMPLETE

    @property
    def folder(self) -> str:
        """The folder of its files below the package root: the client's, or ``platform``."""
        return self.client_id or "platform"


class Certificate(models.Model):
    """An X.509 certificate over a signing key: what signatures in PDFs carry."""

    fact_table = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.ForeignKey(SigningKey, models.PROTECT, related_name="certificates")
    # The service's key that issued it: its own, or the one that vouches for a person's.
    issuer = models.ForeignKey(SigningKey, models.PROTECT, related_name="certificates_issued")
    pem = models.TextField()
    sha256 = models.CharField(max_length=71, unique=True)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "certificate"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["key", "issuer"], name="reports_certificate_once")
        ]

    def __str__(self) -> str:
        return f"certificate of {self.key_id}"


class PacketCountersignature(models.Model):
    """An officer's signature in the PDF of a packet: its second one.

    The maker's person is copied here, so that the database itself can refuse the maker's.
    """

    fact_table = True

    packet = models.OneToOneField(
        Packet, models.PROTECT, primary_key=True, related_name="countersignature"
    )
    maker = models.ForeignKey(Person, models.PROTECT, null=True, blank=True, related_name="+")
    person = models.ForeignKey(Person, models.PROTECT, related_name="packet_countersignatures")
    account = models.ForeignKey(User, models.PROTECT, related_name="packet_countersignatures")
    key = models.ForeignKey(SigningKey, models.PROTECT, related_name="packet_countersignatures")
    signer = models.CharField(max_length=256)
    signed_at = models.DateTimeField()
    meaning = models.CharField(max_length=200)
    note = models.CharField(max_length=1000, blank=True, default="")
    nonce = models.CharField(max_length=64)
    # What was countersigned, and what came of it.
    json_sha256 = models.CharField(max_length=71)
    first_pdf_sha256 = models.CharField(max_length=71)
    pdf_sha256 = models.CharField(max_length=71)
    pdf_size_bytes = models.BigIntegerField()
    sig_sha256 = models.CharField(max_length=71)
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "countersignature of a packet"
        constraints = [
            models.CheckConstraint(
                condition=Q(maker__isnull=True) | ~Q(person=F("maker")),
                name="reports_countersign_not_maker",
            ),
        ]

    def __str__(self) -> str:
        return f"countersignature of {self.packet_id}"
