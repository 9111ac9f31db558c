"""Names of packages: the one accepted form, and nothing that leads elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from evidence.formats import names
from evidence.formats.errors import FormatRefused

AT = datetime(2026, 2, 2, 9, 30, 5, tzinfo=UTC)
GOOD = "evidence_20260202T093005Z_0a1b2c3d"


def test_bundle_id_is_made_of_prefix_time_and_chance() -> None:
    assert names.make_bundle_id("evidence", AT, "0a1b2c3d") == GOOD


def test_bundle_id_is_in_utc() -> None:
    local = AT.astimezone(timezone(timedelta(hours=5)))
    assert names.make_bundle_id("evidence", local, "0a1b2c3d") == GOOD


@pytest.mark.parametrize(
    "prefix", ["", "a" * 41, "-a", "a-", "a.b", "a/b", "..", "a b", "é", "a\n", "_a"]
)
def test_prefixes_that_could_harm_a_path_are_refused(prefix: str) -> None:
    with pytest.raises(FormatRefused) as caught:
        names.make_bundle_id(prefix, AT, "0a1b2c3d")
    assert caught.value.field == "package_prefix"


@pytest.mark.parametrize("prefix", ["a", "soc2", "SOC2_Evidence", "a-b", "a" * 40])
def test_ordinary_prefixes_are_accepted(prefix: str) -> None:
    assert names.is_bundle_id(names.make_bundle_id(prefix, AT, "0a1b2c3d"))


def test_package_path_is_read_back() -> None:
    name = names.parse_package_path(f"clinic-001/{GOOD}.zip")
    assert (name.client_id, name.bundle_id) == ("clinic-001", GOOD)
    assert name.path == f"clinic-001/{GOOD}.zip"
    assert name.sidecar(names.COUNTERSIGN_SUFFIX) == f"clinic-001/{GOOD}.countersign.json"


def test_platform_has_no_client() -> None:
    assert names.parse_package_path(f"platform/{GOOD}.zip").client_id is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        GOOD,
        f"{GOOD}.zip",
        f"/clinic-001/{GOOD}.zip",
        f"/{GOOD}.zip",
        f"../clinic-001/{GOOD}.zip",
        f"clinic-001/../clinic-002/{GOOD}.zip",
        f"clinic-001//{GOOD}.zip",
        f"./{GOOD}.zip",
        f"../{GOOD}.zip",
        f"clinic-001\\{GOOD}.zip",
        f"clinic-001/{GOOD}.zip\0",
        f"clinic-001/{GOOD}.zip\n",
        f"clinic-001/{GOOD}.ZIP",
        f"clinic-001/{GOOD}.zip.sig",
        f"clinic-001/{GOOD}",
        f"clinic\u202e/{GOOD}.zip",
        f"clinic-001/{GOOD.replace('0a1b', '0A1B')}.zip",
        "clinic-001/evidence_20260202T093005Z_0a1b2c3.zip",
        "clinic-001/evidence_\uff120260202T093005Z_0a1b2c3d.zip",
    ],
)
def test_every_other_path_is_refused(path: str) -> None:
    with pytest.raises(FormatRefused):
        names.parse_package_path(path)
