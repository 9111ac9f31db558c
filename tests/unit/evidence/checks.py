"""Shorthands of the verification tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from evidence.formats.report import PackageReport
from evidence.formats.verification import Sidecars, verify_package
from sealing import canonical
from sealing.keys import Signers
from tests.unit.evidence import making
from tests.unit.evidence.making import Made


def check(made: Made, sidecars: Sidecars | None = None, **options: Any) -> PackageReport:
    signers: Signers = options.pop("signers", making.signers())
    return verify_package(made.data, sidecars or made.sidecars, signers, **options)


def codes(report: PackageReport) -> set[str]:
    return {issue.code for issue in report.issues}


def edited(raw: bytes | None, change: Callable[[dict[str, Any]], object]) -> bytes:
    """A canonical document in which ``change`` was made, canonical again."""
    assert raw is not None
    value = json.loads(raw)
    change(value)
    return canonical.document(value)
