"""Checkpoints: signed only if the tree extends everything that was signed before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit import storage
from audit.events import Actor, EventType
from audit.formats import checkpoint as formats
from audit.formats.event import genesis_hash
from audit.models import AuditEvent, Checkpoint, KeyStatus, SigningKey
from audit.services import anchors, key_rows, keys, loghead, proofs, sealing, signer_state, trail
from audit.services.loghead import Head
from audit.services.signer_state import SignerState
from sealing import merkle
from sealing.errors import IntegrityFailure, Invalid
from sealing.times import format_time

# On demand at most one in this time; others wait for it or take it.
MIN_INTERVAL = timedelta(seconds=1)
_ACTOR = Actor.system("checkpoint-signer")
log = structlog.get_logger(__name__)


class CheckpointRefused(IntegrityFailure):
    """The tree does not extend what was signed before: it was turned back or rewritten."""

    code = "checkpoint_refused"


class NotInLog(Invalid):
    """The log is not that long."""

    code = "not_in_log"


def latest() -> Checkpoint | None:
    """The newest checkpoint of the largest tree that was signed."""
    return Checkpoint.objects.order_by("-size", "-id").first()


def issue(*, covering: int | None = None, max_age_seconds: float | None = None) -> Checkpoint:
    """Seals what waits and signs the tree as it then is.

    Without arguments it always signs (a heartbeat says that nothing happened, too). With either,
    the newest checkpoint serves if it is good enough, and at most one a second is made.

    Args:
        covering: the number of an event that the checkpoint has to cover.
        max_age_seconds: how old it may be.

    Raises:
        CheckpointRefused: the tree does not extend what was signed; the refusal is recorded.
        NotInLog: there is no such event. ClockRefused, KeyMissing: it can't be done now.
    """
    sealing.seal_pending()
    if covering is None and max_age_seconds is None:
        return _sign_current()
    size = loghead.current().size
    if covering is not None and covering >= size:
        raise NotInLog(f"The log has {size} events; number {covering} is not among them.")
    found = _serving(covering, max_age_seconds)
    if found is None:
        _wait_for_turn()
        found = _serving(covering, max_age_seconds)
    return found or _sign_current()


def at_size(size: int) -> Checkpoint:
    """The first checkpoint of the first ``size`` events, signed now if there is none.

    A tree smaller than the largest signed one is signed only if it is proven a prefix of that.

    Raises:
        NotInLog: the log is not that long. CheckpointRefused.
    """
    found = _trustworthy().filter(size=size).order_by("id").first()
    if found is not None:
        return found
    last = latest()
    if last is None or last.size < size:
        last = issue()
    if last.size < size:
        raise NotInLog(f"The log has {last.size} events, not {size}.")
    return last if last.size == size else _sign_prefix(size, last)


def check_extends(signed: formats.Checkpoint) -> None:
    """Raises CheckpointRefused unless the log has what ``signed`` says as its beginning.

    For a checkpoint that was kept outside the database; the refusal is recorded.
    """
    try:
        _check_extends(loghead.current(), SignerState(signed.origin, signed.size, signed.root))
    except IntegrityFailure as error:
        _tell_refusal(error)
        raise


def _trustworthy() -> QuerySet[Checkpoint]:
    return Checkpoint.objects.exclude(key__status=KeyStatus.COMPROMISED)


def _serving(covering: int | None, max_age_seconds: float | None) -> Checkpoint | None:
    found = _trustworthy()
    if covering is not None:
        found = found.filter(size__gt=covering)
    if max_age_seconds is not None:
        newest = timezone.now() - timedelta(seconds=max_age_seconds)
        found = found.filter(signed_at__gte=newest)
    return found.order_by("-size", "-id").first()


def _wait_for_turn() -> None:
    last = latest()
    if last is not None:
        rest = last.signed_at + MIN_INTERVAL - timezone.now()
        if timedelta() < rest <= MIN_INTERVAL:
            time.sleep(rest.total_seconds())


def _sign_current() -> Checkpoint:
    path = Path(settings.AUDIT_SIGNER_STATE)
    try:
        # Asked before the signers' lock is taken; only where the nearer memory was lost.
        archived = None if path.exists() else _archived()
        with transaction.atomic(durable=True):
            key_rows.lock_signing()
            head = loghead.current()
            loghead.check_last_event(head)
            remembered = signer_state.load(path)
            for before in _signed_before(remembered, archived):
                _check_extends(head, before)
            if remembered is None or remembered.size < head.size:
                # On the disk before anybody can see the note: whatever crashes from here on, a
                # smaller or another tree is never signed.
                signer_state.save(path, SignerState(head.origin, head.size, head.root))
            return _signed(head.origin, head.size, head.root, head.hash)
    except IntegrityFailure as error:
        _tell_refusal(error)
        raise


def _sign_prefix(size: int, last: Checkpoint) -> Checkpoint:
    try:
        with transaction.atomic(durable=True):
            key_rows.lock_signing()
            origin, root, last_root = loghead.current().origin, proofs.root(size), bytes(last.root)
            if size and not merkle.verify_consistency(
                size, last.size, proofs.consistency(size, last.size), root, last_root
            ):
                raise CheckpointRefused(f"The first {size} events are not what was signed.")
            return _signed(origin, size, root, _hash_before(size, origin))
    except IntegrityFailure as error:
        _tell_refusal(error)
        raise


def _archived() -> SignerState | None:
    anchor = anchors.newest(storage.archive_store())
    return SignerState(anchor.origin, anchor.size, anchor.root) if anchor else None


def _signed_before(
    remembered: SignerState | None, archived: SignerState | None
) -> Iterator[SignerState]:
    last = latest()
    if last is not None:
        signed = formats.parse(last.note.partition("\n\n")[0] + "\n")
        yield SignerState(signed.origin, signed.size, signed.root)
        if remembered is None:
            log.warning("signer state file is missing", path=str(settings.AUDIT_SIGNER_STATE))
    if remembered is not None:
        yield remembered
    if archived is not None:
        yield archived


def _check_extends(head: Head, before: SignerState) -> None:
    """Raises CheckpointRefused unless the tree of ``head`` has ``before`` as its beginning."""
    if before.origin != head.origin:
        raise CheckpointRefused(f"What was signed before is the log {before.origin}.")
    if before.size > head.size:
        raise CheckpointRefused(
            f"A tree of {before.size} events was signed, but the log has {head.size}: its end was"
            " cut off, or an older state of the database was restored."
        )
    if before.size == 0:
        return
    proof = proofs.consistency(before.size, head.size)
    if not merkle.verify_consistency(before.size, head.size, proof, before.root, head.root):
        raise CheckpointRefused(
            f"The first {before.size} events are not those that were signed: the log or its tree"
            " was rewritten."
        )


def _signed(origin: str, size: int, root: bytes, last_hash: bytes) -> Checkpoint:
    signer = keys.signer_for(keys.CHECKPOINT)
    key = SigningKey.objects.get(key_id=signer.key_id)
    # Hosts' clocks differ a little: nothing is signed before its key was in use.
    now = max(timezone.now(), key.not_before)
    statement = formats.Checkpoint(origin, size, root, last_hash, format_time(now))
    return Checkpoint.objects.create(
        size=size,
        root=root,
        head=last_hash,
        signed_at=now,
        note=formats.sign(statement, signer).decode("utf-8"),
        key=key,
    )


def _hash_before(size: int, origin: str) -> bytes:
    if size == 0:
        return genesis_hash(origin)
    return bytes(AuditEvent.objects.values_list("hash", flat=True).get(seq=size - 1))


def _tell_refusal(error: IntegrityFailure) -> None:
    """Alarms at each attempt; records the first one since the last checkpoint was signed."""
    log.error("checkpoint refused", code=error.code, reason=error.message)
    if not trail.is_enabled():
        return
    told = AuditEvent.objects.filter(type=EventType.AUDIT_CHECKPOINT_REFUSED)
    last = Checkpoint.objects.order_by("-id").first()
    if last is not None:
        told = told.filter(occurred_at__gt=last.created_at)
    if told.exists():
        return
    trail.record_alone(
        EventType.AUDIT_CHECKPOINT_REFUSED,
        actor=_ACTOR,
        outcome="failure",
        data={"code": error.code, "reason": error.message},
    )
