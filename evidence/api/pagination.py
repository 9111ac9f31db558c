"""Pages of packages, newest first."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError

from access.api.pagination import CursorPagination, CursorRefused


class PackagePagination(CursorPagination):
    """Ordered by the moment of the request, as ids do not grow."""

    ordering = "-created_at"

    def paginate_queryset(self, *args: Any, **kwargs: Any) -> Any:
        """One page. Raises CursorRefused for a cursor that was not handed out here."""
        try:
            return super().paginate_queryset(*args, **kwargs)
        except ValidationError as error:
            # A position that is no time is found out where it is compared with one.
            raise CursorRefused("The cursor is not valid.", field="cursor") from error
