"""What only the operating system can give: a test that needs an absent tool names it."""

from __future__ import annotations

import os
import shutil

import pytest


def require_tool(name: str) -> str:
    """The path of the program ``name``.

    Without it the test is skipped and names it; with ``STRONGROOM_REQUIRE=all`` it fails instead.
    """
    found = shutil.which(name)
    if found is not None:
        return found
    reason = f"needs {name}, which is not installed here (make tools)"
    if os.environ.get("STRONGROOM_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)
