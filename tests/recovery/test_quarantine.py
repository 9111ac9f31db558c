"""Copies of objects in question, with a record of custody; the archive stays as it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from audit.events import EventType
from audit.models import AuditEvent, CustodyRecord, Segment
from audit.services import sealing
from audit.services.recovery import console
from audit.services.recovery.quarantine import CopyDiffers, quarantine
from sealing import canonical
from sealing.digests import sha256_tag
from sealing.errors import Invalid, NotFound
from sealing.files import PathRefused
from sealing.stores.base import Stored, StoreUnavailable
from sealing.stores.local import LocalStore
from sealing.stores.memory import MemoryStore
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.recovery.helpers import archived_log, below, flip, manage, segments_below
from tests.servers.buckets import Bucket


def take(*names: str, **options: Any) -> CustodyRecord:
    options = {"case_id": "INC-1", "reason": "It does not verify."} | options
    return quarantine(actor=console.operator(), names=names, **options)


def test_a_damaged_object_is_copied_as_it_is(
    committed_world: World, committed_db: CommittedDatabase, settings: Any, tmp_path: Path
) -> None:
    archived_log(5)
    broken = segments_below(settings.AUDIT_STORAGE_PATH)[0]
    flip(broken, 300)
    before = below(settings.AUDIT_STORAGE_PATH)
    name = broken.relative_to(settings.AUDIT_STORAGE_PATH).as_posix()
    arguments = ["--case", "INC-2026-1", "--reason", "It does not verify."]
    done = manage("audit_quarantine", name, *arguments, urls=committed_db)
    assert done.returncode == 0, done.stderr
    assert below(settings.AUDIT_STORAGE_PATH) == before

    record = CustodyRecord.objects.get()
    assert record.target == f"{settings.AUDIT_STORAGE_PATH}-forensic"
    forensic = Path(record.target)
    raw = (forensic / record.document).read_bytes()
    assert record.document_sha256 == sha256_tag(raw)
    document = canonical.load_document(raw)
    assert document["case"] == "INC-2026-1"
    assert document["taken_by"].startswith("service:console:")
    (item,) = document["objects"]
    assert record.items == [item]
    assert item["sha256"] == item["sha256_of_copy"] == sha256_tag(before[name])
    assert (forensic / item["copied_to"]).read_bytes() == before[name]
    assert LocalStore(forensic).stat(item["copied_to"]).retention is not None

    sealing.seal_pending()
    told = AuditEvent.objects.get(type=EventType.AUDIT_OBJECTS_QUARANTINED)
    assert told.object_id == str(record.pk)
    assert name in told.event


def test_a_case_may_be_added_to_and_nothing_is_overwritten(
    committed_world: World, settings: Any
) -> None:
    archived_log(5)
    name = Segment.objects.order_by("first_seq")[0].object_name
    first, second = take(name), take(name)
    assert first.document != second.document
    assert len(below(Path(first.target))) == 4


def test_every_version_in_s3_and_what_hides_it(
    committed_world: World, settings: Any, locked_bucket: Bucket
) -> None:
    locked_bucket.configure(settings)
    archived_log(5)
    name = Segment.objects.order_by("first_seq")[0].object_name
    key = locked_bucket.key(name)
    for body in (b"one", b"two", b"three"):
        locked_bucket.client.put_object(Bucket=locked_bucket.name, Key=key, Body=body)
    locked_bucket.client.delete_object(Bucket=locked_bucket.name, Key=key)
    versions = locked_bucket.versions(name)
    assert len(versions) == 4

    ends = take(name)
    assert [item["is_delete_marker"] for item in ends.items] == [False, False, True]
    every = take(name, all_versions=True)
    assert [item["version_id"] for item in every.items[:4]] == versions[::-1]
    assert every.items[4]["is_delete_marker"]
    assert every.items[4]["copied_to"] is None
    copies = [item["copied_to"] for item in every.items[:4]]
    bodies = [
        locked_bucket.client.get_object(Bucket=locked_bucket.name, Key=copy)["Body"].read()
        for copy in copies
    ]
    assert bodies[1:] == [b"one", b"two", b"three"]
    assert [sha256_tag(body) for body in bodies] == [item["sha256"] for item in every.items[:4]]
    assert every.target == f"s3://{locked_bucket.name}/audit-forensic"
    assert locked_bucket.versions(name) == versions


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"case_id": "../x"}, Invalid),
        ({"case_id": ".x"}, Invalid),
        ({"case_id": ""}, Invalid),
        ({"reason": " "}, Invalid),
        ({"names": ["../../etc/passwd"]}, PathRefused),
        ({"names": ["/etc/passwd"]}, PathRefused),
        ({"names": ["absent/object.jsonl"]}, NotFound),
        ({"names": []}, Invalid),
        ({"names": ["a", "a"]}, Invalid),
    ],
    ids=["up", "dot", "none", "reason", "above", "absolute", "absent", "nothing", "twice"],
)
def test_what_is_refused_copies_nothing(
    committed_world: World, settings: Any, changes: dict[str, Any], error: type[Exception]
) -> None:
    archived_log(5)
    name = Segment.objects.order_by("first_seq")[0].object_name
    given = {"names": [name], "case_id": "INC-1", "reason": "Why."} | changes
    with pytest.raises(error):
        quarantine(actor=console.operator(), **given)
    assert not CustodyRecord.objects.exists()
    assert not os.path.exists(f"{settings.AUDIT_STORAGE_PATH}-forensic")


def test_not_into_the_archive_itself(committed_world: World, settings: Any) -> None:
    archived_log(5)
    name = Segment.objects.order_by("first_seq")[0].object_name
    with pytest.raises(Invalid):
        take(name, target=LocalStore(settings.AUDIT_STORAGE_PATH))


class _Forgetful(MemoryStore):
    """A store that keeps other bytes than it was given."""

    def put_new(self, name: str, data: bytes, **options: Any) -> Stored:
        return super().put_new(name, data[:-1], **options)


def test_a_copy_that_differs_is_no_custody(committed_world: World) -> None:
    archived_log(5)
    name = Segment.objects.order_by("first_seq")[0].object_name
    with pytest.raises(CopyDiffers):
        take(name, target=_Forgetful())
    assert not CustodyRecord.objects.exists()


def test_a_store_that_is_not_there(
    committed_world: World, committed_db: CommittedDatabase, settings: Any, tmp_path: Path
) -> None:
    archived_log(5)
    name = Segment.objects.order_by("first_seq")[0].object_name
    (tmp_path / "file").write_bytes(b"")
    done = manage(
        "audit_quarantine",
        name,
        "--case=INC-1",
        "--reason=x",
        f"--to={tmp_path / 'file' / 'below'}",
        urls=committed_db,
    )
    assert done.returncode == 3, done.stderr
    assert StoreUnavailable.code in done.stderr
