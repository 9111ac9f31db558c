"""The jobs of the audit trail, which every installation has. Times are UTC, and none collide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from audit import recurring
from audit.events import Actor
from audit.services import kafka
from ops.registry import JobType, RunContext, no_payload, platform, register

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def connect() -> None:
    """Registers the types; called once, at start-up."""
    every_minute = partial(_register, default_cron="* * * * *", max_attempts=1, is_recorded=False)
    every_minute(
        "audit_archive",
        recurring.archive,
        "Archives what was sealed, and has it stamped.",
        timeout_seconds=_seconds(_DAY),
    )
    every_minute(
        "stream_relay",
        recurring.stream,
        "Sends sealed events to Kafka, where configured.",
        timeout_seconds=_seconds(_HOUR),
        is_wanted=kafka.is_configured,
    )
    _register(
        "audit_heartbeat",
        recurring.heartbeat,
        "Signs and archives a checkpoint.",
        default_cron="7 * * * *",
        timeout_seconds=_seconds(_HOUR),
        is_recorded=False,
    )
    _register(
        "retention_sweep",
        recurring.sweep,
        "Extends locks, tells where they are short, lets go of the oldest local copies.",
        default_cron="23 0 * * *",
        timeout_seconds=_seconds(6 * _HOUR),
    )
    _register(
        "audit_verify",
        recurring.verify,
        "Verifies the look-back window, database and archive.",
        default_cron="11 1 * * *",
        timeout_seconds=_seconds(6 * _HOUR),
        first_after=_HOUR,
    )
    _register(
        "audit_verify_month",
        recurring.verify_a_month,
        "Verifies a full month, each in its turn.",
        default_cron="41 2 * * 0",
        timeout_seconds=_seconds(_DAY),
        first_after=_DAY,
    )
    _register(
        "restore_drill",
        recurring.drill,
        "Restores samples into a scratch schema.",
        default_cron="37 4 15 1 *",
        timeout_seconds=_seconds(6 * _HOUR),
        first_after=7 * _DAY,
        needs_trail=True,
    )


def _register(
    name: str, work: Callable[..., dict[str, Any]], description: str, **options: Any
) -> None:
    register(
        JobType(
            name=name,
            description=description,
            run=lambda context: _run(work, context),
            validate=no_payload,
            client_of=platform,
            **{"needs_trail": False, **options},
        )
    )


def _run(work: Callable[..., dict[str, Any]], context: RunContext) -> dict[str, Any]:
    actor: Actor = context.actor
    return work(actor=actor)


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
