"""Verifications that take longer than a page may: asked for here, carried out by the worker."""

from __future__ import annotations

import time
from datetime import date, timedelta

import structlog
from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from access import policy
from access.roles import MATRIX, OWN_ONLY, Action
from audit import standing
from audit.events import Actor
from audit.models import (
    Segment,
    SegmentStatus,
    Storage,
    VerificationRequest,
    VerificationRun,
)
from audit.services import archive_verification, days
from audit.services.archive_verification import configured_location
from audit.services.verification import verify_database
from audit.verifying import LockPolicy
from sealing.errors import Conflict, Forbidden, NotFound, StrongroomError
from sealing.stores.base import LockMode

Status = VerificationRequest.Status
OPEN = (Status.QUEUED, Status.RUNNING)
# More than that takes longer than one answer may take.
AT_ONCE_EVENTS = 50_000
# A worker that is silent for so long is gone.
LOST_AFTER = timedelta(minutes=10)
TOLD_EVERY_SECONDS = 1.0
MAX_OPEN = 10
LOST = "The worker stopped before it was done. Nothing was changed: ask again."
log = structlog.get_logger(__name__)


class TooManyRequests(Conflict):
    """So many verifications wait already that another one would not be started soon."""

    code = "too_many_verifications"


class Superseded(Conflict):
    """The request was given up as lost while it was still being carried out."""

    code = "verification_given_up"


def may_verify_log(user: object) -> bool:
    """Whether an account may have the log as a whole verified.

    The verdict tells of no client, so a grant for any client will do; but whoever sees only his
    own things (operators, service accounts) sees nothing of the log to verify.
    """
    return bool(policy.roles_of(user) & (MATRIX[Action.VERIFY] - OWN_ONLY[Action.VERIFY]))


def require_may_verify(actor: Actor) -> None:
    """Raises Forbidden unless the actor may have the log verified; parts of Strongroom may."""
    if actor.account is not None and not may_verify_log(actor.account):
        raise Forbidden("Your roles do not allow to have the whole log verified.")


def verify(
    *,
    actor: Actor,
    storage: Storage,
    start_day: date | None = None,
    end_day: date | None = None,
    locks: LockPolicy | None = None,
) -> VerificationRun | VerificationRequest:
    """Verifies at once what is small enough, and otherwise queues it for the worker.

    What is verified here is stored and recorded; only the worker, which may write there, puts
    results into the archive.

    Raises:
        As `ask`.
    """
    require_may_verify(actor)
    days.check_days(start_day, end_day)
    if storage is not Storage.DATABASE:
        configured_location(storage)
    if _events_of(storage, start_day, end_day) > AT_ONCE_EVENTS:
        return ask(actor=actor, storage=storage, start_day=start_day, end_day=end_day, locks=locks)
    if storage is Storage.DATABASE:
        return verify_database(actor=actor, start_day=start_day, end_day=end_day).run
    return archive_verification.verify_archived(
        actor=actor,
        storage=storage,
        start_day=start_day,
        end_day=end_day,
        locks=locks,
        archived=False,
    )


def ask(
    *,
    actor: Actor,
    storage: Storage,
    start_day: date | None = None,
    end_day: date | None = None,
    locks: LockPolicy | None = None,
) -> VerificationRequest:
    """Queues a verification; one that waits or runs and is the same serves both who asked.

    Raises:
        Forbidden. Invalid: the days are no window, or no such archive is configured.
        TooManyRequests.
    """
    require_may_verify(actor)
    days.check_days(start_day, end_day)
    if storage is not Storage.DATABASE:
        configured_location(storage)
    wanted = {
        "storage": storage,
        "start_day": start_day,
        "end_day": end_day,
        "lock_mode": str(locks.mode) if locks else "",
        "lock_days": locks.days if locks else None,
    }
    waiting = VerificationRequest.objects.filter(status__in=OPEN)
    same = waiting.filter(**wanted).order_by("id").first()
    if same is not None:
        return same
    if waiting.count() >= MAX_OPEN:
        raise TooManyRequests(f"{MAX_OPEN} verifications wait already. Ask again later.")
    return VerificationRequest.objects.create(actor_id=actor.id, **wanted)


