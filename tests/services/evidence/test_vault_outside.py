"""What outside services answered, in the vault: receipts, and timestamps that came later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.events import Actor, EventType
from evidence.formats.vault import CopyKind, WormReceipt
from evidence.services.vault import reading
from evidence.services.vault.auditing import audit_vault
from sealing import digests
from sealing.results import Verdict
from sealing.times import parse_time
from tests.factories import World
from tests.servers.external import ExternalServer
from tests.servers.ports import free_ports
from tests.servers.tsa import Authority
from tests.services.evidence import helpers, vaults
from tests.services.evidence.helpers import export

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("tests")


@pytest.fixture
def services(external: ExternalServer, settings: Any) -> ExternalServer:
    """An external archive and key service, configured."""
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT = external.archive_url
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT = external.wrap_url
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT = external.unwrap_url
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_AUTH_TOKEN = external.token
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    return external


@pytest.mark.parametrize("mode", ["local", "s3"])
def test_the_receipt_names_every_copy(
    request: pytest.FixtureRequest, world: World, services: ExternalServer, mode: str
) -> None:
    request.getfixturevalue(f"{mode}_vault")
    package = export(world, vault_mode=mode, external_worm=True)
    receipt = WormReceipt.parse(vaults.read(package, ".worm-receipt.json"))
    kinds = [copy.kind for copy in receipt.copies]
    assert kinds == [CopyKind.EXTERNAL, CopyKind.S3][: 2 if mode == "s3" else 1]
    outside = receipt.copies[0]
    kept = package.receipts.get().receipt
    assert (outside.archive_id, outside.object_key) == (kept["archive_id"], kept["object_key"])
    assert parse_time(outside.lock_until) <= parse_time(kept["lock_until"])
    assert outside.checked is None
    assert audit_vault(actor=SYSTEM).verdict is Verdict.VALID


def test_an_envelope_of_an_outside_service_is_unwrapped_by_it(
    world: World, services: ExternalServer, local_vault: Path, settings: Any
) -> None:
    package = export(world, vault_mode="local", external_kms=True)
    found = audit_vault(actor=SYSTEM)
    assert (found.verdict, found.notices) == (Verdict.VALID, [])
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT = ""
    found = audit_vault(actor=SYSTEM)
    assert found.verdict is Verdict.VALID
    assert [notice.code for notice in found.notices] == ["vault_envelope_closed"]
    assert b"".join(reading.plaintext(package)) == helpers.file(package).read_bytes()


def test_a_key_service_that_does_not_answer_leaves_it_open(
    world: World, services: ExternalServer, local_vault: Path, settings: Any
) -> None:
    settings.EVIDENCE_VAULT_ENCRYPTION = "external_kms"
    export(world, vault_mode="local")
    assert audit_vault(actor=SYSTEM).verdict is Verdict.VALID
    (port,) = free_ports(1)
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT = f"http://127.0.0.1:{port}/unwrap"
    found = audit_vault(actor=SYSTEM)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert set(found.counts) == {"vault_envelope_unchecked", "vault_package_unchecked"}


def test_a_timestamp_is_made_up_for(
    world: World, local_vault: Path, settings: Any, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    settings.TSA_URL = f"http://127.0.0.1:{port}"
    package = export(world, vault_mode="local")
    assert package.timestamp_status.startswith("FAILED")
    assert audit_vault(actor=SYSTEM).repaired == []
    with Authority(tmp_path / "authority").serving() as authority:
        (tmp_path / "tsa.pem").write_bytes(authority.certificates)
        settings.TSA_URL, settings.TSA_CERTIFICATES = authority.url, str(tmp_path / "tsa.pem")
        found = audit_vault(actor=SYSTEM)
        assert found.repaired == [f"{package.bundle_id}: timestamp"]
        assert audit_vault(actor=SYSTEM).repaired == []
    assert found.verdict is Verdict.VALID
    token = vaults.read(package, ".tsr")
    assert token == helpers.file(package, ".tsr").read_bytes()
    assert package.timestamp.token_sha256 == digests.sha256_tag(token)
    (event,) = helpers.events_of(EventType.EVIDENCE_PACKAGE_STAMPED, package.bundle_id)
    assert event["data"]["token_sha256"] == package.timestamp.token_sha256
