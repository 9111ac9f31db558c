"""JSON values as facts for people; rooms to the left say more about types of theirs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from access.admin import components
from access.admin.forms import ActionForm
from ops.models import Run

Facts = list[tuple[str, Any]]
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class PayloadForm(ActionForm):
    """The part of "Register a job" that asks for a type's payload; for overriding."""

    def payload(self) -> dict[str, Any]:
        """The payload that the answers make; the type's own `validate` has the last word."""
        return {}


def plain(values: Mapping[str, Any]) -> Facts:
    """Every member of a payload or result, by its name."""
    return [(label(name), shown(value)) for name, value in values.items()]


def of_result(run: Run) -> Facts:
    """What came of a run, as its summary has it."""
    return plain(run.result_summary)


@dataclass(frozen=True, slots=True)
class Pages:
    """What the pages of jobs and runs show and ask for, for one type of job.

    Attributes:
        form: asks for the payload of a new job.
        asked: facts from a payload.
        came: facts from a finished run.
    """

    form: type[PayloadForm] = PayloadForm
    asked: Callable[[Mapping[str, Any]], Facts] = plain
    came: Callable[[Run], Facts] = of_result


_pages: dict[str, Pages] = {}


def register(job_type: str, pages: Pages) -> None:
    """Says how jobs and runs of a type are shown; called from ``AppConfig.ready``.

    Raises:
        RuntimeError: somebody said so already.
    """
    if job_type in _pages:
        raise RuntimeError(f"The pages of {job_type} are registered already.")
    _pages[job_type] = pages


def pages_of(job_type: str) -> Pages:
    """How jobs and runs of that type are shown."""
    return _pages.get(job_type, Pages())


def label(name: str) -> str:
    """A member's name in words."""
    return capfirst(name.replace("_", " "))


def shown(value: Any) -> Any:
    """A value of JSON as pages show it."""
    if value is None or value == "":
        return components.NOTHING
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or components.NOTHING
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


def _text(value: str) -> str | SafeString:
    if _DIGEST.fullmatch(value):
        return components.digest(value, full=True)
    if _TIME.fullmatch(value):
        return components.when(value)
    if "/" in value and " " not in value:
        return components.identifier(value)
    return value
