"""One of each document of the vault."""

from __future__ import annotations

from evidence.formats.vault import Checked, Copy, CopyKind, KmsEnvelope, WormLock, WormReceipt
from sealing.stores.base import LockMode
from sealing.wrapping.base import Mode

BUNDLE = "evidence_20260202T093000Z_0a1b2c3d"
DIGEST, OTHER = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
AT, UNTIL = "2026-02-02T09:30:00.250000Z", "2032-02-03T09:30:00.000000Z"
LOCK = WormLock(
    bundle_id=BUNDLE,
    locked_at=AT,
    retention_policy="hipaa_6y",
    retain_until=UNTIL,
    mode=LockMode.COMPLIANCE,
    package_sha256=DIGEST,
    signature_path=f"{BUNDLE}.zip.sig",
    legal_holds=("case-1", "case-2"),
)
ENVELOPE = KmsEnvelope(
    bundle_id=BUNDLE,
    created_at=AT,
    kms_key_id="alias/vault",
    digest=DIGEST,
    wrapped_digest=b"\x00\xffdigest",
    wrapped_key=b"\x01key",
    algorithm="SYMMETRIC_DEFAULT",
    mode=Mode.AWS_KMS,
    provider="aws-kms",
    key_version="arn:aws:kms:eu-central-1:1:key/2",
    request_id="r-1",
)
CHECKED = Checked(
    at=AT,
    sha256=DIGEST,
    size_bytes=1234,
    version_id="v1",
    mode=LockMode.COMPLIANCE,
    lock_until=UNTIL,
    legal_hold=False,
    replication="COMPLETED",
)
IN_S3 = Copy(
    kind=CopyKind.S3,
    provider="s3",
    archive_id="vault-bucket",
    object_key=f"clinic-001/2026/02/02/{BUNDLE}/{BUNDLE}.zip",
    version_id="v1",
    mode=LockMode.COMPLIANCE,
    lock_until=UNTIL,
    request_id=None,
    package_sha256=DIGEST,
    object_sha256=DIGEST,
    checked=CHECKED,
)
EXTERNAL = Copy(
    kind=CopyKind.EXTERNAL,
    provider="reference-archive",
    archive_id="a-1",
    object_key="objects/1",
    version_id=None,
    mode=None,
    lock_until=UNTIL,
    request_id="r-2",
    package_sha256=DIGEST,
    object_sha256=DIGEST,
    checked=None,
)
RECEIPT = WormReceipt(BUNDLE, AT, DIGEST, (IN_S3, EXTERNAL))
DOCUMENTS = {"lock": LOCK, "envelope": ENVELOPE, "receipt": RECEIPT}
