"""The child's walls: limits of the operating system, and a hook that refuses what leads outside.

The renderer already refuses every resource that a document could name. These walls stand behind
it: were that to fail, the attempt is refused here too, and the whole packet fails with it.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

MAX_OPEN_FILES: Final = 64
# Audit events (PEP 578) that reach other machines or other programs.
_REFUSED: Final = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "pty.",
    "urllib.",
    "http.",
    "ftplib.",
    "smtplib.",
    "webbrowser.",
    "shutil.",
    "ctypes.dlopen",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.truncate",
)
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Refused(PermissionError):
    """The renderer tried something that no packet needs."""


class Guard:
    """Refuses connections, programs and files; remembers what it refused."""

    def __init__(self, readable: Iterable[Path]) -> None:
        self.refused: list[str] = []
        self._readable = tuple(os.path.realpath(path) + os.sep for path in readable)

    def stand(self) -> None:
        """From now on, until the process ends: a hook can't be taken away."""
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            self._opened(*arguments)
        elif event.startswith(_REFUSED):
            self._refuse(f"{event} {arguments[:2]!r}")

    def _opened(self, path: object, mode: object, flags: int) -> None:
        if isinstance(path, int):
            return
        name = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        if flags & _WRITING or not name.startswith(self._readable):
            self._refuse(f"open {name!r}")

    def _refuse(self, what: str) -> None:
        self.refused.append(what)
        raise Refused(f"The renderer may not do this: {what}")


def set_limits(*, memory_bytes: int, cpu_seconds: int, file_bytes: int) -> None:
    """Limits that the process can't raise again."""
    for which, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (most, most))


def program_folders() -> list[Path]:
    """Where the interpreter, its libraries and our own program lie."""
    own = Path(__file__).resolve().parents[2]
    folders = {Path(entry).resolve() for entry in (sys.prefix, sys.base_prefix, *sys.path)}
    found = [path for path in folders if path.is_dir() and not own.is_relative_to(path)]
    # Of our own tree only code and templates, and none of what an installation keeps there.
    return [*found, *(own / name for name in ("reports", "sealing", "templates"))]
