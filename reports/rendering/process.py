"""The renderer from outside: a child process that is given a document and little else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sealing.errors import StrongroomError, Unavailable

TIMEOUT_SECONDS: Final = 180.0
# Of address space: the interpreter with its libraries maps about 150 MiB, and 10,000 rows take
# 20 MiB more. Past this the child ends instead of the machine.
MEMORY_BYTES: Final = 512 << 20
MAX_PDF_BYTES: Final = 256 << 20
_PROJECT: Final = Path(__file__).parents[2]
_TOLD: Final = 2000
# A library that finds no room when it is loaded says so in words of its own.
_OUT_OF_MEMORY: Final = ("MemoryError", "failed to map segment", "Cannot allocate memory")


class RenderingFailed(StrongroomError):
    """The PDF could not be made; the message says what stopped the renderer."""

    code = "rendering_failed"


class RendererStopped(RenderingFailed, Unavailable):
    """Time, memory or a signal ended the renderer: what a busy machine does to it may pass."""

    code = "rendering_killed"


def render(
    document: Mapping[str, Any],
    *,
    json_sha256: str,
    timeout_seconds: float = TIMEOUT_SECONDS,
    memory_bytes: int = MEMORY_BYTES,
) -> bytes:
    """The PDF of a packet's document, unsigned: the same bytes for the same document.

    It is made by ``python -m reports.rendering``, which has no settings, no database and no
    secrets, limits its own memory, CPU time and files, and refuses every connection and every file
    that is not part of the program.

    Args:
        document: the packet's document (docs/formats.md); every text in it is shown as it is.
        json_sha256: ``sha256:…`` of the JSON packet, printed on every page.
        timeout_seconds: after so long the child is killed.
        memory_bytes: how much address space it may have.

    Raises:
        RendererStopped: time, memory or a signal ended it, which may pass.
        RenderingFailed: it failed at the document.
    """
    # ASCII, so that a lone surrogate travels as it is and is shown as what it is.
    request = json.dumps({"document": document, "json_sha256": json_sha256}).encode("ascii")
    command = [
        *(sys.executable, "-P", "-m", "reports.rendering"),
        *("--memory-bytes", str(memory_bytes)),
        *("--cpu-seconds", str(max(1, round(timeout_seconds)))),
        *("--file-bytes", str(MAX_PDF_BYTES)),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, by this interpreter, no shell
            command,
            input=request,
            capture_output=True,
            timeout=timeout_seconds,
            env=_environment(),
            cwd="/",
            close_fds=True,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RendererStopped(
            f"The PDF was not done after {timeout_seconds:g} seconds, and the renderer was ended.",
            code="rendering_timeout",
        ) from error
    except OSError as error:
        raise RendererStopped(
            f"The renderer could not be started: {error.strerror}.", code="rendering_not_started"
        ) from error
    if done.returncode:
        raise _failure(done.returncode, done.stderr)
    if not done.stdout.startswith(b"%PDF-"):
        raise RenderingFailed("The renderer gave no PDF.")
    return done.stdout


def _environment() -> dict[str, str]:
    """What Python needs to find this package, and nothing that the service knows."""
    return {
        "PYTHONPATH": str(_PROJECT),
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent",
        "PATH": os.defpath,
    }


def _failure(returncode: int, stderr: bytes) -> RenderingFailed:
    told = stderr.decode("utf-8", "replace").strip()[-_TOLD:]
    last = told.splitlines()[-1] if told else ""
    if any(sign in told for sign in _OUT_OF_MEMORY):
        return RendererStopped(
            "The renderer ran out of the memory that it may have.", code="rendering_memory"
        )
    if returncode < 0:
        return RendererStopped(
            f"The renderer was ended by signal {-returncode}: {last}".rstrip(": "),
            code="rendering_killed",
        )
    return RenderingFailed(f"The renderer failed: {last or f'exit code {returncode}'}")
