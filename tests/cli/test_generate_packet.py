"""`manage.py generate_packet`: in somebody's name, of a period or of the last month."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from reports.formats.period import month_before
from reports.models import Packet
from sealing.results import EXIT_INVALID, EXIT_USAGE
from tests.factories import PASSWORD, World
from tests.services.evidence.vaults import local_vault
from tests.services.reports import packing
from tests.services.reports.conftest import rendered_here

__all__ = ["local_vault", "rendered_here"]
pytestmark = pytest.mark.usefixtures("rendered_here")
JANUARY = ("--start", "2026-01-01", "--end", "2026-01-31")


@pytest.fixture(autouse=True)
def password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password, where the command is run."""
    monkeypatch.chdir(tmp_path)
    Path("password").write_text(f"{PASSWORD}\n")


def run(*options: str, who: str = "olivia") -> str:
    out = io.StringIO()
    call_command(
        "generate_packet", "--as", who, "--password-file", "password", *options, stdout=out
    )
    return out.getvalue()


def refused(*options: str, who: str = "olivia") -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*options, who=who)
    return caught.value


def test_a_packet_of_a_period(committed_world: World, local_vault: Path) -> None:
    told = json.loads(run("--client", "clinic-001", *JANUARY, "--json"))
    packet = Packet.objects.get()
    packing.check_complete(packet)
    assert packet.maker == committed_world.person("olivia")
    assert (told["name"], told["json_sha256"]) == (packet.name, packet.json_sha256)
    assert told["vault_folder"].endswith(packet.name)
    assert packet.name in run("--client", "clinic-001", *JANUARY)
    assert Packet.objects.count() == 1
    revised = json.loads(
        run("--client", "clinic-001", *JANUARY, "--revise", "--reason", "More", "--json")
    )
    assert (revised["revision"], revised["name"]) == (2, f"{packet.name}_r2")


def test_the_last_month_of_the_platform(committed_world: World, local_vault: Path) -> None:
    run()
    packet = Packet.objects.get()
    month = month_before(timezone.now())
    assert (packet.client, packet.period_start, packet.period_end) == (
        None,
        month.start,
        month.end,
    )


@pytest.mark.parametrize(
    ("options", "who", "code", "words"),
    [
        (("--start", "2026-01-01"), "olivia", EXIT_USAGE, "--end"),
        (("--start", "yesterday", "--end", "2026-01-31"), "olivia", EXIT_USAGE, "startDate"),
        ((*JANUARY, "--revise"), "olivia", EXIT_USAGE, "reason"),
        ((*JANUARY, "--client", "clinic-009"), "olivia", EXIT_INVALID, "not_found"),
        (JANUARY, "audrey", EXIT_INVALID, "forbidden"),
        ((*JANUARY, "--client", "clinic-001"), "ben", EXIT_INVALID, "not_found"),
        (JANUARY, "alice", EXIT_INVALID, "vault_not_configured"),
    ],
    ids=["half", "no-moment", "no-reason", "no-client", "auditor", "other-client", "no-vault"],
)
def test_what_is_refused_is_told(
    world: World, options: tuple[str, ...], who: str, code: int, words: str
) -> None:
    error = refused(*options, who=who)
    assert error.returncode == code
    assert words in str(error)
    assert not Packet.objects.exists()


def test_another_password_is_refused(world: World) -> None:
    Path("password").write_text("something else\n")
    assert "credentials_invalid" in str(refused(*JANUARY))
