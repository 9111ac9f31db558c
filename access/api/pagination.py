"""Lists by cursor: stable while rows are added, and never a count of millions.

A page is asked for by the key of the row beside it, all columns of the ordering together, so
that any number of rows may share a time. Cursors are authenticated: what was not handed out for
this list never reaches the database.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.utils.crypto import salted_hmac
from rest_framework import pagination
from rest_framework.request import Request
from rest_framework.utils.urls import remove_query_param, replace_query_param

from sealing.errors import Invalid

_MAX_CURSOR_CHARACTERS = 2000
_MAC_CHARACTERS = 32

if TYPE_CHECKING:
    from rest_framework.views import APIView


class CursorRefused(Invalid):
    """The cursor is none of ours."""

    code = "cursor_invalid"


@dataclass(frozen=True, slots=True)
class Place:
    """A place beside a row, and the direction to go on in.

    Attributes:
        is_backward: towards the previous page.
        key: the row's values in the columns of the ordering, as text.
    """

    is_backward: bool
    key: tuple[str, ...]

    def encode(self, salt: str) -> str:
        """As it stands in an address; ``salt`` names the list."""
        text = json.dumps([self.is_backward, *self.key], separators=(",", ":"))
        body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return body + _mac(salt, body)

    @classmethod
    def decode(cls, text: str, salt: str) -> Place:
        """Reads what ``encode`` wrote for the same list. Raises CursorRefused."""
        body, mac = text[:-_MAC_CHARACTERS], text[-_MAC_CHARACTERS:]
        is_ours = text.isascii() and len(text) <= _MAX_CURSOR_CHARACTERS
        if not is_ours or not hmac.compare_digest(mac, _mac(salt, body)):
            raise CursorRefused("The cursor is not valid for this list.", field="cursor")
        is_backward, *key = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return cls(is_backward, tuple(key))


class CursorPagination(pagination.CursorPagination):
    """`next`, `previous`, `results`; `page_size` up to 500.

    ``ordering`` ends in a unique column, and no column of it may be null.
    """

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
    ordering = "-id"

    page: list[Any]
    base_url: str

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """One page. Raises CursorRefused, or Invalid for a size that is none."""
        self.request = request
        self.base_url = remove_query_param(request.build_absolute_uri(), self.cursor_query_param)
        self._columns = tuple(self.get_ordering(request, queryset, view))  # type: ignore[arg-type]
        self._salt = f"{request.path} {' '.join(self._columns)}"
        text = request.query_params.get(self.cursor_query_param)
        place = Place.decode(text, self._salt) if text is not None else None
        is_backward = place is not None and place.is_backward
        size = self.get_page_size(request)

        columns = [_reversed(column) for column in self._columns] if is_backward else self._columns
        rows = queryset.order_by(*columns)
        if place is not None:
            rows = rows.filter(_beyond(queryset.model, columns, place.key))
        found = list(rows[: size + 1])
        self.page = found[:size][::-1] if is_backward else found[:size]
        has_more = len(found) > size
        self.has_next = bool(self.page) and (has_more or is_backward)
        self.has_previous = bool(self.page) and (has_more if is_backward else place is not None)
        return self.page

    def get_page_size(self, request: Request) -> int:
        """What ``page_size`` asks for, at most ``max_page_size``."""
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return self.page_size
        if not (asked.isascii() and asked.isdigit() and int(asked[:6]) > 0):
            raise Invalid(f"A number from 1 to {self.max_page_size}.", field="page_size")
        return min(int(asked[:6]), self.max_page_size)

    def get_next_link(self) -> str | None:
        """The address of the next page, if there is one."""
        return self._link(self.page[-1], is_backward=False) if self.has_next else None

    def get_previous_link(self) -> str | None:
        """The address of the previous page, if there is one."""
        return self._link(self.page[0], is_backward=True) if self.has_previous else None

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """DRF's, with the limits of the size."""
        parameters = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            if parameter["name"] == self.page_size_query_param:
                parameter["schema"] = {"type": "integer", "minimum": 1, "default": self.page_size}
                parameter["description"] = f"At most {self.max_page_size} rows are answered."
        return parameters

    def _link(self, row: Any, *, is_backward: bool) -> str:
        names = [column.lstrip("-") for column in self._columns]
        values = (row[name] if isinstance(row, dict) else getattr(row, name) for name in names)
        place = Place(is_backward, tuple(_text(value) for value in values))
        encoded = place.encode(self._salt)
        return str(replace_query_param(self.base_url, self.cursor_query_param, encoded))


def _mac(salt: str, body: str) -> str:
    return salted_hmac(f"cursor {salt}", body, algorithm="sha256").hexdigest()[:_MAC_CHARACTERS]


def _reversed(column: str) -> str:
    return column[1:] if column.startswith("-") else f"-{column}"


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _beyond(model: type[Model], columns: Sequence[str], key: Sequence[str]) -> Q:
    """The rows after ``key`` in the order of ``columns``."""
    names = [column.lstrip("-") for column in columns]
    try:
        fields: list[Any] = [
            model._meta.pk if name == "pk" else model._meta.get_field(name) for name in names
        ]
        values = [field.to_python(text) for field, text in zip(fields, key, strict=True)]
    except (ValidationError, ValueError) as error:
        raise CursorRefused("The cursor is not valid for this list.", field="cursor") from error
    first = "lte" if columns[0].startswith("-") else "gte"
    # The first condition alone bounds the index; the others settle rows that share its value.
    bound = Q(**{f"{names[0]}__{first}": values[0]})
    after, same = Q(), Q()
    for column, name, value in zip(columns, names, values, strict=True):
        comparison = "lt" if column.startswith("-") else "gt"
        after |= same & Q(**{f"{name}__{comparison}": value})
        same &= Q(**{name: value})
    return bound & after


class NewestFirst(CursorPagination):
    """By the moment at which rows were made, as their ids do not grow."""

    ordering = ("-created_at", "-id")  # type: ignore[assignment]
