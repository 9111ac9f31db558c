"""The vault on a Ceph RADOS Gateway, which keeps its locks, whoever asks."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from audit.events import Actor
from audit.models import LegalHold
from audit.services import holds
from evidence.formats.vault import WormReceipt
from evidence.models import Package
from evidence.services.vault import locks, reading
from evidence.services.vault.auditing import audit_vault
from sealing.results import Verdict
from sealing.stores.base import LockMode, Retention
from sealing.stores.content import Content
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.servers.moto import use_credentials
from tests.servers.rados import RadosServer
from tests.services.evidence import helpers, vaults

pytestmark = [pytest.mark.real, pytest.mark.django_db, pytest.mark.xdist_group("rados")]
PROJECT = Path(__file__).resolve().parents[2]
SYSTEM = Actor.system("tests")
LARGE_BYTES = 96 << 20


@pytest.fixture(params=["none", "local"], ids=["clear", "encrypted"])
def package(
    request: pytest.FixtureRequest, world: World, settings: Any, rados_bucket: Bucket
) -> Package:
    """A package in the gateway's bucket, with a countersignature that came later."""
    settings.EVIDENCE_VAULT_ENCRYPTION = request.param
    vaults.configure(settings, rados_bucket)
    helpers.some_events()
    made: Package = helpers.export(world, vault_mode="s3")
    helpers.countersign(world, made)
    return made


def versions(bucket: Bucket) -> list[dict[str, str]]:
    """Every version in the bucket, by the server's own listing."""
    answer = bucket.client.list_object_versions(Bucket=bucket.name)
    assert "DeleteMarkers" not in answer
    return [
        {"Bucket": bucket.name, "Key": each["Key"], "VersionId": each["VersionId"]}
        for each in answer["Versions"]
    ]


def refused(call: Any, **arguments: Any) -> None:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    assert error.value.response["Error"]["Code"] in ("AccessDenied", "InvalidRequest")


def test_every_version_is_locked_as_the_server_itself_says(
    package: Package, rados_bucket: Bucket
) -> None:
    found = versions(rados_bucket)
    assert len(found) == package.vault_objects.count()
    for version in found:
        lock = rados_bucket.client.get_object_retention(**version)["Retention"]
        assert lock["Mode"] == "COMPLIANCE"
        assert lock["RetainUntilDate"] == package.retain_until
    receipt = WormReceipt.parse(vaults.read(package, ".worm-receipt.json"))
    assert receipt.copies[0].lock_until == receipt.copies[0].checked.lock_until  # type: ignore[union-attr]
    assert b"".join(reading.plaintext(package)) == helpers.file(package).read_bytes()
    audit = audit_vault(actor=SYSTEM)
    assert (audit.verdict, audit.findings, audit.notices) == (Verdict.VALID, [], [])


def test_the_server_refuses_whoever_asks(package: Package, rados_bucket: Bucket) -> None:
    client = rados_bucket.client
    shorter = {"Mode": "COMPLIANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(days=2)}
    weaker = {
        "Mode": "GOVERNANCE",
        "RetainUntilDate": package.retain_until + timedelta(days=9),
    }
    for version in versions(rados_bucket):
        refused(client.delete_object, **version)
        refused(client.delete_object, **version, BypassGovernanceRetention=True)
        for lock in (shorter, weaker):
            refused(client.put_object_retention, **version, Retention=lock)
    assert audit_vault(actor=SYSTEM).verdict is Verdict.VALID


def test_what_the_server_lets_through_is_noticed(package: Package, rados_bucket: Bucket) -> None:
    place = versions(rados_bucket)[0]
    place.pop("VersionId")
    rados_bucket.client.put_object(**place, Body=b"something else")
    rados_bucket.client.delete_object(**place)
    audit = audit_vault(actor=SYSTEM)
    assert (audit.verdict, audit.findings) == (Verdict.VALID, [])
    assert {notice.code for notice in audit.notices} == {
        "vault_version_added",
        "vault_delete_marker",
    }
    assert b"".join(reading.plaintext(package)) == helpers.file(package).read_bytes()


def test_locks_are_extended_and_held(world: World, package: Package, rados_bucket: Bucket) -> None:
    actor, client = world.actor("olivia"), rados_bucket.client
    until = package.retain_until + timedelta(days=400)
    locks.extend(actor=actor, package=package, until=until)
    holds.place(actor=actor, case_id="case 7", reason="Asked for")
    locks.apply_holds(actor=actor)
    for version in versions(rados_bucket):
        assert client.get_object_retention(**version)["Retention"]["RetainUntilDate"] == until
        assert client.head_object(**version)["ObjectLockLegalHoldStatus"] == "ON"
    holds.release(actor=actor, hold=LegalHold.objects.get(), reason="Over")
    locks.apply_holds(actor=actor)
    for version in versions(rados_bucket):
        # What was put after the release never had a hold, and the server says nothing of it.
        assert client.head_object(**version).get("ObjectLockLegalHoldStatus", "OFF") == "OFF"
    assert package.vault_locks.count() == 4
    assert audit_vault(actor=SYSTEM).verdict is Verdict.VALID


def test_the_documented_policy_is_enough(
    world: World, settings: Any, rados_server: RadosServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Export, hold and audit as an identity that owns nothing and has these rights alone."""
    bucket, writer = rados_server.bucket(), rados_server.gateway.user("vault-writer")
    use_credentials(monkeypatch, writer)
    vaults.configure(settings, bucket)
    text = (PROJECT / "docs" / "operators" / "vault.md").read_text()
    (block,) = re.findall(r"<!-- The tests.*?```json\n(.*?)```", text, re.DOTALL)
    policy = json.loads(block.replace("BUCKET", bucket.name))
    for statement in policy["Statement"]:
        statement["Principal"] = {"AWS": ["arn:aws:iam:::user/vault-writer"]}
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))
    package = helpers.export(world, vault_mode="s3")
    holds.place(actor=world.actor("olivia"), case_id="case 7", reason="Asked for")
    assert locks.apply_holds(actor=SYSTEM).failures == ()
    audit = audit_vault(actor=SYSTEM)
    assert (audit.verdict, audit.findings) == (Verdict.VALID, [])
    assert package.vault_locks.count() == 2


def test_a_large_object_is_put_in_one_part_and_keeps_its_lock(
    rados_bucket: Bucket, tmp_path: Path
) -> None:
    """In several parts this server would drop the lock, and say nothing."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        for _ in range(LARGE_BYTES >> 20):
            file.write(os.urandom(1 << 20))
    until = (datetime.now(UTC) + timedelta(days=400)).replace(microsecond=0)
    store = rados_bucket.store()
    with path.open("rb") as file:
        content = Content.of(file)
        stored = store.put_file("large", content, retention=Retention(LockMode.COMPLIANCE, until))
        again = store.put_file("large", content, retention=Retention(LockMode.COMPLIANCE, until))
    assert stored == again
    assert (stored.sha256, stored.size_bytes) == (content.tag, LARGE_BYTES)
    assert stored.retention == Retention(LockMode.COMPLIANCE, until)
    described, blocks = store.opened("large", version_id=stored.version_id)
    assert described.size_bytes == sum(len(block) for block in blocks)
