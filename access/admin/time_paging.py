"""Lists by time and id, for rows whose id does not grow: each page is found by index."""

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
from sealing.errors import Invalid
from sealing.times import format_time, parse_time


@dataclass(frozen=True, slots=True)
class Place:
    """A place beside a row."""

    moment: datetime
    id: uuid.UUID

    @classmethod
    def parse(cls, text: str) -> Place:
        """Reads what `encoded` wrote. Raises Invalid."""
        try:
            raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
            moment, row_id = raw.decode("ascii").split("|")
            return cls(parse_time(moment), uuid.UUID(row_id))
        except (ValueError, UnicodeError, binascii.Error) as error:
            raise Invalid("The place in the list is not valid.") from error

    @property
    def encoded(self) -> str:
        """As it stands in an address."""
        raw = f"{format_time(self.moment)}|{self.id}"
        return base64.urlsafe_b64encode(raw.encode("ascii")).decode("ascii")

    def beyond(self, rows: QuerySet[Any], field: str, comparison: str) -> QuerySet[Any]:
        """The rows on one side: ``comparison`` is ``lt`` (older) or ``gt`` (newer)."""
        # The first condition alone bounds the index; the second settles rows of the same time.
        bounded = rows.filter(**{f"{field}__{comparison}e": self.moment})
        return bounded.filter(
            Q(**{f"{field}__{comparison}": self.moment})
            | Q(**{field: self.moment, f"id__{comparison}": self.id})
        )


class TimeChangeList(ScopedChangeList):
    """A list, newest first by the admin's ``keyset_field``, which is a time, and by id."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """By time; rows of the same time by id."""
        return [f"-{self.time_field}", "-id"]

    @property
    def time_field(self) -> str:
        """The column with the time."""
        return str(self.model_admin.keyset_field)

    def _page(self, request: HttpRequest) -> list[Any]:
        size, field = self.list_per_page, self.time_field
        before, after = self._place(request, BEFORE), self._place(request, AFTER)
        if after is not None:
            newer = after.beyond(self.queryset, field, "gt").order_by(field, "id")
            found = list(newer[: size + 1])
            rows, has_newer, has_older = found[:size][::-1], len(found) > size, True
        else:
            older = self.queryset if before is None else before.beyond(self.queryset, field, "lt")
            found = list(older[: size + 1])
            rows, has_newer, has_older = found[:size], before is not None, len(found) > size
        if rows and has_newer:
            self.newer_url = self.get_query_string({AFTER: self._encoded(rows[0])})
        if rows and has_older:
            self.older_url = self.get_query_string({BEFORE: self._encoded(rows[-1])})
        return rows

    def _encoded(self, row: Any) -> str:
        return Place(getattr(row, self.time_field), row.id).encoded

    def _place(self, request: HttpRequest, name: str) -> Place | None:
        text = request.GET.get(name)
        if text is None:
            return None
        try:
            return Place.parse(text)
        except Invalid as error:
            raise IncorrectLookupParameters(error) from error
