"""What this installation's own log tells of the age of a packet's files.

The events of making and of countersigning name the digests of the files. An outside authority that
stamped a checkpoint over such an event has thereby seen them
(docs/adr/0023-time-and-compromised-keys.md).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

import structlog
from django.db.models import OuterRef, Q, Subquery

from audit import selectors
from audit.events import RECORDER, EventType
from audit.models import AuditEvent, Timestamp
from evidence.formats.check_timestamp import NO_ANCHORS
from evidence.services import anchoring
from reports.models import Packet
from sealing.errors import IntegrityFailure
from sealing.keys import Signers

log = structlog.get_logger(__name__)
_TYPES: Final = (EventType.REPORTS_PACKET_GENERATED, EventType.REPORTS_PACKET_COUNTERSIGNED)
_NAMED_BY: Final = ("json_sha256", "pdf_sha256")


def known(file_digests: Collection[str], signers: Signers) -> Mapping[str, datetime]:
    """When files of packets are known to have existed, by their digests.

    As long as no key was marked as compromised, the log is not asked.
    """
    if not file_digests or all(key.status != "compromised" for key in signers.keys):
        return NO_ANCHORS
    wanted = Q(json_sha256__in=file_digests) | Q(pdf_sha256__in=file_digests)
    wanted |= Q(countersignature__pdf_sha256__in=file_digests)
    names = list(Packet.objects.filter(wanted).values_list("name", flat=True))
    anchors: dict[str, datetime] = {}
    for event, stamp_id, named in _told(names):
        new = (named & set(file_digests)) - anchors.keys()
        if not new or stamp_id is None:
            continue
        stamp = Timestamp.objects.select_related("checkpoint").get(pk=stamp_id)
        stamped_at = anchoring.anchored(event, stamp, signers)
        if stamped_at is not None:
            anchors |= dict.fromkeys(new, stamped_at)
    return anchors


def _told(names: Collection[str]) -> list[tuple[AuditEvent, int | None, set[str]]]:
    """The events that name files, of those that give their hashes.

    With each the earliest stamp of a checkpoint that covers it, and the digests that it names.
    """
    earliest = Timestamp.objects.filter(checkpoint__size__gt=OuterRef("seq"))
    events = (
        AuditEvent.objects.filter(
            object_id__in=names,
            object_type="packet",
            type__in=[item.value for item in _TYPES],
            recorder=RECORDER,
            outcome="success",
        )
        .annotate(stamp_id=Subquery(earliest.order_by("stamped_at", "pk").values("pk")[:1]))
        .order_by("seq")
    )
    told: list[tuple[AuditEvent, int | None, set[str]]] = []
    for event in events:
        try:
            selectors.line_of(event)
        except IntegrityFailure as error:
            log.error("event vouches for nothing", seq=event.seq, code=error.code)
            continue
        data = json.loads(event.event)["data"] or {}
        named = {data[name] for name in _NAMED_BY if isinstance(data.get(name), str)}
        told.append((event, event.stamp_id, named))
    return told
