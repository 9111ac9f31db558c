"""A filter of a list that offers a few values and takes no others."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest


class ChoiceFilter(SimpleListFilter):
    """One of the offered values; anything else in the address narrows to nothing.

    Attributes:
        field: the column that holds the value; or `narrowed` is overridden.
    """

    field = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Only rows of the chosen value."""
        value = self.value()
        if value is None:
            return queryset
        if all(value != str(choice) for choice, _ in self.lookup_choices):
            return queryset.none()
        return self.narrowed(request, queryset, value)

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """The rows of an offered value."""
        return queryset.filter(**{self.field: value})
