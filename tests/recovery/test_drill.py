"""The restore drill: a sample comes back from the archive, or the drill says what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.events import Actor, EventType
from audit.models import AuditEvent, Duty, DutyRecord, Segment, VerificationKind, VerificationRun
from audit.services import archiving, sealing
from audit.services.recovery.drill import run_drill
from audit.services.recovery.owner import OwnerMissing
from sealing import canonical
from sealing.errors import Invalid
from sealing.keys import parse_signers, signers_document
from sealing.results import Verdict
from sealing.stores.base import StoreUnavailable
from sealing.stores.local import LocalStore
from tests.databases import CommittedDatabase
from tests.recovery.helpers import archived_log, damage, flip, segments_below, sql
from tests.servers.buckets import Bucket

ACTOR = Actor.system("drill")


def drill(**options: Any) -> VerificationRun:
    return run_drill(actor=ACTOR, **options)


def schemas() -> list[Any]:
    return sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'drill%%'")


def test_a_sample_is_restored_and_the_result_kept(signers_file: Path, settings: Any) -> None:
    archived_log(150)
    archiving.heartbeat()
    newest = Segment.objects.order_by("-last_seq").first()
    assert newest is not None
    run = drill(sample=3, seed=1)
    assert (run.verdict, run.kind) == (Verdict.VALID, VerificationKind.DRILL)
    assert run.end_seq == newest.last_seq + 1
    assert 40 < run.checked_events <= 60
    assert schemas() == []

    document = canonical.load_document((settings.AUDIT_STORAGE_PATH / run.archived_as).read_bytes())
    assert (document["verdict"], document["kind"]) == ("VALID", "drill")
    done = DutyRecord.objects.get(duty=Duty.RESTORE_DRILL)
    assert (done.ok, done.reference) == (True, f"verification/{run.pk}")
    sealing.seal_pending()
    told = AuditEvent.objects.get(type=EventType.AUDIT_RESTORE_DRILL_FINISHED)
    assert '"seed":1' in told.event
    assert told.outcome == "success"


def test_the_choice_can_be_drawn_again(signers_file: Path) -> None:
    archived_log(200)
    drill(sample=4, seed=7)
    drill(sample=4, seed=7)
    drill(sample=4, seed=8)
    sealing.seal_pending()
    told = AuditEvent.objects.filter(type=EventType.AUDIT_RESTORE_DRILL_FINISHED).order_by("seq")
    first, again, other = [event.event.partition('"segments":')[2][:60] for event in told]
    assert first == again != other


def test_all_segments_where_there_are_fewer(signers_file: Path) -> None:
    archived_log(10)
    run = drill(sample=1000)
    assert run.checked_events == sum(
        segment.last_seq - segment.first_seq + 1 for segment in Segment.objects.all()
    )


def _flip_segment(archive: Path, url: str) -> None:
    flip(segments_below(archive)[1], 300)


def _remove_segment(archive: Path, url: str) -> None:
    segments_below(archive)[1].unlink()


def _flip_frontier(archive: Path, url: str) -> None:
    flip(segments_below(archive)[0].with_suffix(".frontier"), 3)


def _flip_checkpoint(archive: Path, url: str) -> None:
    path = segments_below(archive)[1].with_suffix(".checkpoint")
    flip(path, path.read_bytes().index(b"time ") + 8)


def _change_database(archive: Path, url: str) -> None:
    damage(url, 25)


@pytest.mark.parametrize(
    "spoil",
    [_flip_segment, _remove_segment, _flip_frontier, _flip_checkpoint, _change_database],
    ids=["segment", "absent", "frontier", "checkpoint", "database"],
)
def test_what_does_not_hold_is_named(
    signers_file: Path,
    committed_db: CommittedDatabase,
    settings: Any,
    spoil: Callable[[Path, str], None],
) -> None:
    archived_log()
    spoil(settings.AUDIT_STORAGE_PATH, committed_db.owner_url)
    run = drill(sample=100)
    assert run.verdict == Verdict.INVALID
    assert run.first_bad_seq == 20
    assert "0000000000000020" in run.first_bad_file
    assert not DutyRecord.objects.get().ok
    assert schemas() == []


def test_keys_from_outside_the_database_are_preferred(
    signers_file: Path, settings: Any, tmp_path: Path
) -> None:
    archived_log(5)
    signers = parse_signers(signers_file.read_bytes())
    strangers = type(signers)(signers.origin, ())
    settings.AUDIT_SIGNERS_FILE = str(tmp_path / "none.json")
    Path(settings.AUDIT_SIGNERS_FILE).write_bytes(signers_document(strangers))
    assert drill().verdict == Verdict.INVALID
    settings.AUDIT_SIGNERS_FILE = str(signers_file)
    assert drill().verdict == Verdict.VALID


def test_an_archive_that_can_not_be_reached_is_not_thereby_bad(
    signers_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived_log(5)

    def unreachable(*args: Any, **options: Any) -> bytes:
        raise StoreUnavailable("The cable is out.")

    monkeypatch.setattr(LocalStore, "read", unreachable)
    run = drill()
    assert (run.verdict, run.first_bad_seq) == (Verdict.INCONCLUSIVE, None)
    # What could not be tried was not done: the duty stays due.
    assert not DutyRecord.objects.exists()


def test_nothing_to_restore(signers_file: Path) -> None:
    assert drill().verdict == Verdict.INCONCLUSIVE


def test_without_the_owners_connection_it_fails_and_says_so(
    signers_file: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived_log(5)
    with monkeypatch.context() as patch:
        patch.delitem(settings.DATABASES, "owner")
        with pytest.raises(OwnerMissing, match="DATABASE_OWNER_URL"):
            drill()
    assert not VerificationRun.objects.exists()


def test_at_least_one(signers_file: Path) -> None:
    with pytest.raises(Invalid):
        drill(sample=0)


def test_in_s3(signers_file: Path, settings: Any, locked_bucket: Bucket) -> None:
    locked_bucket.configure(settings)
    archived_log()
    run = drill()
    assert (run.verdict, run.storage) == (Verdict.VALID, "s3")
    assert run.archived_as.startswith("audit/verifications/")
    # What was put over an object does not count: the receipt names the version.
    name = Segment.objects.order_by("-last_seq")[0].object_name
    locked_bucket.client.put_object(
        Bucket=locked_bucket.name, Key=locked_bucket.key(name), Body=b"other"
    )
    assert drill().verdict == Verdict.VALID
