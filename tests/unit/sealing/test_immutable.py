"""Flags against changes: set where the system knows and permits them, and told where not."""

from __future__ import annotations

import errno
import fcntl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sealing import immutable
from sealing.immutable import Flag, Setting
from tests.services.evidence.vaults import expose


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A file that can be removed afterwards, whatever the test did to it."""
    made = tmp_path / "file"
    made.write_bytes(b"abc")
    yield made
    expose(made, Flag.IMMUTABLE)


def permitted(path: Path, flag: Flag) -> bool:
    """Whether flags can be set here at all; where not, it must be said."""
    return immutable.protect(path, flag) is Setting.SET


def test_a_file_is_immutable_until_somebody_takes_that_off(path: Path) -> None:
    assert not immutable.is_protected(path, Flag.IMMUTABLE)
    if not permitted(path, Flag.IMMUTABLE):
        assert not immutable.is_protected(path, Flag.IMMUTABLE)
        return
    assert immutable.is_protected(path, Flag.IMMUTABLE)
    assert immutable.protect(path, Flag.IMMUTABLE) is Setting.SET
    for act in (path.unlink, lambda: path.write_bytes(b""), lambda: path.rename(f"{path}.x")):
        with pytest.raises(PermissionError):
            act()
    assert path.read_bytes() == b"abc"


def test_files_are_added_to_an_append_only_folder_and_none_goes(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if permitted(folder, Flag.APPEND_ONLY):
        (folder / "file").write_bytes(b"abc")
        with pytest.raises(PermissionError):
            (folder / "file").unlink()
        expose(folder, Flag.APPEND_ONLY)
    else:
        assert not immutable.is_protected(folder, Flag.APPEND_ONLY)


@pytest.mark.parametrize(
    ("number", "setting"),
    [
        (errno.EPERM, Setting.NOT_PERMITTED),
        (errno.EACCES, Setting.NOT_PERMITTED),
        (errno.ENOTTY, Setting.NOT_SUPPORTED),
        (errno.EOPNOTSUPP, Setting.NOT_SUPPORTED),
        (errno.EINVAL, Setting.NOT_SUPPORTED),
    ],
    ids=["EPERM", "EACCES", "ENOTTY", "EOPNOTSUPP", "EINVAL"],
)
def test_what_does_not_work_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, setting: Setting
) -> None:
    real = fcntl.ioctl

    def refuse(descriptor: int, request: int, *more: Any) -> Any:
        if request == immutable._SET_FLAGS:
            raise OSError(number, "refused")
        return real(descriptor, request, *more)

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    assert immutable.protect(path, Flag.IMMUTABLE) is setting


def test_a_fault_of_the_disk_is_no_answer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "ioctl", fail)
        for act in (immutable.protect, immutable.is_protected):
            with pytest.raises(OSError, match="broken"):
                act(path, Flag.IMMUTABLE)


def test_a_flag_that_does_not_stay_counts_as_unsupported(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.ioctl

    def forget(descriptor: int, request: int, *more: Any) -> Any:
        return b"" if request == immutable._SET_FLAGS else real(descriptor, request, *more)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "ioctl", forget)
        assert immutable.protect(path, Flag.IMMUTABLE) is Setting.NOT_SUPPORTED


def test_other_systems_have_no_such_flags(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        assert immutable.protect(path, Flag.IMMUTABLE) is Setting.NOT_SUPPORTED


def test_links_are_not_followed(tmp_path: Path, path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(OSError, match="symbolic"):
        immutable.protect(link, Flag.IMMUTABLE)
    assert not immutable.is_protected(path, Flag.IMMUTABLE)
