"""Plans packets: what shapes the bytes is stored before there are any."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.events import Actor
from audit.models import SigningKey
from audit.services import checkpoints, keys, sealing
from audit.services.keys import KeyMissing
from evidence.formats import retention
from evidence.services.errors import VaultNotConfigured
from evidence.services.vault import depositing
from evidence.services.vault.errors import VaultUnavailable
from evidence.services.vault.opening import vault_of
from ops.models import Run
from reports.formats import names
from reports.formats.period import Period
from reports.models import Framework, Packet, PacketStatus
from reports.services.errors import (
    NotAPerson,
    NothingToRevise,
    PacketBeingMade,
    SigningKeyUnusable,
)
from reports.services.requests import PacketRequest
from sealing.keys import RSA_SHA256, KeyRefused
from sealing.signers.base import Signer

PURPOSE: Final = "packet"
_HALF: Final = "Revision {} was made before the period was over."
_BURNT: Final = "An attempt at the revision before failed after files of it were locked away."
_UNKNOWN: Final = (
    "An attempt at the revision before failed, and its vault can't be asked for files."
)


def of_scope(client_id: str | None, period: Period) -> dict[str, object]:
    """The columns that say which packets are revisions of one another."""
    return {
        "framework": Framework.SOC2,
        "client_id": client_id,
        "period_start": period.start,
        "period_end": period.end,
    }


def newest(client_id: str | None, period: Period) -> Packet | None:
    """The newest complete packet of a client (None: the platform) and period."""
    found = Packet.objects.filter(
        **of_scope(client_id, period), status=PacketStatus.COMPLETE
    ).order_by("-revision")
    return found.first()


def is_outdated(packet: Packet) -> bool:
    """Whether its period went on when it was made, and is over now: it lacks what came later."""
    return packet.generated_at < packet.period_end <= timezone.now()


def standing(client_id: str | None, period: Period) -> Packet | None:
    """The packet that answers for a client and period: the newest one, unless it is outdated."""
    found = newest(client_id, period)
    return None if found is None or is_outdated(found) else found


def plan(*, actor: Actor, request: PacketRequest, run: Run) -> Packet:
    """Store the plan of a packet.

    Args:
        actor: In whose name; a person becomes its maker. Strongroom's own schedule is nobody.

    Raises:
        VaultNotConfigured: there is no vault, and packets are always put into one.
        NothingToRevise. NotAPerson. PacketBeingMade: another run was faster.
        SigningKeyUnusable: SIGNING_PRIVATE_KEY can't sign packets.
        RetentionRefused: PACKET_RETENTION_POLICY is none that there is.
    """
    if actor.account is not None and actor.person_id is None:
        raise NotAPerson("A packet that is asked for has a person as its maker: sign in as one.")
    key = SigningKey.objects.get(key_id=service_signer().key_id)
    policy = retention.parse(settings.PACKET_RETENTION_POLICY)
    mode = depositing.default_mode()
    revision, reason = _revision(request, mode)
    sealed = sealing.seal_pending()
    # Sealed just now, the log holds everything acknowledged so far; the checkpoint covers it.
    checkpoint = checkpoints.issue(covering=sealed.size - 1 if sealed.size else None)
    now = timezone.now()
    try:
        with transaction.atomic():
            made = Packet.objects.create(
                **of_scope(request.client_id, request.period),
                revision=revision,
                reason=reason,
                name=names.packet_name(Framework.SOC2, request.client_id, request.period, revision),
                categories=sorted(settings.SOC2_CATEGORIES),
                run=run,
                maker_id=actor.person_id,
                maker_account=actor.account,
                signing_key=key,
                retention_policy=policy.name,
                retain_until=policy.until(now),
                vault_mode=mode,
                generated_at=now,
                tree_size=checkpoint.size,
                checkpoint=checkpoint.note,
            )
    except IntegrityError as error:
        raise being_made() from error
    # As it is stored: each attempt goes by the same values.
    return Packet.objects.select_related("client", "maker", "signing_key").get(pk=made.pk)


def service_signer() -> Signer:
    """The key that signs packets now.

    Raises:
        SigningKeyUnusable: SIGNING_PRIVATE_KEY is no such key, or not the registered one.
    """
    try:
        signer = keys.signer_for(PURPOSE)
    except KeyRefused as error:
        raise SigningKeyUnusable(
            "SIGNING_PRIVATE_KEY can't be read as a private key. It holds an RSA key in PEM,"
            " unencrypted, with its line breaks; SIGNING_PRIVATE_KEY_FILE names a file with it."
        ) from error
    except KeyMissing as error:
        raise SigningKeyUnusable(
            "SIGNING_PRIVATE_KEY is not the key that is registered for signing packets: put the"
            " former one back, or restart the worker, which registers a new one."
        ) from error
    if signer.algorithm != RSA_SHA256:
        raise SigningKeyUnusable(
            f"SIGNING_PRIVATE_KEY is a key for {signer.algorithm}; packets are signed with RSA."
        )
    return signer


def being_made() -> PacketBeingMade:
    """The refusal of whoever comes second."""
    return PacketBeingMade("Another run is making the packet of this client and period.")


def _revision(request: PacketRequest, mode: str) -> tuple[int, str]:
    """The number of the next packet of the scope, and why there is one after the first.

    ``mode`` is of the vault that it goes to.
    """
    last = newest(request.client_id, request.period)
    if last is None:
        if request.revise:
            raise NothingToRevise(
                "There is no packet of this client and period yet.", field="revise"
            )
        number, reason = 1, ""
    elif request.revise:
        number, reason = last.revision + 1, request.reason
    elif is_outdated(last):
        number, reason = last.revision + 1, _HALF.format(last.revision)
    else:
        # Another run has made it since this one looked: it is tried again, and finds it.
        raise being_made()
    failed = Packet.objects.filter(
        **of_scope(request.client_id, request.period), status=PacketStatus.FAILED
    )
    # Nothing takes away what a vault has locked, and no two packets shall have one name there.
    while burnt := _burnt(failed.filter(revision=number), mode):
        number, reason = number + 1, reason or burnt
    return number, reason


def _burnt(failed: Iterable[Packet], mode: str) -> str:
    """Why a revision can't have the number of attempts that failed; empty where it can."""
    found = {_locked_away(packet, mode) for packet in failed}
    if True in found:
        return _BURNT
    return _UNKNOWN if None in found else ""


def _locked_away(packet: Packet, mode: str) -> bool | None:
    """Whether files of an attempt that failed lie in its vault under their names.

    None where that vault can't be asked, and the next packet goes to another.

    Raises:
        VaultUnavailable: it goes to this one, which has to be there for it anyway.
    """
    folder = names.vault_folder(packet.client_id, packet.name, packet.generated_at)
    try:
        return any(True for _ in vault_of(packet.vault_mode).entries(folder))
    except VaultNotConfigured:
        return None
    except VaultUnavailable:
        if packet.vault_mode == mode:
            raise
        return None
