"""Lists of records that may have millions of rows: no full counts, no deep offsets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

if TYPE_CHECKING:
    from access.admin.mixins import ReadOnlyAdmin

COUNT_LIMIT = 1_000
BEFORE, AFTER = "before", "after"


class EstimatedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts at most `COUNT_LIMIT` rows; beyond, it takes the planner's estimate of the table.

    Attributes:
        count: exact up to the limit; otherwise the estimate, or the limit plus one.
    """

    @cached_property
    def count(self) -> int:
        """How many rows there are, as far as that is cheap to know."""
        counted: int = self._rows.order_by().values("pk")[: COUNT_LIMIT + 1].count()
        if counted > COUNT_LIMIT and not self._rows.query.where:
            return max(counted, self._estimate())
        return counted

    @cached_property
    def num_pages(self) -> int:
        """Pages that can be asked for by number: none lies beyond the limit."""
        return max(1, math.ceil(min(self.count, COUNT_LIMIT) / self.per_page))

    @property
    def count_words(self) -> str:
        """The count as it may be said: exact, "about …" or "more than …"."""
        if self.count <= COUNT_LIMIT:
            return f"{self.count:,}"
        if self.count == COUNT_LIMIT + 1:
            return f"more than {COUNT_LIMIT:,}"
        rounded = round(self.count, 2 - len(str(self.count)))
        return f"about {rounded:,}"

    @property
    def is_cut(self) -> bool:
        """Whether there are rows that no page number reaches."""
        return self.count > COUNT_LIMIT

    @property
    def _rows(self) -> QuerySet[Any]:
        assert isinstance(self.object_list, QuerySet)
        return self.object_list

    def _estimate(self) -> int:
        queryset = self._rows
        connection = connections[queryset.db]
        table = connection.ops.quote_name(queryset.model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [table]
            )
            row = cursor.fetchone()
        return int(row[0]) if row else -1


class ScopedChangeList(ChangeList):
    """Django's change list, narrowed to the current client and paged by key where there is one.

    A model admin with ``keyset_field`` is listed newest first by that field, and its pages are
    asked for by the key they start from (``?before=``, ``?after=``): the thousandth page costs
    what the first one does.
    """

    model_admin: ReadOnlyAdmin
    newer_url: str | None = None
    older_url: str | None = None

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        if any("\x00" in text for pair in request.GET.items() for text in pair):
            raise IncorrectLookupParameters
        super().__init__(request, *args, **kwargs)
        self.title = str(self.opts.verbose_name_plural).capitalize()

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """The rows in scope, of the current client only."""
        for name in (BEFORE, AFTER):
            # Filters and searches start again from the first page.
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        self.root_queryset = self.model_admin.for_current_client(request, self.root_queryset)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Newest first by key, where the list is paged by key."""
        key = self.model_admin.keyset_field
        return [f"-{key}"] if key else super().get_ordering(request, queryset)

    def get_results(self, request: HttpRequest) -> None:
        """Fetches one page; without a key as Django does."""
        if not self.model_admin.keyset_field:
            super().get_results(request)
            return
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
        rows = self._page(request)
        self.result_list = rows
        self.result_count = self.paginator.count
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = False
        self.can_show_all = False
        self.multi_page = bool(self.newer_url or self.older_url)

    def _page(self, request: HttpRequest) -> list[Any]:
        key, size = str(self.model_admin.keyset_field), self.list_per_page
        before, after = self._boundary(request, BEFORE), self._boundary(request, AFTER)
        if after is not None:
            nearest = self.queryset.filter(**{f"{key}__gt": after}).order_by(key)
            found = list(nearest[: size + 1])
            rows = found[:size][::-1]
            has_newer, has_older = len(found) > size, True
        else:
            older = self.queryset
            if before is not None:
                older = older.filter(**{f"{key}__lt": before})
            found = list(older[: size + 1])
            rows = found[:size]
            has_newer, has_older = before is not None, len(found) > size
        if rows and has_newer:
            self.newer_url = self.get_query_string({AFTER: str(getattr(rows[0], key))})
        if rows and has_older:
            self.older_url = self.get_query_string({BEFORE: str(getattr(rows[-1], key))})
        return rows

    def _boundary(self, request: HttpRequest, name: str) -> Any:
        text = request.GET.get(name)
        if text is None:
            return None
        try:
            field: Any = self.lookup_opts.get_field(str(self.model_admin.keyset_field))
            return field.to_python(text)
        except ValidationError as error:
            raise IncorrectLookupParameters(error) from error
