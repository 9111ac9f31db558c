"""What is particular to a folder: its lock records, and what in it is no object."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sealing import files
from sealing.errors import NotFound
from sealing.stores import local as local_module
from sealing.stores.base import LockMode, NotReleasable, Retention, StoreUnavailable
from sealing.stores.local import LocalStore

UNTIL = datetime(2099, 1, 31, 9, 0, 0, tzinfo=UTC)
LOCK = Retention(LockMode.COMPLIANCE, UNTIL)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def test_a_lock_is_a_canonical_record_beside_the_objects(root: Path) -> None:
    store = LocalStore(root)
    store.put_new("2025/a.jsonl", b"abc", retention=LOCK)
    record = root / ".locks" / "2025" / "a.jsonl.json"
    assert record.read_bytes() == (
        b'{"legal_hold":false,"mode":"compliance",'
        b'"retain_until":"2099-01-31T09:00:00.000000Z","v":1}\n'
    )
    store.hold("2025/a.jsonl", on=True)
    assert json.loads(record.read_bytes())["legal_hold"] is True
    assert (root / "2025" / "a.jsonl").stat().st_mode & 0o777 == 0o440


def test_a_release_removes_object_and_record(root: Path) -> None:
    store = LocalStore(root, now=lambda: UNTIL)
    store.put_new("d/a", b"abc", retention=LOCK)
    store.put_new("d/b", b"abc", retention=LOCK)
    store.release("d/a")
    left = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert left == {"d/b", ".locks/.lock", ".locks/d/b.json"}


def test_a_release_is_durable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(root, now=lambda: UNTIL)
    store.put_new("d/a", b"abc", retention=LOCK)
    synced = []

    def fsync(descriptor: int, real: object = os.fsync) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        assert callable(real)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    store.release("d/a")
    assert synced == [str(root / "d"), str(root / ".locks" / "d")]


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{}\n",
        b"[]\n",
        b'{"legal_hold":false,"mode":null,"retain_until":null,"v":1}',
        b'{"legal_hold":false,"mode":null,"retain_until":null,"v":2}\n',
        b'{"legal_hold":0,"mode":null,"retain_until":null,"v":1}\n',
        b'{"legal_hold":false,"mode":"none","retain_until":"2099-01-31T09:00:00.000000Z","v":1}\n',
        b'{"legal_hold":false,"mode":"compliance","retain_until":null,"v":1}\n',
        b'{"legal_hold":false,"mode":"compliance","retain_until":"2099-01-31","v":1}\n',
        b'{"legal_hold":false,"mode":"compliance","retain_until":"2099-01-31T09:00:00.5Z","v":1}\n',
        b" " * 5000,
    ],
    ids=[
        "empty", "no-fields", "array", "no-newline", "version", "hold", "mode", "half", "day",
        "fraction", "long",
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_a_fault_not_a_missing_lock(
    root: Path, record: bytes
) -> None:
    store = LocalStore(root)
    store.put_new("a", b"abc", retention=LOCK)
    (root / ".locks" / "a.json").write_bytes(record)
    for act in (
        lambda: store.stat("a"),
        lambda: store.extend("a", LOCK),
        lambda: store.hold("a", on=False),
        lambda: store.put_new("a", b"abc", retention=LOCK),
        lambda: store.release("a"),
    ):
        with pytest.raises(StoreUnavailable, match="lock record of a"):
            act()
    assert store.read("a") == b"abc"
    assert (root / ".locks" / "a.json").read_bytes() == record


def test_a_record_behind_a_symbolic_link_is_not_followed(root: Path, tmp_path: Path) -> None:
    store = LocalStore(root)
    store.put_new("a", b"abc", retention=LOCK)
    record = root / ".locks" / "a.json"
    record.rename(tmp_path / "elsewhere")
    record.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(files.PathRefused):
        store.stat("a")


def test_the_lock_is_on_disk_before_the_object(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(root)

    def crash(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_new", crash)
        with pytest.raises(KeyboardInterrupt):
            store.put_new("a", b"abc", retention=LOCK)
    assert not store.exists("a")
    assert (root / ".locks" / "a.json").exists()
    assert store.put_new("a", b"abc").retention == LOCK


def test_two_who_change_one_record_do_not_undo_one_another(root: Path) -> None:
    store = LocalStore(root)
    store.put_new("a", b"abc", retention=LOCK)
    rounds = 25

    def extend() -> None:
        for days in range(1, rounds + 1):
            LocalStore(root).extend("a", Retention(LOCK.mode, UNTIL + timedelta(days=days)))

    thread = threading.Thread(target=extend)
    thread.start()
    for count in range(rounds):
        on = count % 2 == 0
        assert LocalStore(root).hold("a", on=on).legal_hold is on
    thread.join()
    stored = store.stat("a")
    assert (stored.legal_hold, stored.retention) == (
        True,
        Retention(LOCK.mode, UNTIL + timedelta(days=rounds)),
    )


def test_only_finished_regular_files_are_objects(root: Path) -> None:
    store = LocalStore(root)
    store.put_new("d/a", b"", retention=LOCK)
    (root / ".a.0123456789abcdef.tmp").write_bytes(b"")
    (root / "d" / ".a.0123456789abcdef.tmp").write_bytes(b"")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "b").write_bytes(b"")
    (root / "link").symlink_to("d/a")
    (root / "folder-link").symlink_to("d")
    (root / "back\\slash").write_bytes(b"")
    (root / os.fsdecode(b"\xff")).write_bytes(b"")
    os.mkfifo(root / "pipe")
    assert list(store.iterate()) == ["d/a"]
    assert [version.name for version in store.versions()] == ["d/a"]
    for prefix in (".hidden/", ".locks/", "../", "folder-link/"):
        with pytest.raises(files.PathRefused):
            list(store.iterate(prefix))


def test_a_prefix_walks_its_own_folder_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(root)
    for day in ("2025/10/16", "2025/10/17", "2025/11/01", "2026/01/01"):
        store.put_new(f"{day}/a", b"")
    walked = []

    def scandir(path: Path, real: object = os.scandir) -> object:
        walked.append(Path(path).relative_to(root).as_posix())
        assert callable(real)
        return real(path)

    monkeypatch.setattr(local_module.os, "scandir", scandir)
    assert list(store.iterate("2025/10/17/")) == ["2025/10/17/a"]
    assert walked == ["2025/10/17"]
    walked.clear()
    assert next(store.iterate("2025/1")) == "2025/10/16/a"
    assert walked == ["2025", "2025/10", "2025/10/16"]
    walked.clear()
    assert list(store.iterate("2025/", start_after="2025/11/")) == ["2025/11/01/a"]
    assert walked == ["2025", "2025/11", "2025/11/01"]


def test_what_the_file_system_refuses_is_told_as_a_store_does(root: Path) -> None:
    store = LocalStore(root)
    store.put_new("a", b"abc")
    for name in ("a/b", "a/b/c"):
        with pytest.raises(StoreUnavailable):
            store.put_new(name, b"abc")
        with pytest.raises(StoreUnavailable):
            store.put_new(name, b"abc", retention=LOCK)


def test_an_object_that_somebody_removed_leaves_its_lock(root: Path) -> None:
    store = LocalStore(root)
    store.put_new("a", b"abc", retention=LOCK)
    (root / "a").unlink()
    for act in (lambda: store.release("a"), lambda: store.extend("a", LOCK)):
        with pytest.raises(NotFound):
            act()
    assert store.put_new("a", b"abc").retention == LOCK
    with pytest.raises(NotReleasable):
        store.release("a")
