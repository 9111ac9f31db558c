"""What is not restored, and why: damage is named, and what is there stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.models import (
    AuditEvent,
    PendingEvent,
    SigningKey,
    VerificationRun,
)
from audit.services import (
    checkpoints,
    loghead,
    signer_state,
)
from audit.services.recovery import restoring
from audit.services.recovery.examining import SourceInvalid, examine, keep_apart
from audit.services.recovery.signing_keys import OriginDiffers
from audit.verify import load_signers
from sealing.keys import parse_signers, signers_document
from sealing.results import Verdict
from tests import databases
from tests.recovery.helpers import (
    archived_log,
    assert_holds,
    document,
    flip,
    lost_host,
    manage,
    restore,
    segments_below,
    standing,
)
from tests.services.audit.helpers import seal

NewDatabase = Callable[[], databases.DatabaseUrls]


def test_a_flipped_byte_is_refused_and_named(
    signers_file: Path, new_database: NewDatabase, settings: Any
) -> None:
    archived_log()
    broken = segments_below(settings.AUDIT_STORAGE_PATH)[1]
    lines = broken.read_bytes().splitlines(keepends=True)
    flip(broken, len(lines[0]) + len(lines[1]) + 250)
    urls = new_database()
    arguments = ["--from", str(settings.AUDIT_STORAGE_PATH), "--signers", str(signers_file)]
    done = manage("audit_restore", *arguments, "--yes", urls=urls)
    assert done.returncode == 1
    assert "first bad event is 22" in done.stderr
    assert broken.name in done.stderr
    assert "first 20 events hold" in done.stderr
    assert not AuditEvent.objects.exists()
    assert not PendingEvent.objects.exists()
    assert not SigningKey.objects.exists()
    run = VerificationRun.objects.get()
    assert (run.verdict, run.first_bad_seq) == (Verdict.INVALID, 22)
    assert broken.name in run.first_bad_file


def test_what_does_not_verify_is_kept_apart(
    signers_file: Path,
    new_database: NewDatabase,
    settings: Any,
    replica: Callable[[], Path],
    tmp_path: Path,
) -> None:
    before = archived_log()
    lost_host()
    copy = replica()
    broken = segments_below(copy)[1]
    flip(broken, 250)
    damaged = broken.read_bytes()
    urls = new_database()
    settings.AUDIT_STORAGE_PATH = tmp_path / "new archive"
    apart = tmp_path / "apart"
    arguments = ["--from", str(copy), "--signers", str(signers_file), "--keep-apart", str(apart)]
    done = manage("audit_restore", *arguments, "--yes", urls=urls)
    assert done.returncode == 1
    assert "NOT WHOLE" in done.stdout
    assert "first bad event is 20" in done.stdout
    assert loghead.current().size == 20
    assert standing()["events"] == [(*event[:4], None) for event in before["events"][:20]]
    assert (apart / broken.relative_to(copy)).read_bytes() == damaged
    # What is kept apart already is no obstacle to doing it again.
    examined = examine(str(copy), load_signers(signers_file))
    assert keep_apart(examined, apart) == len(document(apart / "report.json")["files"])
    report = document(apart / "report.json")
    assert report["first_bad_seq"] == 20
    assert report["restored_through"] == 19
    later = {p.relative_to(copy).as_posix() for p in segments_below(copy)[1:]}
    assert later <= {entry["name"] for entry in report["files"]}
    assert_holds()


def test_part_of_the_archive_that_is_written_to_would_fork_the_log(
    signers_file: Path, new_database: NewDatabase, settings: Any, tmp_path: Path
) -> None:
    archived_log()
    flip(segments_below(settings.AUDIT_STORAGE_PATH)[1], 250)
    new_database()
    with pytest.raises(restoring.WouldFork):
        restore(settings.AUDIT_STORAGE_PATH, signers_file, keep_apart=tmp_path / "apart")
    assert not (tmp_path / "apart").exists()
    assert not AuditEvent.objects.exists()


def test_an_installation_with_events_is_not_written_over(
    signers_file: Path, committed_db: databases.CommittedDatabase, settings: Any
) -> None:
    before = archived_log()
    arguments = ["--from", str(settings.AUDIT_STORAGE_PATH), "--signers", str(signers_file)]
    done = manage("audit_restore", *arguments, "--yes", urls=committed_db)
    assert done.returncode == 2
    assert "log_not_empty" in done.stderr
    assert standing()["head"] == before["head"]


def test_what_can_not_be_checked(
    signers_file: Path, new_database: NewDatabase, settings: Any, tmp_path: Path
) -> None:
    archived_log()
    archive = str(settings.AUDIT_STORAGE_PATH)
    urls = new_database()
    (tmp_path / "empty").mkdir()
    for source, signers in (
        (str(tmp_path / "absent"), signers_file),
        (str(tmp_path / "empty"), signers_file),
        (archive, tmp_path / "absent.json"),
    ):
        arguments = ["--from", source, "--signers", str(signers)]
        done = manage("audit_restore", *arguments, "--yes", urls=urls)
        assert done.returncode == 3, (source, done.stderr)
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--from", "a", "--swap", "b"],
        ["--swap", "b", "--through-seq", "3"],
        ["--swap", "public", "--yes"],
        ["--swap", "Robert'; DROP", "--yes"],
        ["--swap", "never_made", "--yes"],
    ],
    ids=["nothing", "both", "mixed", "reserved", "hostile", "absent"],
)
def test_wrong_usage(committed_db: databases.CommittedDatabase, arguments: list[str]) -> None:
    assert manage("audit_restore", *arguments, urls=committed_db).returncode == 2


def test_it_asks_where_it_is_not_told_yes(
    signers_file: Path, new_database: NewDatabase, settings: Any
) -> None:
    archived_log()
    urls = new_database()
    arguments = ["--from", str(settings.AUDIT_STORAGE_PATH), "--signers", str(signers_file)]
    done = manage("audit_restore", *arguments, urls=urls)
    assert done.returncode == 2
    assert "--yes is needed" in done.stderr
    assert not AuditEvent.objects.exists()


def test_signers_of_another_log(
    signers_file: Path, new_database: NewDatabase, settings: Any
) -> None:
    archived_log()
    new_database()
    settings.AUDIT_ORIGIN = "another.test/audit"
    with pytest.raises(OriginDiffers):
        restore(settings.AUDIT_STORAGE_PATH, signers_file)


def test_checkpoints_of_a_stranger_vouch_for_nothing(
    signers_file: Path, new_database: NewDatabase, settings: Any
) -> None:
    archived_log()
    signers = parse_signers(signers_file.read_bytes())
    others = tuple(key for key in signers.keys if "checkpoint" not in key.purposes)
    signers_file.write_bytes(signers_document(type(signers)(signers.origin, others)))
    new_database()
    with pytest.raises(SourceInvalid):
        restore(settings.AUDIT_STORAGE_PATH, signers_file)
    assert not AuditEvent.objects.exists()


def test_the_signer_remembers_more_than_the_archive_has(
    signers_file: Path, new_database: NewDatabase, settings: Any
) -> None:
    archived_log()
    seal(3)
    checkpoints.issue()
    remembered = signer_state.load(settings.AUDIT_SIGNER_STATE)
    new_database()
    with pytest.raises(restoring.RestoreRefused, match="not that long"):
        restore(settings.AUDIT_STORAGE_PATH, signers_file)
    assert not AuditEvent.objects.exists()
    settings.AUDIT_SIGNER_STATE.rename(settings.AUDIT_SIGNER_STATE.with_suffix(".lost"))
    assert remembered is not None
    assert restore(settings.AUDIT_STORAGE_PATH, signers_file).head.size == remembered.size - 3
