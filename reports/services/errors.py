"""What the making of packets refuses, each with a stable code."""

from __future__ import annotations

from evidence.services.errors import RequestRefused
from sealing.errors import Conflict, Forbidden, IntegrityFailure, NotFound, Unavailable

__all__ = [
    "AlreadyCountersigned",
    "CountersignedFilesWaiting",
    "CountersignerIsMaker",
    "FileMissing",
    "KeyIsNotYours",
    "NotAPerson",
    "NothingToRevise",
    "PacketBeingMade",
    "PacketFailed",
    "PacketFinished",
    "PacketNotFound",
    "PacketNotValid",
    "PacketUnfinished",
    "PacketsDelayed",
    "PacketsFailed",
    "ReauthenticationFailed",
    "RecordDiffers",
    "RequestRefused",
    "SelfCheckFailed",
    "SignerIsNotYou",
    "SigningKeyChanged",
    "SigningKeyUnusable",
    "StorageFailed",
    "StorageUnavailable",
]


class PacketNotFound(NotFound):
    """There is no such packet, or file of one, among those that the actor may see."""

    code = "not_found"


class NotAPerson(Forbidden):
    """On demand a person asks for a packet, and a person countersigns it."""

    code = "not_a_person"


class NothingToRevise(Conflict):
    """A revision follows a packet, and there is none of this client and period."""

    code = "nothing_to_revise"


class PacketBeingMade(Unavailable):
    """Another run is making a packet of the same client and period."""

    code = "packet_being_made"


class PacketFinished(Conflict):
    """Another attempt has ended the making of this packet."""

    code = "packet_finished"


class PacketUnfinished(Conflict):
    """The packet was not made to its end."""

    code = "packet_unfinished"


class PacketFailed(IntegrityFailure):
    """The run that was to make a packet failed; code and message are those of the run."""

    code = "packet_failed"


class PacketsFailed(IntegrityFailure):
    """Some packets of a month could not be made, for causes that don't pass by themselves."""

    code = "packets_failed"


class PacketsDelayed(Unavailable):
    """Some packets of a month could not be made yet."""

    code = "packets_delayed"


class SigningKeyUnusable(Conflict):
    """SIGNING_PRIVATE_KEY can't be read, or can't sign packets."""

    code = "signing_key_unusable"


class SigningKeyChanged(Conflict):
    """The service's key is no longer the one that the packet was planned with."""

    code = "signing_key_changed"


class StorageFailed(IntegrityFailure):
    """A working copy could not be written or read."""

    code = "storage_error"


class StorageUnavailable(Unavailable):
    """The working folder is full, read-only, without rights, or its disk fails just now."""

    code = "storage_error"


class FileMissing(IntegrityFailure):
    """A recorded file of a packet is neither where it was put nor in the vault."""

    code = "packet_file_missing"


class RecordDiffers(IntegrityFailure):
    """A file that is recorded as a packet's says that it is another's."""

    code = "record_differs"


class SelfCheckFailed(IntegrityFailure):
    """A packet that was just written does not verify."""

    code = "packet_self_check_failed"


class PacketNotValid(IntegrityFailure):
    """The packet has a fault other than a missing countersignature."""

    code = "packet_not_valid"


class CountersignerIsMaker(Forbidden):
    """Whoever asked for a packet can't countersign it, by any account."""

    code = "countersigner_is_maker"


class KeyIsNotYours(Forbidden):
    """The key is not an active signing key of the person who signs."""

    code = "key_is_not_yours"


class ReauthenticationFailed(Forbidden):
    """The password was not right."""

    code = "reauthentication_failed"


class SignerIsNotYou(Forbidden):
    """One signs for oneself only."""

    code = "signer_is_not_you"


class AlreadyCountersigned(Conflict):
    """The packet has its countersignature."""

    code = "already_countersigned"


class CountersignedFilesWaiting(Unavailable):
    """The countersignature is recorded, but its files could not be put in their place yet."""

    code = "countersigned_files_waiting"
