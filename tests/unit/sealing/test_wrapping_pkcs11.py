"""Wrapping on a token, as far as no token is needed (tests/real/test_pkcs11.py has the rest)."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from sealing.wrapping import base
from sealing.wrapping.base import Purpose, WrapperRefused
from sealing.wrapping.pkcs11 import Pkcs11Options, Pkcs11Wrapper

CONTEXT = base.context_of("clinic-001", "evidence_20260202T093000Z_0a1b2c3d", Purpose.DIGEST)
OPTIONS = Pkcs11Options("/nowhere/module.so", "strongroom", "the-pin", "vault-1")


def test_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(WrapperRefused, match=r"strongroom\[pkcs11\]") as caught:
        Pkcs11Wrapper(OPTIONS)
    assert caught.value.code == "pkcs11_missing"


@pytest.mark.parametrize("name", ["module", "token_label", "key_label"])
def test_options_are_all_needed(name: str) -> None:
    with pytest.raises(WrapperRefused):
        Pkcs11Wrapper(replace(OPTIONS, **{name: ""}))


def test_module_that_is_not_there_is_named() -> None:
    with pytest.raises(WrapperRefused, match="/nowhere/module"):
        Pkcs11Wrapper(OPTIONS).wrap(bytes(32), CONTEXT)


def test_pin_is_not_shown() -> None:
    assert "the-pin" not in repr(OPTIONS)
    assert "the-pin" not in repr(Pkcs11Wrapper(OPTIONS))
