"""Facts that would mislead if counted carelessly: each tells what it says, and no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.events import Actor, EventType
from audit.services import sealing, trail
from evidence.models import Artifact
from evidence.services.vault.auditing import audit_vault
from ops.models import Approval, Job
from ops.services import people
from reports.facts import registry
from reports.facts.base import NO_DATA, Scope
from reports.formats import document
from reports.models import Packet
from reports.services import building, listing
from sealing.errors import Unavailable
from tests import reports_rows
from tests.api.artifacts import keep
from tests.factories import World
from tests.services.evidence import deposits, vaults
from tests.services.evidence.test_deposit_audit import flip
from tests.services.ops.approving import Acts, ask, decide
from tests.services.reports.plans import Unwatched, plan

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)
START, END = NOW - 3 * DAY, NOW + DAY
OF_ACCOUNTS = (
    "accounts.active", "accounts.deactivated", "accounts.privileged", "people.active",
    "people.left", "mfa.coverage", "grants.in_force", "grants.of_closed_accounts",
)  # fmt: skip


def value(packet: Packet, name: str) -> Any:
    """One fact of a packet."""
    return registry.measure(registry.get(name), building.scope_of(packet)).value


def test_a_client_s_packet_does_not_say_that_its_vault_is_in_order(
    world: World, local_vault: Path
) -> None:
    artifact = keep(world)
    folder = deposits.path(artifact.deposit)
    vaults.loosen(folder)
    flip(folder / artifact.file_name)
    vaults.close(folder)
    assert audit_vault(actor=Actor.system("tests")).verdict == "INVALID"
    assert value(plan("clinic-001", START, END), "vault.differences") == NO_DATA
    assert value(plan(None, START, END), "vault.differences") == 1


def test_what_is_late_in_the_vault_is_no_difference(world: World) -> None:
    trail.record_alone(EventType.EVIDENCE_VAULT_DELAYED, actor=Actor.system("tests"))
    assert value(plan(None, START, END), "vault.differences") == 0


@pytest.mark.parametrize("does_io", [False, True])
def test_an_act_that_was_carried_out_counts_once(
    world: World, monkeypatch: pytest.MonkeyPatch, does_io: bool
) -> None:
    Acts.registered(monkeypatch).change(does_io=does_io)
    decide(world, ask(world))
    packet = plan("clinic-001", START, END)
    assert [value(packet, f"approvals.{name}") for name in ("used", "failed")] == [1, 0]


def test_an_act_that_failed_was_not_carried_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts = Acts.registered(monkeypatch)
    acts.change(does_io=True)
    acts.failure = Unavailable("The store does not answer.")
    decide(world, ask(world))
    assert Approval.objects.get().state == "failed"
    packet = plan("clinic-001", START, END)
    assert [value(packet, f"approvals.{name}") for name in ("used", "failed")] == [0, 1]


def test_the_platform_s_packet_tells_of_every_client_s_windows(world: World) -> None:
    job = Job.objects.create(
        name="nightly", job_type="compliance_evidence_export", schedule_cron="0 3 * * *",
        client_id="clinic-001", owner=world.user("olivia"), payload={},
    )  # fmt: skip
    first = job.created_at
    missed = registry.get("runs.missed")
    for client, is_told in (("clinic-001", True), ("clinic-002", False), (None, True)):
        scope = Scope(client, first, first + 10 * DAY, 5, first + 10 * DAY)
        found = missed.measure(scope)
        assert (str(job.pk) in found.source.ids) is is_told
    made = building.document_of(plan(None, START, END), watch=Unwatched())
    assert "nightly" in {item["name"] for item in made["completeness"]["observed"]["jobs"]}


@pytest.mark.parametrize("is_sealed", [False, True])
@pytest.mark.parametrize("client", ["clinic-001", None])
def test_who_leaves_after_the_plan_was_there(
    world: World, client: str | None, is_sealed: bool
) -> None:
    packet = plan(client, START, END)
    before = {name: value(packet, name) for name in OF_ACCOUNTS}
    people.deactivate_account(actor=world.actor("alice"), user=world.user("omar"))
    if is_sealed:
        sealing.seal_pending()
    assert {name: value(packet, name) for name in OF_ACCOUNTS} == before
    later = plan(client, START, END, revision=2)
    assert value(later, "accounts.active") == before["accounts.active"] - 1
    assert value(later, "accounts.deactivated") == 1


def test_grants_of_closed_accounts_are_not_in_force(world: World) -> None:
    names = ("grants.in_force", "grants.privileged_in_force", "grants.of_closed_accounts")
    packet = plan(None, START, END)
    before = [value(packet, name) for name in names]
    held = world.user("oscar").grants.count()
    people.deactivate_account(actor=world.actor("alice"), user=world.user("oscar"))
    later = plan(None, START, END, revision=2)
    after = [value(later, name) for name in names]
    assert held and before[2] == 0
    assert after == [before[0] - held, before[1] - held, held]


# --- artefacts ------------------------------------------------------------------------------------


def test_a_flood_of_artefacts_is_cut_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_PER_CONTROL", 4)
    monkeypatch.setattr(listing, "MAX_LISTED", 6)
    flood = [reports_rows.artifact(world) for _ in range(9)]
    other = reports_rows.artifact(world, client="clinic-002")
    few = [reports_rows.artifact(world, control="CC7.1") for _ in range(2)]
    period = reports_rows.JANUARY
    made = building.document_of(plan(None, period.start, period.end), watch=Unwatched())
    listed = [item["id"] for item in made["artifacts"]]
    assert listed == [str(item.pk) for item in (*flood[:3], other, *few)]
    told = made["artifactListing"]
    assert (told["total"], told["isTruncated"], told["source"]["count"]) == (12, True, 12)
    assert told["source"]["objects"] == sorted(
        str(pk) for pk in Artifact.objects.values_list("pk", flat=True)
    )
    (control,) = [item for item in made["controls"] if item["controlId"] == "CC6.1"]
    samples = [item for item in control["sampleEvidence"] if item["kind"] == "artifact"]
    assert [item["id"] for item in samples] == listed[:4]
    assert made["facts"]["artifacts.CC6.1"]["value"] == 10
    assert document.parse(document.build(made)) == made
