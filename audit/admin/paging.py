"""Pages of events by time and id, which is how the index of every filter is sorted."""

from __future__ import annotations

import base64
import binascii
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from access.admin.paging import AFTER, BEFORE, ScopedChangeList
from audit.models import AuditEvent
from sealing.errors import Invalid
from sealing.times import format_time, parse_time


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place beside an event."""

    occurred_at: datetime
    id: uuid.UUID

    @classmethod
    def at(cls, event: AuditEvent) -> Cursor:
        """The place of ``event``."""
        return cls(event.occurred_at, event.id)

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Reads what `encoded` wrote. Raises Invalid."""
        try:
            raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
            occurred_at, event_id = raw.decode("ascii").split("|")
            return cls(parse_time(occurred_at), uuid.UUID(event_id))
        except (ValueError, UnicodeError, binascii.Error) as error:
            raise Invalid("The place in the list is not valid.") from error

    @property
    def encoded(self) -> str:
        """As it stands in an address."""
        raw = f"{format_time(self.occurred_at)}|{self.id}"
        return base64.urlsafe_b64encode(raw.encode("ascii")).decode("ascii")

    def beyond(self, queryset: QuerySet[Any], comparison: str) -> QuerySet[Any]:
        """The events on one side: ``comparison`` is ``lt`` (older) or ``gt`` (newer)."""
        # The first condition alone bounds the index; the second settles events of the same time.
        bounded = queryset.filter(**{f"occurred_at__{comparison}e": self.occurred_at})
        return bounded.filter(
            Q(**{f"occurred_at__{comparison}": self.occurred_at})
            | Q(**{"occurred_at": self.occurred_at, f"id__{comparison}": self.id})
        )


class EventChangeList(ScopedChangeList):
    """The list of events, newest first."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """By time; events of the same time by id."""
        return ["-occurred_at", "-id"]

    def _page(self, request: HttpRequest) -> list[Any]:
        size = self.list_per_page
        before, after = self._cursor(request, BEFORE), self._cursor(request, AFTER)
        if after is not None:
            newer = after.beyond(self.queryset, "gt").order_by("occurred_at", "id")
            found = list(newer[: size + 1])
            rows, has_newer, has_older = found[:size][::-1], len(found) > size, True
        else:
            older = self.queryset if before is None else before.beyond(self.queryset, "lt")
            found = list(older[: size + 1])
            rows, has_newer, has_older = found[:size], before is not None, len(found) > size
        if rows and has_newer:
            self.newer_url = self.get_query_string({AFTER: Cursor.at(rows[0]).encoded})
        if rows and has_older:
            self.older_url = self.get_query_string({BEFORE: Cursor.at(rows[-1]).encoded})
        return rows

    def _cursor(self, request: HttpRequest, name: str) -> Cursor | None:
        text = request.GET.get(name)
        if text is None:
            return None
        try:
            return Cursor.parse(text)
        except Invalid as error:
            raise IncorrectLookupParameters(error) from error
