"""Packets as runs: what the doors ask for, and what the worker does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import structlog
from django.db import DatabaseError, InterfaceError, connection, transaction

from access import policy
from access.roles import Action
from audit.events import Actor
from audit.services import clock, trail
from evidence.formats.names import PLATFORM
from evidence.services.outcomes import described
from ops.models import Run, RunStatus
from ops.registry import RunContext
from ops.services.execution import execute
from ops.services.holding import LeaseLost
from ops.services.runs import request_once, wait_for
from reports.formats.period import Period
from reports.models import Packet, PacketStatus
from reports.services import making, outcomes, planning, requests
from reports.services.errors import (
    NotAPerson,
    NothingToRevise,
    PacketFailed,
    PacketsDelayed,
    PacketsFailed,
)
from reports.services.requests import PacketRequest
from sealing.errors import StrongroomError, Unavailable
from sealing.times import format_time

JOB_TYPE: Final = "generate-soc2-evidence"
WAIT_SECONDS: Final = 30.0
_OPEN: Final = (RunStatus.QUEUED, RunStatus.RUNNING)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Requested:
    """A packet that was asked for.

    Attributes:
        run: makes it, or has made it.
        packet: what came of it; None while the run goes on.
        is_new: it was made for this request, rather than found.
    """

    run: Run | None
    packet: Packet | None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """Tells of one packet of a run's, as a `Watch`: the run counts packets."""

    context: RunContext
    name: str
    number: int
    total: int

    def progress(
        self, done: int, total: int | None = None, *, unit: str = "", step: str = ""
    ) -> None:
        """See `Watch`."""
        told = f"{self.name}: {step}" if step else self.name
        self.context.progress(self.number, self.total, unit="packets", step=told)

    def ensure_held(self) -> None:
        """See `Watch`."""
        self.context.ensure_held()


@dataclass(frozen=True, slots=True)
class _Failure:
    request: PacketRequest
    error: Exception


def find(*, client_id: str | None, period: Period) -> Packet | None:
    """The newest complete packet of a client (None: the platform) and period, if there is one."""
    return planning.newest(client_id, period)


def request_packet(
    *,
    actor: Actor,
    client_id: str | None,
    period: Period,
    revise: bool = False,
    reason: str = "",
    wait_seconds: float = WAIT_SECONDS,
) -> Requested:
    """The packet of a client and period; queues the making where there is none, and waits a while.

    One that was made before the period was over does not count once it is over: a revision is made.

    Args:
        actor: Who asks; the person becomes the maker of a packet that is made.
        client_id: Whose packet; None for the platform.
        period: What it covers.
        revise: Make a further revision, though there is a packet.
        reason: Why; needed for a revision.
        wait_seconds: How long to wait; the run goes on afterwards.

    Raises:
        Forbidden, NotFound: The actor may not make packets of this client, or is not a person.
        Invalid: A field can't be accepted.
        NothingToRevise: There is no packet of this client and period yet.
        PacketFailed: The run failed meanwhile, with its code and message.
    """
    request = _checked(actor, client_id, period, revise, reason)
    found = _existing(request)
    if found is not None:
        return Requested(found.run, found)
    return _told(wait_for(_run_of(actor, request), wait_seconds))


def generate_now(
    *,
    actor: Actor,
    client_id: str | None,
    period: Period,
    revise: bool = False,
    reason: str = "",
) -> Packet:
    """The packet of a client and period, made in this process by a run like any other.

    Raises:
        As `request_packet`. PacketFailed with the code ``run_goes_on``: a worker makes it.
    """
    request = _checked(actor, client_id, period, revise, reason)
    found = _existing(request)
    if found is not None:
        return found
    run = _run_of(actor, request)
    execute(run.pk)
    run.refresh_from_db()
    requested = _told(run)
    if requested.packet is None:
        raise PacketFailed(
            f"The worker goes on with run {run.pk}. {run.error_message}".rstrip(),
            code="run_goes_on",
        )
    return requested.packet


def carry_out(context: RunContext) -> dict[str, Any]:
    """The job type's function: every packet of the run. Returns the run's summary.

    The failure of one does not keep the others from being made.

    Raises:
        PacketsDelayed, PacketsFailed: naming those that failed and why; where one packet was asked
            for, what `making.make` raises.
    """
    asked = requests.of_payload(context.run.payload)
    wanted = requests.scopes(asked, context.run.intended_at)
    made: list[Packet] = []
    failures: list[_Failure] = []
    for number, request in enumerate(wanted):
        watch = _Part(context, request.name, number, len(wanted))
        try:
            made.append(
                making.make(actor=context.actor, request=request, run=context.run, watch=watch)
            )
        except (LeaseLost, DatabaseError, InterfaceError):
            raise  # of no single packet: it concerns the run
        except (StrongroomError, OSError) as error:
            code, reason = described(error)
            log.error("a packet failed", packet=request.name, code=code, reason=reason)
            failures.append(_Failure(request, error))
        except Exception as error:
            # Whatever it was: the other packets are made, and then the run fails for it.
            log.exception("a packet failed in a way that nobody foresaw", packet=request.name)
            failures.append(_Failure(request, error))
    if failures:
        _raise(context, failures, len(wanted))
    period = wanted[0].period
    return {
        "period": {"start": format_time(period.start), "end": format_time(period.end)},
        "packets": [_summary(packet, context.run) for packet in made],
        # So that nobody takes it for forgotten: inactive now, and nothing happened in the month.
        "left_out": requests.left_out(asked, context.run.intended_at),
    }


