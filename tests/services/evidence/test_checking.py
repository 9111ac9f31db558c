"""A stored package against what the installation knows beside it: who is who, what was stamped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from access.models import Person
from evidence.models import Package
from evidence.services import checking, stamping
from sealing.results import Verdict
from tests.factories import World
from tests.servers.tsa import Authority
from tests.services.evidence import helpers
from tests.services.evidence.helpers import countersign, export

pytestmark = pytest.mark.django_db


def codes(package: Package) -> set[str]:
    """What stands in the way of VALID."""
    return {issue.code for issue in checking.check_files(package).issues}


def merge(world: World, one: str, other: str) -> None:
    with transaction.atomic():
        Person.objects.filter(pk=world.user(one).person_id).update(
            merged_into=world.user(other).person_id
        )


# --- one human, two persons -----------------------------------------------------------------------


def test_a_countersigner_who_was_found_to_be_the_maker_does_not_count(world: World) -> None:
    package = export(world)
    countersign(world, package)
    assert codes(package) == set()
    merge(world, "oscar", "olivia")
    report = checking.check_files(package)
    assert report.verdict is Verdict.INVALID
    assert codes(package) == {"countersigner_merged", "countersignature_missing"}
    # Nothing was changed, so that somebody else may still countersign it.
    assert report.awaits_countersignature


def test_makers_and_countersigners_of_elsewhere_are_who_they_say(world: World) -> None:
    assert checking.human("officer") == "officer"
    person = str(world.user("oscar").person_id)
    assert checking.human(person) == person


# --- timestamps -----------------------------------------------------------------------------------


@pytest.fixture
def stamped(world: World, settings: Any, tmp_path: Path) -> Package:
    """A package with a timestamp that is recorded."""
    with Authority(tmp_path / "authority").serving() as authority:
        (tmp_path / "tsa.pem").write_bytes(authority.certificates)
        settings.TSA_URL, settings.TSA_CERTIFICATES = authority.url, str(tmp_path / "tsa.pem")
        package: Package = export(world, required_countersignatures=0)
    assert package.timestamp_status == "OK"
    return package


def test_a_recorded_timestamp_that_is_gone(stamped: Package) -> None:
    assert codes(stamped) == set()
    helpers.file(stamped, ".tsr").unlink()
    assert codes(stamped) == {"record_timestamp_differs"}


def test_a_token_that_nobody_can_check_stays(stamped: Package, settings: Any) -> None:
    token = helpers.file(stamped, ".tsr").read_bytes()
    settings.TSA_CERTIFICATES = "/nonexistent/tsa.pem"
    found = stamping.stamp(stamped, stamped.package_sha256)
    assert found.status.startswith("FAILED: ")
    assert helpers.file(stamped, ".tsr").read_bytes() == token
