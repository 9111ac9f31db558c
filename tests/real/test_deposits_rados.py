"""Deposits in a vault on Ceph's gateway, which enforces Object Lock: locked, held, let go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from audit.events import Actor
from audit.models import LegalHold
from audit.services import holds
from evidence.services.vault import depositing, locks
from evidence.services.vault.auditing import audit_vault
from evidence.services.vault.base import of_bytes
from sealing.results import Verdict
from tests.api.artifacts import RAW, keep
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.evidence import deposits, vaults
from tests.services.evidence.deposits import FOLDER, NAME

pytestmark = [pytest.mark.real, pytest.mark.django_db, pytest.mark.xdist_group("rados")]
SYSTEM = Actor.system("tests")
UNTIL = datetime(2040, 1, 1, tzinfo=UTC)


@pytest.fixture
def bucket(settings: Any, rados_bucket: Bucket) -> Bucket:
    """A bucket of the gateway that is the vault."""
    vaults.configure(settings, rados_bucket)
    return rados_bucket


def versions(bucket: Bucket) -> list[dict[str, str]]:
    """Every version below the deposit's folder, as the server lists it."""
    found = bucket.client.list_object_versions(Bucket=bucket.name, Prefix=f"vault/{FOLDER}/")
    return [
        {"Bucket": bucket.name, "Key": item["Key"], "VersionId": item["VersionId"]}
        for item in found["Versions"]
    ]


def test_a_deposit_is_locked_held_and_let_go(world: World, bucket: Bucket) -> None:
    client, deposit = bucket.client, deposits.put("s3")
    depositing.add(deposit, of_bytes(f"{NAME}.countersigned.pdf", b"twice"))
    assert len(versions(bucket)) == 5
    for version in versions(bucket):
        lock = client.get_object_retention(**version)["Retention"]
        assert (lock["Mode"], lock["RetainUntilDate"]) == ("COMPLIANCE", UNTIL)
        with pytest.raises(ClientError, match=r"AccessDenied|InvalidRequest"):
            client.delete_object(**version, BypassGovernanceRetention=True)
    holds.place(actor=world.actor("olivia"), case_id="case 7", reason="Asked for")
    assert locks.apply_holds(actor=SYSTEM).changed == (NAME,)
    assert {client.head_object(**version)["ObjectLockLegalHoldStatus"]
            for version in versions(bucket)} == {"ON"}  # fmt: skip
    depositing.add(deposit, of_bytes(f"{NAME}.countersigned.pdf.sig", b"sig"))
    assert deposits.in_store(deposit) == {(UNTIL, True)}
    holds.release(actor=world.actor("olivia"), hold=LegalHold.objects.get(), reason="Over")
    assert locks.apply_holds(actor=SYSTEM).changed == (NAME,)
    assert deposits.in_store(deposit) == {(UNTIL, False)}
    audit = audit_vault(actor=SYSTEM)
    assert (audit.verdict, audit.findings, audit.notices) == (Verdict.VALID, [], [])


def test_an_artefact_is_kept_and_read_back(world: World, bucket: Bucket) -> None:
    artifact = keep(world)
    assert depositing.read(artifact.deposit, artifact.file_name) == RAW
    assert audit_vault(actor=SYSTEM).verdict is Verdict.VALID
