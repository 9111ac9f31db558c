"""Carrying out one run: once, however often it is delivered, and never without an end.

The claim is a compare and set on the run's row; a thread of its own renews the lease, so that slow
work keeps it and a dead process loses it. A job has to be safe to begin anew at any point.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections

from audit.events import Actor
from audit.failpoints import reach
from ops import registry, stopping
from ops.models import Run
from ops.services import claims, runs
from ops.services.holding import Context, Interrupted, LeaseLost, Why, hold
from sealing.errors import Forbidden, NotFound, StrongroomError, Unavailable

__all__ = ["Context", "Interrupted", "LeaseLost", "NoAuthority", "execute"]

_RETRY_SECONDS = 1.0
log = structlog.get_logger(__name__)


class NoAuthority(Forbidden):
    """The account in whose name a run acts may not do this any more."""


def execute(run_id: uuid.UUID) -> Run | None:
    """Carries a run out, if it waits or was lost by whoever had it.

    Returns:
        The run as it then is; None where there was nothing to do: another one has it, it has
        ended, its pause is not over, or this worker is to stop.

    Raises:
        RuntimeError: a transaction is open, so that nobody else could see the claim.
    """
    if connection.in_atomic_block:
        raise RuntimeError("A run is carried out outside of any transaction.")
    if stopping.is_stopping():
        return None
    has_begun = claims.has_begun(run_id)
    run = claims.claim(run_id)
    if run is None:
        return None
    reach("run_claimed")
    with structlog.contextvars.bound_contextvars(run_id=str(run.pk), job_type=run.job_type):
        _attempt(run, has_begun=has_begun)
    return Run.objects.get(pk=run.pk)


def _attempt(run: Run, *, has_begun: bool) -> None:
    actor = Actor.of(run.account) if run.account else Actor.system("scheduler")
    context = Context(run, actor)
    try:
        if not has_begun:
            _ensure_wanted(run)
        summary = _carry_out(context)
    except LeaseLost:
        log.warning("the lease was lost: left to whoever has it now")
    except Interrupted:
        _begin_anew()
        _leave(context)
    except (KeyboardInterrupt, SystemExit):
        _begin_anew()
        _fail(context, "interrupted", "It was interrupted.")
        raise
    except (StrongroomError, DatabaseError, InterfaceError, OSError) as error:
        _failed(context, error)
    except Exception as error:
        # A mistake in a job must end its run, not the worker.
        log.exception("a run failed in a way that nobody foresaw")
        connections.close_all()
        message = f"{type(error).__name__}: the worker's log says more, under run {run.pk}."
        _fail(context, "internal_error", message)
    else:
        reach("run_done")
        _store(lambda: claims.succeed(run, summary, actor=actor, **context.values()))


def _carry_out(context: Context) -> dict[str, Any]:
    kind = registry.get(context.run.job_type)
    _require_authority(context.run, kind)
    return hold(context, kind.run, timeout_seconds=kind.timeout_seconds)


def _ensure_wanted(run: Run) -> None:
    """Its job may have been disabled while it waited; what has begun before is finished."""
    if run.job is not None and not run.job.is_enabled:
        raise runs.JobDisabled(f"The job {run.job.name} was disabled before this run began.")


def _require_authority(run: Run, kind: registry.JobType) -> None:
    """Whoever's authority it has still has it, now that it is used."""
    if run.account is None:
        return
    name = run.account.username
    if not run.account.is_active:
        raise NoAuthority(f"The account {name}, in whose name this runs, is closed.")
    try:
        runs.require_may_run(run.account, kind, run.client_id, by_job=run.job_id is not None)
    except (Forbidden, NotFound) as error:
        raise NoAuthority(
            f"The account {name}, in whose name this runs, may not do it any more."
        ) from error


def _begin_anew() -> None:
    """Leaves connections that may be in the middle of anything: of an answer, of a transaction."""
    for open_one in connections.all(initialized_only=True):
        open_one.close()
        del connections[open_one.alias]


def _leave(context: Context) -> None:
    """Ends what was interrupted."""
    run = context.run
    if context.why is Why.STOPPING:
        log.info("the worker stops: the run is left to another one")
        _store(lambda: claims.give_back(run))
    elif context.why is Why.TIMEOUT:
        seconds = registry.get(run.job_type).timeout_seconds
        _fail(context, "run_timeout", f"It was not done within {seconds} seconds.")
    else:
        log.warning("the lease was lost: left to whoever has it now")


def _failed(context: Context, error: Exception) -> None:
    run = context.run
    code, message = reason_of(error)
    if isinstance(error, (DatabaseError, InterfaceError)):
        connections.close_all()
    passes = isinstance(error, (Unavailable, OperationalError, InterfaceError))
    if not passes or run.attempts >= run.max_attempts:
        _fail(context, code, message)
        return
    after = claims.pause_after(run.attempts)
    log.warning("a run will be tried again", code=code, reason=message, after=str(after))
    _store(lambda: claims.put_back(claims.held(run), run, code=code, message=message, after=after))


def reason_of(error: Exception) -> tuple[str, str]:
    """Code and message for people: never SQL, a traceback, or anything secret."""
    if isinstance(error, StrongroomError):
        return error.code, error.message
    if isinstance(error, (DatabaseError, InterfaceError)):
        return "database_error", f"The database did not do as it should ({type(error).__name__})."
    text = getattr(error, "strerror", None) or type(error).__name__
    name = getattr(error, "filename", None)
    return "io_error", f"{text}: {name}" if name else f"{text}."


def _fail(context: Context, code: str, message: str) -> None:
    run = context.run
    log.error("a run failed", code=code, reason=message)
    _store(
        lambda: claims.fail(
            claims.held(run),
            run,
            actor=context.actor,
            code=code,
            message=message,
            **context.values(),
        )
    )


def _store(move: Callable[[], bool]) -> None:
    """Writes how it ended, also if the database is away for a moment; else the sweeper finds it."""
    end = time.monotonic() + claims.LEASE.total_seconds()
    while True:
        try:
            if not move():
                log.warning("the lease was lost: the outcome is not stored")
            return
        except (OperationalError, InterfaceError) as error:
            connections.close_all()
            if time.monotonic() > end or stopping.is_stopping():
                log.error("the outcome could not be stored", kind=type(error).__name__)
                return
            time.sleep(_RETRY_SECONDS)
