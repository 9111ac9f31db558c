"""Settings from the environment and from files."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import read_environment


def test_value_from_file_loses_only_its_last_newline(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret with a trailing space \n")
    env = read_environment({"SECRET_KEY_FILE": str(secret)})
    assert env.str("SECRET_KEY") == "a secret with a trailing space "


def test_value_and_file_together_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("one")
    with pytest.raises(ImproperlyConfigured, match="not both"):
        read_environment({"SECRET_KEY": "two", "SECRET_KEY_FILE": str(secret)})


def test_unreadable_file_is_named_without_its_content(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE cannot be read"):
        read_environment({"SECRET_KEY_FILE": str(tmp_path / "absent")})


@pytest.mark.parametrize("value", ["$HOME", "$$x", r"a\$b", "pa$$word", "plain"])
def test_dollar_signs_are_kept(value: str) -> None:
    assert read_environment({"SECRET_KEY": value, "HOME": "/root"}).str("SECRET_KEY") == value


def test_files_of_other_programs_are_not_opened() -> None:
    read_environment({"SSL_CERT_FILE": "/nonexistent"})
