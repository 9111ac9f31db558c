"""Types of jobs that only tests have, and jobs of them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops import registry
from ops.models import Job, Run
from ops.registry import JobType, RunContext
from tests.factories import World

NAME = "numbered"
STEPS = 4


def numbered(context: RunContext) -> dict[str, Any]:
    """Notes each step in a file; dies without warning where the payload says so, the first time.

    What it makes is one file for each run, under a name that only one attempt can take.
    """
    payload = context.run.payload
    folder = Path(payload["folder"])
    for step in range(1, STEPS + 1):
        if payload.get("dies_at") == step and context.run.attempts <= payload.get("dies", 1):
            os.kill(os.getpid(), signal.SIGKILL)
        context.progress(step, STEPS, unit="steps", step=f"step {step}")
        with (folder / "steps").open("a") as notes:
            notes.write(f"{context.run.pk} {context.run.attempts} {step}\n")
    made = folder / f"made-{context.run.pk}"
    made.touch(exist_ok=True)
    return {"made": made.name}


def kind(
    run: Callable[[RunContext], dict[str, Any]] = numbered, *, name: str = NAME, **options: Any
) -> JobType:
    """A type whose payload names the client, if any."""
    return JobType(
        **{
            "name": name,
            "description": "Counts to four.",
            "run": run,
            "validate": dict,
            "client_of": lambda payload: payload.get("client_id"),
            "is_builtin": False,
            "may_register": True,
            **options,
        }
    )


def add(monkeypatch: pytest.MonkeyPatch, added: JobType | None = None) -> JobType:
    """Makes the type known until the test ends."""
    added = added or kind()
    monkeypatch.setitem(registry._types._entries, added.name, added)
    return added


def job_of(
    world: World,
    payload: Mapping[str, Any] | None = None,
    *,
    owner: str | None = None,
    **fields: Any,
) -> Job:
    """A job of the type, Strongroom's own unless ``owner`` says whose it is."""
    return Job.objects.create(
        **{
            "name": "counting",
            "job_type": NAME,
            "payload": dict(payload or {}),
            "owner": world.user(owner) if owner else None,
            "windows_through": datetime(2026, 1, 1, tzinfo=UTC),
            **fields,
        }
    )


def run_of(of: Job, /, **fields: Any) -> Run:
    """A run of a job that waits, and is not in the queue."""
    return Run.objects.create(
        **{
            "job": of,
            "job_type": of.job_type,
            "client_id": of.client_id,
            "payload": of.payload,
            "triggered_by": "user:alice",
            "account": of.owner,
            "intended_at": datetime(2026, 1, 2, tzinfo=UTC),
            **fields,
        }
    )


def sleepy(context: RunContext) -> dict[str, Any]:
    """Takes long, step by step."""
    for step in range(600):
        context.progress(step, 600, unit="naps", step="sleeping")
        time.sleep(0.1)
    return {}


def stubborn(context: RunContext) -> dict[str, Any]:
    """Takes long and does not listen; only being killed ends it."""
    for _ in range(100):
        with contextlib.suppress(BaseException):
            time.sleep(60)
    return {}