def abandon(*, run: Run, code: str, message: str) -> None:
    """Ends the packets of a run that failed without being able to say so itself."""
    error = Unavailable(message, code=code)
    for packet in Packet.objects.filter(run=run).exclude(status=PacketStatus.COMPLETE):
        outcomes.record_failure(actor=Actor.system("worker"), packet=packet, error=error)
        outcomes.take_away(packet)


def _checked(
    actor: Actor, client_id: str | None, period: Period, revise: bool, reason: str
) -> PacketRequest:
    trail.ensure_enabled()
    # Before anything is looked up: nobody learns by this which clients there are.
    policy.require(actor.account, Action.EXPORT, client_id)
    if actor.account is None or actor.person_id is None:
        raise NotAPerson("A packet has a person as its maker: sign in as one.")
    return requests.checked(client_id=client_id, period=period, revise=revise, reason=reason)


def _existing(request: PacketRequest) -> Packet | None:
    """What serves the request as it is. Raises NothingToRevise."""
    if not request.revise:
        return planning.standing(request.client_id, request.period)
    if find(client_id=request.client_id, period=request.period) is None:
        raise NothingToRevise("There is no packet of this client and period yet.", field="revise")
    return None


def _run_of(actor: Actor, request: PacketRequest) -> Run:
    """A run that makes the packet: one that was asked for before and goes on, or a new one."""
    payload = request.payload()
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Whoever asks for the same at the same moment finds the first one's run.
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))",
                [JOB_TYPE, "|".join(str(value) for value in payload.values())],
            )
        under_way = Run.objects.filter(job_type=JOB_TYPE, status__in=_OPEN, payload=payload)
        if request.period.end <= clock.host_clock():
            # One from before the period's end may make a packet that lacks what came later.
            under_way = under_way.filter(created_at__gte=request.period.end)
        return under_way.order_by("created_at").first() or request_once(
            actor=actor, job_type=JOB_TYPE, payload=payload
        )


def _told(run: Run) -> Requested:
    if run.status == RunStatus.FAILED:
        raise PacketFailed(run.error_message, code=run.error_code)
    if run.status != RunStatus.SUCCESS:
        return Requested(run, None)
    [made] = run.result_summary["packets"]
    return Requested(run, Packet.objects.get(pk=made["id"]), is_new=True)


def _raise(context: RunContext, failures: Sequence[_Failure], total: int) -> NoReturn:
    """Ends a run of which not everything came."""
    passes = any(isinstance(failure.error, Unavailable) for failure in failures)
    is_last = context.run.attempts >= context.run.max_attempts
    if is_last or not passes:
        for failure in failures:
            _tell_if_unplanned(context, failure)
    if total == 1:
        raise failures[0].error
    message = _message(failures, total)
    if passes and not is_last:
        raise PacketsDelayed(message)
    codes = {described(failure.error)[0] for failure in failures}
    raise PacketsFailed(message, code=codes.pop() if len(codes) == 1 else None)


def _tell_if_unplanned(context: RunContext, failure: _Failure) -> None:
    """Records the failure of a packet that has no row which would say so."""
    request, run = failure.request, context.run
    scope = planning.of_scope(request.client_id, request.period)
    if not Packet.objects.filter(**scope, run=run).exists():
        outcomes.record_unplanned(
            actor=context.actor, request=request, run_id=run.pk, error=failure.error
        )


def _message(failures: Sequence[_Failure], total: int) -> str:
    """Which packets failed and why; those that failed for the same reason together."""
    reasons: dict[str, list[str]] = {}
    for failure in failures:
        _, message = described(failure.error)
        reasons.setdefault(message, []).append(failure.request.client_id or PLATFORM)
    told = " ".join(f"{', '.join(who)}: {message}" for message, who in reasons.items())
    return f"{len(failures)} of {total} packets failed. {told}"


def _summary(packet: Packet, run: Run) -> dict[str, Any]:
    return {
        "id": str(packet.pk),
        "client_id": packet.client_id,
        "name": packet.name,
        "revision": packet.revision,
        "json_sha256": packet.json_sha256,
        "pdf_sha256": packet.pdf_sha256,
        "vault_mode": packet.vault_mode,
        "vault_folder": None if packet.deposit is None else packet.deposit.folder,
        "timestamp_status": packet.timestamp_status,
        "is_new": packet.run_id == run.pk,
    }