def get(request_id: int) -> VerificationRequest:
    """The request of that number. Raises NotFound."""
    found = VerificationRequest.objects.select_related("run").filter(pk=request_id).first()
    if found is None:
        raise NotFound("There is no such verification.")
    return found


def run_next_request() -> VerificationRequest | None:
    """Carries out the oldest request that waits, and gives up those whose worker is gone.

    Returns:
        The request as it then is; None if none waited. One that could not be carried out is
        FAILED and says why; what nobody foresaw is raised besides.
    """
    give_up_lost()
    claimed = _claim()
    if claimed is None:
        return None
    try:
        run = _carry_out(claimed)
    except (StrongroomError, DatabaseError, OSError) as error:
        log.error("verification failed", request=claimed.pk, kind=type(error).__name__)
        _fail(claimed, getattr(error, "message", None) or f"{type(error).__name__}.")
    except Exception as error:
        _fail(claimed, f"{type(error).__name__}: the worker's log says more.")
        raise
    else:
        _mine(claimed).update(
            status=Status.DONE, run=run, done=run.checked_events, heartbeat_at=timezone.now()
        )
    return get(claimed.pk)


def give_up_lost() -> int:
    """Fails what is marked as running though nobody has renewed it; returns how many."""
    silent_since = timezone.now() - LOST_AFTER
    return VerificationRequest.objects.filter(
        Q(heartbeat_at__lt=silent_since) | Q(heartbeat_at__isnull=True), status=Status.RUNNING
    ).update(status=Status.FAILED, error_message=LOST)


def _events_of(storage: Storage, start_day: date | None, end_day: date | None) -> int:
    """How many events a verification would read; of an archive, as the receipts say."""
    if storage is Storage.DATABASE:
        first, after = days.numbers_of_days(start_day, end_day, size=standing.log_size())
        return after - first
    segments = Segment.objects.filter(
        status=SegmentStatus.ARCHIVED, location=configured_location(storage)
    )
    if start_day is not None:
        segments = segments.filter(day__gte=start_day)
    if end_day is not None:
        segments = segments.filter(day__lte=end_day)
    counted = segments.aggregate(events=Sum(F("last_seq") - F("first_seq") + 1))
    return counted["events"] or 0


def _claim() -> VerificationRequest | None:
    """One that waits, taken by compare-and-set: two workers never carry out the same."""
    while True:
        first = VerificationRequest.objects.filter(status=Status.QUEUED).order_by("id").first()
        if first is None:
            return None
        taken = VerificationRequest.objects.filter(pk=first.pk, status=Status.QUEUED).update(
            status=Status.RUNNING, heartbeat_at=timezone.now()
        )
        if taken:
            return first


def _carry_out(request: VerificationRequest) -> VerificationRun:
    actor, beat = Actor(id=request.actor_id), _Heartbeat(request)
    if request.storage == Storage.DATABASE:
        return verify_database(
            actor=actor,
            start_day=request.start_day,
            end_day=request.end_day,
            progress=beat,
            archived=True,
        ).run
    locks = None
    if request.lock_mode and request.lock_days is not None:
        locks = LockPolicy(LockMode(request.lock_mode), request.lock_days)
    return archive_verification.verify_archived(
        actor=actor,
        storage=Storage(request.storage),
        start_day=request.start_day,
        end_day=request.end_day,
        locks=locks,
        progress=beat,
    )


class _Heartbeat:
    """Says how far it is and that it lives, about once a second, each time by itself."""

    def __init__(self, request: VerificationRequest) -> None:
        self._request = request
        self._next = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + TOLD_EVERY_SECONDS
        with transaction.atomic():
            alive = _mine(self._request).update(done=done, total=total, heartbeat_at=timezone.now())
        if not alive:
            raise Superseded("The request was given up as lost meanwhile.")


def _mine(request: VerificationRequest) -> QuerySet[VerificationRequest]:
    return VerificationRequest.objects.filter(pk=request.pk, status=Status.RUNNING)


def _fail(request: VerificationRequest, message: str) -> None:
    _mine(request).update(status=Status.FAILED, error_message=message[:2_000])
