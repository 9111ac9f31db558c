"""Who stands at the console: what the recovery commands write down as the actor."""

from __future__ import annotations

import os
import pwd
import re
import socket

from audit.events import Actor

_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]+")


def operator() -> Actor:
    """The host's account that runs the command, and the one that called sudo, if any did.

    Recovery works where no account of Strongroom may exist any more, so the host vouches for
    who it was. Two people's approval comes before the command, not in it.
    """
    name = os.environ.get("SUDO_USER") or _login()
    return Actor.system(f"console:{_plain(name)}@{_plain(socket.gethostname())}")


def _login() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


def _plain(text: str) -> str:
    return _UNUSUAL.sub("-", text)[:100]
