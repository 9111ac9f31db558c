"""The shell lines of a runbook, run as they are printed."""

from __future__ import annotations

import re
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^ *```bash\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SECONDS = 90


def blocks(text: str) -> list[str]:
    """The text's shell blocks, each as it is printed."""
    return [textwrap.dedent(block) for block in _BLOCK.findall(text)]


def commands(text: str) -> list[str]:
    """Every command in the text's shell blocks, its continued lines joined; comments left out."""
    found = []
    for block in blocks(text):
        joined = block.replace("\\\n", " ")
        lines = (line.strip() for line in joined.splitlines())
        found += [line for line in lines if line and not line.startswith("#")]
    return found


@dataclass(frozen=True)
class Shell:
    """Somebody at a terminal, in a folder of his own.

    Attributes:
        replaced: what stands for something in the text, and what it stands for here.
    """

    folder: Path
    replaced: Mapping[str, str]

    def __post_init__(self) -> None:
        # curl tells what it got, and the line stays as it is printed.
        (self.folder / ".curlrc").write_text("dump-header = headers\nsilent\n")

    def run(self, line: str, output: str = "", **others: str) -> subprocess.CompletedProcess[str]:
        """Runs a line with bash.

        Args:
            output: a file that what it prints is saved to.
            others: files that take the place of others in it.
        """
        for printed, here in {**self.replaced, **others}.items():
            line = line.replace(printed, here)
        return subprocess.run(
            ["bash", "-c", f"{line} > {output}" if output else line],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @property
    def status(self) -> int:
        """Of the last answer that curl got."""
        return int(self._headers[0].split()[1])

    def header(self, name: str) -> str:
        """A header of the last answer."""
        found = (line.partition(":") for line in self._headers[1:])
        return {field.lower(): value.strip() for field, _, value in found}[name.lower()]

    @property
    def _headers(self) -> list[str]:
        return (self.folder / "headers").read_text().splitlines()
