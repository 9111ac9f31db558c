"""Who is written down as having run a command, and how progress is shown."""

from __future__ import annotations

import io

import pytest

from audit.services.recovery import console
from audit.services.recovery.reporting import Reporter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_whoever_called_sudo_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "olivia o'neil")
    assert console.operator().id.startswith("service:console:olivia-o-neil@")
    monkeypatch.delenv("SUDO_USER")
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    assert console.operator().id.startswith("service:console:uid-4000000000@")


def test_a_log_gets_few_lines() -> None:
    stream = io.StringIO()
    with Reporter(stream) as reporter:
        for done in range(1000):
            reporter("restored", done, 1000)
        reporter("checked", 5, None)
    assert stream.getvalue() == "restoring: 0 of 1000\nverifying what was restored: 5\n"


def test_a_terminal_has_one_line_that_is_renewed() -> None:
    stream = Terminal()
    with Reporter(stream) as reporter:
        reporter("verified", 1, 2)
        reporter("restored", 2, 2)
    assert stream.getvalue() == ("\r\x1b[Kverifying the archive: 1 of 2\r\x1b[Krestoring: 2 of 2\n")
