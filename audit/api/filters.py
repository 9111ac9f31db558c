"""What a list of events can be narrowed by."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable

from django.db.models import Q, QuerySet
from django.http import QueryDict

from audit.models import AuditEvent
from sealing.errors import Invalid
from sealing.times import parse_rfc3339

Filter = Callable[[QuerySet[AuditEvent], str], QuerySet[AuditEvent]]
_PAGING = frozenset({"cursor", "page_size"})


def filtered(queryset: QuerySet[AuditEvent], query: QueryDict) -> QuerySet[AuditEvent]:
    """Narrows ``queryset`` by the parameters of an address.

    Raises:
        Invalid: a parameter is unknown, is there twice, or can't be read.
    """
    for name in query:
        if name in _PAGING:
            continue
        if name not in FILTERS:
            raise Invalid("There is no such filter.", field=name[:100])
        values = query.getlist(name)
        if len(values) > 1:
            raise Invalid("Once only.", field=name)
        if "\x00" in values[0]:
            raise Invalid("The character U+0000.", field=name)
        try:
            queryset = FILTERS[name](queryset, values[0])
        except Invalid as error:
            error.field = name
            raise
    return queryset


def anything(queryset: QuerySet[AuditEvent], text: str) -> QuerySet[AuditEvent]:
    """Events whose id, actor or object is exactly ``text``; each has an index."""
    wanted = Q(object_id=text) | Q(actor_id=text)
    with contextlib.suppress(ValueError):
        wanted |= Q(id=uuid.UUID(text))
    return queryset.filter(wanted)


FILTERS: dict[str, Filter] = {
    "type": lambda queryset, text: queryset.filter(type=text),
    "actor": lambda queryset, text: queryset.filter(actor_id=text),
    "client_id": lambda queryset, text: queryset.filter(client_id=text),
    "object_id": lambda queryset, text: queryset.filter(object_id=text),
    "outcome": lambda queryset, text: queryset.filter(outcome=text),
    "since": lambda queryset, text: queryset.filter(occurred_at__gte=parse_rfc3339(text)),
    "until": lambda queryset, text: queryset.filter(occurred_at__lt=parse_rfc3339(text)),
    "q": anything,
}
