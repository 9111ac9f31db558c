"""Proves who stands at a terminal: commands that act in somebody's name ask for the password."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from access import credentials, signals
from access.models import User
from sealing.errors import Forbidden, Invalid


class NotProven(Forbidden):
    """Account, password or one-time code is not right."""

    code = "credentials_invalid"


def add_arguments(parser: ArgumentParser) -> None:
    """Declares who acts and how the password is given."""
    parser.add_argument("--as", dest="username", required=True, help="the account that acts")
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="read the account's password from FILE instead of asking",
    )
    parser.add_argument("--otp", default="", help="the one-time code, where the account needs one")


def proven_account(options: dict[str, Any]) -> User:
    """The account that the options and the password prove.

    Raises:
        NotProven: recorded. Invalid: the file can't be read, or nobody can be asked.
    """
    username = options["username"]
    password = read_password(options["password_file"], username, "--password-file")
    user = credentials.account_with(username=username, password=password, otp=options["otp"])
    if user is None:
        signals.sign_in_failed.send(proven_account, request=None, username=username)
        raise NotProven("Account, password or one-time code is not right.")
    return user


def read_password(file: Path | None, username: str, option: str) -> str:
    """A password from a file, or asked for at a terminal."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"The file can't be read: {type(error).__name__}.", field=option) from (
                error
            )
    if not sys.stdin.isatty():
        raise Invalid("It is needed where nobody can be asked.", field=option)
    return getpass.getpass(f"Password of {username}: ")
