"""After KEY_ENCRYPTION_KEY was changed: what it closes is closed anew, what can't be is told.

Envelopes in the vault are written once: they stay closed by the key of their time, which has to
stay among KEY_ENCRYPTION_KEYS_FORMER for as long as they are kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from access import second_factors
from audit.events import Actor, EventType
from audit.services import rewrapping, trail
from evidence.formats import names
from evidence.formats.vault import KmsEnvelope
from evidence.models import VaultObject
from evidence.services.errors import VaultNotConfigured
from evidence.services.vault.errors import VaultDiffers, VaultUnavailable
from evidence.services.vault.opening import vault_of
from sealing.errors import Invalid, NotFound
from sealing.wrapping.base import Mode
from sealing.wrapping.local import fingerprint

_BATCH = 500


@dataclass(frozen=True, slots=True)
class KeysRewrapped:
    """What came of it.

    Attributes:
        present: the fingerprint of the present key-encryption key.
        signing_keys: the service's keys that were closed anew.
        unopened: the service's keys that no key at hand opens.
        of_people: people's keys that another key still closes, by its fingerprint. Each is closed
            anew when its owner next signs.
        second_factors, second_factors_unopened: how many were closed anew, and how many no key at
            hand opens.
        envelopes: envelopes in the vault by the fingerprint of the former key that opens them.
        envelopes_unread: how many could not be read to find out.
    """

    present: str
    signing_keys: tuple[str, ...]
    unopened: tuple[str, ...]
    of_people: dict[str, int]
    second_factors: int
    second_factors_unopened: int
    envelopes: dict[str, int]
    envelopes_unread: int

    @property
    def is_complete(self) -> bool:
        """Whether everything was looked at, and nothing is closed by a key that is not at hand."""
        return not (self.is_key_missing or self.envelopes_unread)

    @property
    def is_key_missing(self) -> bool:
        """Whether something is closed by a key that is not at hand."""
        at_hand = {fingerprint(kek) for kek in settings.KEY_ENCRYPTION_KEYS_FORMER}
        needed = self.needed - {rewrapping.UNMARKED}
        return bool(self.unopened or self.second_factors_unopened or needed - at_hand)

    @property
    def needed(self) -> set[str]:
        """The former keys that something is still closed by."""
        return set(self.of_people) | set(self.envelopes)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return told | {"needed": sorted(self.needed), "is_complete": self.is_complete}


def rewrap_keys(*, actor: Actor) -> KeysRewrapped:
    """Closes anew what can be, and finds out which former keys have to stay. May be repeated."""
    trail.ensure_enabled()
    present = fingerprint(settings.KEY_ENCRYPTION_KEY)
    keys = rewrapping.rewrap_service_keys(actor=actor)
    factors = _rewrap_second_factors(actor, present)
    envelopes, unread = _envelopes(present)
    return KeysRewrapped(
        present=present,
        signing_keys=keys.key_ids,
        unopened=keys.unopened,
        of_people=keys.of_people,
        second_factors=factors.done,
        second_factors_unopened=factors.unopened,
        envelopes=envelopes,
        envelopes_unread=unread,
    )


def _rewrap_second_factors(actor: Actor, present: str) -> second_factors.Closed:
    with transaction.atomic():
        closed = second_factors.close_anew()
        if closed.done:
            trail.record(
                EventType.EVIDENCE_KEY_REWRAPPED,
                actor=actor,
                data={"second_factors": closed.done, "closed_by": present},
            )
    return closed


def _envelopes(present: str) -> tuple[dict[str, int], int]:
    former, unread = Counter[str](), 0
    rows = VaultObject.objects.filter(name__endswith=names.KMS_ENVELOPE_SUFFIX)
    rows = rows.select_related("package__vault_copy")
    for row in rows.order_by("pk").iterator(chunk_size=_BATCH):
        copy = row.package.vault_copy
        try:
            raw = vault_of(copy.mode).read(copy.folder, row.name, row.version_id)
            envelope = KmsEnvelope.parse(raw)
        except (VaultUnavailable, VaultDiffers, VaultNotConfigured, NotFound, Invalid):
            unread += 1
            continue
        if envelope.mode is Mode.LOCAL and envelope.key_version != present:
            former[envelope.key_version] += 1
    return dict(former), unread
