"""A token in software (SoftHSM): the protocol of a hardware module, with its keys in a folder."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType

from sealing.wrapping.pkcs11 import Pkcs11Options
from tests.tools import require_tool

_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib64/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
_LABEL, _PIN, _SO_PIN = "strongroom", "one-two-three", "four-five-six"


@dataclass(frozen=True)
class Token:
    """A token of one test.

    Attributes:
        module: the library that speaks PKCS#11.
        label: the token's.
        pin: its user's.
    """

    module: str
    label: str
    pin: str

    def options(self, key_label: str = "vault-1") -> Pkcs11Options:
        """How a wrapper reaches a key of it."""
        return Pkcs11Options(self.module, self.label, self.pin, key_label)

    def make_key(self, label: str = "vault-1", *, bits: int = 256, **attributes: Any) -> None:
        """Makes an AES key that can't be extracted, unless ``attributes`` say otherwise."""
        template = {
            "EXTRACTABLE": False,
            "SENSITIVE": True,
            "ENCRYPT": True,
            "DECRYPT": True,
            "WRAP": True,
            "UNWRAP": True,
            **attributes,
        }
        library = pkcs11.lib(self.module)
        try:
            token = library.get_token(token_label=self.label)
            with token.open(rw=True, user_pin=self.pin) as session:
                session.generate_key(
                    KeyType.AES,
                    bits,
                    label=label,
                    store=True,
                    template={Attribute[name]: value for name, value in template.items()},
                )
        finally:
            library.finalize()


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Token]:
    """A new token with the key ``vault-1``."""
    tool = require_tool("softhsm2-util")
    folder = tmp_path / "tokens"
    folder.mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
    module = next((path for path in _MODULES if Path(path).exists()), None)
    assert module is not None, "softhsm2-util is installed and its library is not found"
    subprocess.run(
        [tool, "--init-token", "--free", "--label", _LABEL, "--pin", _PIN, "--so-pin", _SO_PIN],
        check=True,
        capture_output=True,
    )
    made = Token(module, _LABEL, _PIN)
    made.make_key()
    yield made
