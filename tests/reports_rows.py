"""Rows of packets, artefacts and assessments, for tests of what is shown of them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from reports.formats.period import Period

if TYPE_CHECKING:
    from evidence.models import Artifact
    from reports.models import ControlAssessment
    from tests.factories import World

JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
FEBRUARY = Period(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
QUARTER = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
DIGEST = "sha256:" + "a" * 64


def artifact(
    world: World,
    *,
    client: str | None = "clinic-001",
    control: str = "CC6.1",
    title: str = "Export of accounts",
    by: str = "olivia",
    period: Period = JANUARY,
) -> Artifact:
    """An artefact as if it had been received: its row and its deposit's, without a file."""
    from evidence.models import Artifact, Deposit

    name = f"artifact_{uuid.uuid4().hex}"
    deposit = Deposit.objects.create(
        kind="artifact",
        client_id=client,
        name=name,
        mode="local",
        folder=f"{client or 'platform'}/2026/02/01/{name}",
        retention_policy="regulatory_7y",
        period_start=period.start,
        period_end=period.end,
        actor_id=f"user:{by}",
    )
    return Artifact.objects.create(
        client_id=client,
        framework="SOC2",
        control_id=control,
        period_start=period.start,
        period_end=period.end,
        title=title,
        origin="Okta export",
        file_name="accounts.csv",
        media_type="text/csv",
        size_bytes=2048,
        sha256=DIGEST,
        deposit=deposit,
        person=world.person(by),
        account=world.user(by),
    )


def assessment(world: World, *, by: str = "olivia", **options: Any) -> ControlAssessment:
    """What somebody found about a control; January of clinic-001 unless said otherwise."""
    from reports.services import controls

    wanted: dict[str, Any] = {
        "framework": "SOC2",
        "control_id": "CC6.1",
        "client_id": "clinic-001",
        "period": JANUARY,
        "state": "compliant",
        "note": "Looked at the list of accounts; every one has an owner.",
    }
    return controls.assess(actor=world.actor(by), **(wanted | options))


def days_from_now(count: int) -> Period:
    """A period of one day that begins in so many days."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Period(today + timedelta(days=count), today + timedelta(days=count + 1))
