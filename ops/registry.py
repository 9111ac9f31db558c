"""The closed list of job types. Rooms to the left add theirs at start-up; then it is frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Protocol

from access.roles import Action
from audit.events import Actor
from ops.closed import ClosedList
from ops.models import Run
from sealing.errors import Invalid, NotFound


class UnknownJobType(NotFound):
    """There is no such type of job."""

    code = "unknown_job_type"


class RunContext(Protocol):
    """What a job type's function is given (ops/services/execution.py makes it)."""

    run: Run
    actor: Actor

    def progress(
        self, done: int, total: int | None = None, *, unit: str = "", step: str = ""
    ) -> None:
        """Tells how far it is, at most once a second; also ensures that the run is still held."""

    def ensure_held(self) -> None:
        """Raises LeaseLost where another attempt may have taken over."""


class MakeUp(Enum):
    """What becomes of windows that passed while no worker ran."""

    EACH = "each"  # each gets a run of its own, oldest first
    LATEST = "latest"  # only the last one counts


@dataclass(frozen=True, slots=True)
class JobType:
    """What may be done as a job.

    Attributes:
        name: as the API gives it; never changes, since jobs and runs name it.
        description: one line for people.
        permission: what somebody who runs it by hand must be allowed, besides RUN_JOB. None:
            RUN_JOB for the platform is enough.
        job_permission: what also suffices where a registered job fixes what is done.
        validate: the payload as it will be stored, given what was sent and the client; raises
            Invalid with ``field`` naming the member.
        client_of: the client whose evidence it concerns, from a payload; None for the platform.
        run: does it. Returns the summary that the API gives. Raises StrongroomError; a transient
            one (`Unavailable`) is tried again, any other fails the run.
        default_cron: of the built-in job, UTC; empty where it runs only when asked.
        is_builtin: every installation has one job of this name.
        may_register: further jobs of the type can be made.
        timeout_seconds: how long one attempt may take.
        max_attempts: how often it is tried.
        make_up: see MakeUp.
        on_failed: is called with ``run``, ``code`` and ``message`` when a run failed and its own
            function could not say so (its worker died, its time ran out, its account was closed),
            so that nothing half-made stays. It is called again now and then for a day, in case it
            could not do it the first time, so it must do nothing where nothing is left to do.
        is_recorded: whether runs that end well are recorded as events. What runs every minute
            would feed the log for ever; its failures are recorded all the same, once per change.
        first_after: how long a new installation waits with the built-in job's first window, until
            there is something to do.
        is_wanted: whether there is anything to do in this installation; where there is not, the
            windows pass without runs.
        needs_trail: it can't be done while nothing is recorded (AUDIT_ENABLED), so its windows and
            runs wait until something is. Not so the upkeep of what was recorded before.
    """

    name: str
    description: str
    run: Callable[[RunContext], dict[str, Any]]
    validate: Callable[[Mapping[str, Any]], dict[str, Any]]
    client_of: Callable[[Mapping[str, Any]], str | None]
    permission: Action | None = None
    job_permission: Action | None = None
    default_cron: str = ""
    is_builtin: bool = True
    may_register: bool = False
    timeout_seconds: int = 3600
    max_attempts: int = 3
    make_up: MakeUp = MakeUp.LATEST
    on_failed: Callable[..., None] | None = None
    is_recorded: bool = True
    first_after: timedelta = timedelta()
    is_wanted: Callable[[], bool] = lambda: True
    needs_trail: bool = True


_types: ClosedList[JobType] = ClosedList("Job type", unknown=UnknownJobType, field="job_type")
register, freeze, get, all_types = _types.register, _types.freeze, _types.get, _types.all


def no_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The `validate` of types that take none.

    Raises:
        Invalid: something was sent.
    """
    if payload:
        raise Invalid("Jobs of this type take no payload.", field="payload")
    return {}


def platform(payload: Mapping[str, Any]) -> str | None:
    """The `client_of` of types that concern the whole installation."""
    return None
