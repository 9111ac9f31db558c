"""Where files lie before they have their place in a local vault: ``<vault>/.staging``.

This is the only module of the vault that removes anything, and it removes only what lies there:
nothing below it has been committed. It is in the vault's own file system, so that a whole folder
gets its final name in one step.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from evidence.services.vault.base import Source
from sealing import digests, files
from sealing.files import AlreadyExists

FOLDER: Final = ".staging"
FILE_MODE: Final = 0o444
_SCRATCH_MODE: Final = 0o700
_LOCK_SUFFIX: Final = ".lock"
log = structlog.get_logger(__name__)


class StagingFolder:
    """A folder of one deposit, for as long as its process lives.

    A lock on a file beside it says that somebody is at work; the kernel lets go of it when the
    process dies, and `sweep` then takes the folder away.
    """

    def __init__(self, root: Path, name: str) -> None:
        sweep(root)
        self._above = root / FOLDER
        files.ensure_folder(self._above)
        self._lock_path, descriptor = _locked(self._above, name)
        # Also lets go where nobody comes to close it: the worker lives on, and `sweep` comes.
        self._release = weakref.finalize(self, os.close, descriptor)
        self.path = self._lock_path.with_suffix("")
        self.digests: dict[str, str] = {}
        try:
            self.path.mkdir(mode=_SCRATCH_MODE)
        except OSError:
            self.close()
            raise

    def write(self, source: Source) -> Path:
        """Writes a file, complete and on disk when this returns, and remembers its digest.

        Raises:
            AlreadyExists: one of that name is here already.
        """
        files.check_name(source.name)
        digest = hashlib.sha256()

        def blocks() -> Iterator[bytes]:
            for block in source.blocks():
                digest.update(block)
                yield block

        path = self.path / source.name
        files.write_new(path, blocks(), mode=FILE_MODE)
        self.digests[source.name] = digests.tag(digest.digest())
        return path

    def move_to(self, path: Path) -> None:
        """Gives the whole folder its final name. Raises AlreadyExists."""
        files.move_folder(self.path, path)

    def close(self) -> None:
        """Takes away what is still here. Asking twice does no harm."""
        if not self._release.alive:
            return
        _remove_folder(self.path)
        self._lock_path.unlink(missing_ok=True)
        self._release()


def sweep(root: Path) -> int:
    """Takes away what processes left that are gone; returns how many folders."""
    above, count = root / FOLDER, 0
    if not above.is_dir():
        return 0
    for lock_path in sorted(above.glob(f"*{_LOCK_SUFFIX}")):
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            descriptor = _taken(lock_path)
            try:
                _remove_folder(lock_path.with_suffix(""))
                lock_path.unlink()
                count += 1
            except PermissionError as error:
                # A file here that is immutable has its place in the vault by a second name.
                log.warning("left in the staging folder", name=lock_path.name, reason=str(error))
            finally:
                os.close(descriptor)
    return count


def _locked(above: Path, name: str) -> tuple[Path, int]:
    """A new lock file, locked: nobody swept it between its making and its locking."""
    while True:
        path = above / f"{name}.{secrets.token_hex(4)}{_LOCK_SUFFIX}"
        with contextlib.suppress(FileNotFoundError, BlockingIOError, AlreadyExists):
            files.write_new(path, b"", mode=0o600)
            return path, _taken(path)


def _taken(path: Path) -> int:
    """An open descriptor that holds the lock of the file that still is at ``path``.

    Raises:
        BlockingIOError: another process holds it. FileNotFoundError: it went away meanwhile.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise FileNotFoundError(path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _remove_folder(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
