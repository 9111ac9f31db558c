"""Makes one packet: plan, document, PDF, signatures, check, vault, record.

Whatever interrupts an attempt, the next one of the same run goes on with the same plan. What was
signed and written aside is adopted, so that a packet whose files lie in the vault already ends in
the same bytes, though the state of the tables that it tells of may have changed meanwhile.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Final

from django.db import DatabaseError, InterfaceError
from django.db.models import QuerySet

from access import policy
from access.roles import Action
from audit import failpoints
from audit.events import Actor
from audit.services import keys
from evidence.formats.contents import VaultMode
from evidence.models import DepositKind
from evidence.services.vault import depositing
from evidence.services.vault.base import of_file
from evidence.services.vault.depositing import Committed
from evidence.services.watching import Watch
from ops.models import Run
from ops.services.holding import LeaseLost
from reports.formats import document as documents
from reports.formats import names
from reports.models import Packet, PacketStatus
from reports.rendering import render
from reports.services import building, outcomes, planning, signing, verification, writing
from reports.services.errors import (
    PacketBeingMade,
    PacketFailed,
    PacketFinished,
    SelfCheckFailed,
    SigningKeyChanged,
)
from reports.services.requests import PacketRequest
from reports.services.writing import DOCUMENT, REPORT, Pair
from sealing import digests
from sealing.errors import Unavailable

_NOTED: Final = {DOCUMENT: frozenset(), REPORT: {"timestamp_status", "unsigned_sha256"}}


@dataclass(frozen=True, slots=True)
class Made:
    """The four files of a packet, as they lie under their final names.

    Attributes:
        summary: what lists show of the packet.
    """

    document: Pair
    report: Pair
    summary: dict[str, Any]


def make(*, actor: Actor, request: PacketRequest, run: Run, watch: Watch) -> Packet:
    """The packet of a run for one client or the platform, made now or by an earlier attempt.

    Args:
        actor: In whose name; Strongroom's own schedule has no account, and the packet no maker.
        request: Whose packet, of which period, and whether there shall be a further revision.
        run: The run that makes it.
        watch: Is told how far it is.

    Returns:
        A complete packet: the newest of the scope where there is one and no revision is asked for.
        One that was made before its period was over is followed by a revision, once it is over.

    Raises:
        Forbidden, NotFound: The actor may not make packets of this client.
        PacketFailed: An earlier attempt of this run has failed for good.
        What `planning.plan` raises.
        Unavailable: Something is not at hand; the packet can be gone on with later.
        IntegrityFailure, Conflict: It can't be made. The failed packet is recorded.
    """
    if actor.account is not None:
        policy.require(actor.account, Action.EXPORT, request.client_id)
    scope = Packet.objects.filter(**planning.of_scope(request.client_id, request.period))
    packet = scope.filter(run=run).order_by("-created_at").first()
    if packet is None:
        found = planning.standing(request.client_id, request.period)
        if found is not None and not request.revise:
            return found
        _end_abandoned(scope, run)
        packet = planning.plan(actor=actor, request=request, run=run)
    if packet.status == PacketStatus.FAILED:
        # Whoever recorded that may have been killed before he took the files away.
        outcomes.take_away(packet)
        raise PacketFailed(packet.error_message, code=packet.error_code)
    if packet.status == PacketStatus.COMPLETE:
        writing.forget(packet)
        return packet
    is_last = run.attempts >= run.max_attempts
    return _carry_out(actor, packet, watch, may_try_again=not is_last)


def _end_abandoned(scope: QuerySet[Packet], run: Run) -> None:
    """Ends what a run has left that has ended; raises PacketBeingMade where one goes on."""
    for packet in scope.filter(status=PacketStatus.WRITING).exclude(run=run).select_related("run"):
        if packet.run is not None and not packet.run.is_finished:
            raise planning.being_made()
        error = Unavailable("The run that made it has ended without it.", code="run_abandoned")
        outcomes.record_failure(actor=Actor.system("worker"), packet=packet, error=error)


def _carry_out(actor: Actor, packet: Packet, watch: Watch, *, may_try_again: bool) -> Packet:
    try:
        failpoints.reach("packet-1")
        made = _files(packet, watch)
        failpoints.reach("packet-6")
        committed = _keep(packet, made, watch)
        failpoints.reach("packet-8")
        # An attempt that was given up for dead may have ended it meanwhile; then that one counts.
        with contextlib.suppress(PacketFinished):
            outcomes.record_success(actor=actor, packet=packet, made=made, committed=committed)
        failpoints.reach("packet-9")
        writing.forget(packet)
    except (LeaseLost, DatabaseError, InterfaceError):
        raise  # another attempt goes on with the same files
    except OSError as error:
        failure = outcomes.of_storage(error)
        if not (may_try_again and isinstance(failure, Unavailable)):
            _record_failure(actor, packet, watch, failure)
        raise failure from error
    except Exception as error:
        # Whatever went wrong, the failure has to be seen; nothing is hidden, it is raised again.
        if not (may_try_again and isinstance(error, Unavailable)):
            _record_failure(actor, packet, watch, error)
        raise
    packet.refresh_from_db()
    return packet


def _record_failure(actor: Actor, packet: Packet, watch: Watch, error: Exception) -> None:
    # Whoever has lost the run must not end what another attempt is making.
    watch.ensure_held()
    outcomes.record_failure(actor=actor, packet=packet, error=error)


def _files(packet: Packet, watch: Watch) -> Made:
    """Writes the four files, signs them, and verifies what then lies on the disk."""
    signer = planning.service_signer()
    if signer.key_id != packet.signing_key.key_id:
        raise SigningKeyChanged("The service's key was changed since this packet was planned.")
    document = _document(packet, watch)
    failpoints.reach("packet-2")
    report = _report(packet, document.raw, watch)
    failpoints.reach("packet-4")
    watch.ensure_held()
    for group in (DOCUMENT, REPORT):
        writing.publish(packet, group)
        failpoints.reach("packet-5")
    watch.progress(0, step="verifying")
    faults = verification.check(packet).faults
    if faults:
        raise SelfCheckFailed(f"The packet does not verify: {faults[0].message}")
    parsed = documents.parse(document.raw)
    return Made(document, report, _summary(parsed))


def _document(packet: Packet, watch: Watch) -> Pair:
    """The JSON file and its signature, by this attempt or an earlier one."""
    found = _adopted(packet, DOCUMENT)
    if found is not None:
        return found
    writing.drop_group(packet, DOCUMENT)
    watch.progress(0, step="collecting facts")
    raw = documents.build(building.document_of(packet, watch=watch))
    watch.ensure_held()
    return _written(packet, DOCUMENT, Pair(raw, signing.sig_line(raw)))


def _report(packet: Packet, document: bytes, watch: Watch) -> Pair:
    """The PDF and its signature, by this attempt or an earlier one."""
    found = _adopted(packet, REPORT)
    if found is not None:
        return found
    writing.drop_group(packet, REPORT)
    watch.progress(0, step="rendering the PDF")
    unsigned = render(documents.parse(document), json_sha256=digests.sha256_tag(document))
    failpoints.reach("packet-3")
    watch.progress(0, step="signing the PDF")
    signed = signing.sign_pdf(unsigned, packet)
    watch.ensure_held()
    note = {
        "timestamp_status": packet.timestamp_status,
        "unsigned_sha256": digests.sha256_tag(unsigned),
    }
    return _written(packet, REPORT, Pair(signed, signing.sig_line(signed), note))


def _written(packet: Packet, group: str, pair: Pair) -> Pair:
    """What then lies aside: this pair, or that of an attempt which was faster."""
    found = pair if writing.write_group(packet, group, pair) else _adopted(packet, group)
    if found is None:
        raise PacketBeingMade(f"Another attempt is writing {packet.name}.")
    return found


def _adopted(packet: Packet, group: str) -> Pair | None:
    """What an earlier attempt wrote aside, if our key has signed it."""
    pair = writing.read_group(packet, group)
    if pair is None:
        return None
    key = keys.signers().get(packet.signing_key.key_id)
    try:
        signature = digests.unb64(pair.sig.decode("ascii").removesuffix("\n"))
    except (UnicodeDecodeError, digests.DigestRefused):
        return None
    holds = key is not None and key.verify(signature, pair.raw)
    return pair if holds and pair.note.keys() >= _NOTED[group] else None


def _keep(packet: Packet, made: Made, watch: Watch) -> Committed:
    """Puts exactly the four files into the vault."""
    watch.progress(0, step="copying into the vault")
    staged = depositing.stage(
        depositing.Plan(
            kind=DepositKind.PACKET,
            client=packet.client,
            folder=names.vault_folder(packet.client_id, packet.name, packet.generated_at),
            mode=VaultMode(packet.vault_mode),
            retention_policy=packet.retention_policy,
            retain_until=packet.retain_until,
            period_start=packet.period_start,
            period_end=packet.period_end,
        ),
        [
            of_file(name, writing.file_of(packet, name), digests.sha256_tag(raw))
            for name, raw in outcomes.contents(packet, made)
        ],
    )
    try:
        failpoints.reach("packet-7")
        watch.ensure_held()
        watch.progress(0, step="locking the files in the vault")
        return depositing.commit(staged)
    except BaseException:  # an interruption too: this process may live on for long
        depositing.discard(staged)
        raise


def _summary(document: dict[str, Any]) -> dict[str, Any]:
    controls = document["executiveSummary"]["controls"]
    return {"controls": controls, "events": document["log"]["treeSize"]}
