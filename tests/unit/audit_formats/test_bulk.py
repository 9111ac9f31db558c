"""The collector is off only as long as it should be."""

from __future__ import annotations

import gc

import pytest

from audit.bulk import without_collection


def test_collecting_goes_on_afterwards() -> None:
    with without_collection():
        assert not gc.isenabled()
        with without_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_collecting_goes_on_after_a_failure() -> None:
    with pytest.raises(LookupError), without_collection():
        raise LookupError
    assert gc.isenabled()
