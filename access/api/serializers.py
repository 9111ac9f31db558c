"""Serializers that refuse what they do not know, and do not guess at types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.utils import html

from sealing.errors import Invalid
from sealing.times import format_time, parse_rfc3339

_TYPES: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], type, str], ...] = (
    (serializers.BooleanField, bool, "true or false is expected."),
    (serializers.IntegerField, int, "A whole number is expected."),
    (serializers.CharField, str, "Text is expected."),
)


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses unknown fields: a misspelt option is an error, not a default.

    In JSON, a number is no text, and "false" is no truth value. U+0000 and half characters are
    refused wherever they stand; PostgreSQL and canonical JSON can't hold them.
    """

    def to_internal_value(self, data: Any) -> Any:
        """The validated values."""
        if isinstance(data, Mapping):
            errors = dict(self._unknown(data)) or dict(self._unfit(data))
            if errors:
                raise serializers.ValidationError(errors)
        return super().to_internal_value(data)

    def _unknown(self, data: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
        known = {name for name, field in self.fields.items() if not field.read_only}
        for name in data:
            if name not in known:
                shown = str(name)[:100].encode("ascii", "backslashreplace").decode()
                yield shown, ["There is no such field."]

    def _unfit(self, data: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
        is_form = html.is_html_input(data)
        for name, value in data.items():
            reason = _unstorable(value)
            if reason is None and not is_form:
                reason = _other_type(self.fields[name], value)
            if reason is not None:
                yield name, [reason]


@extend_schema_field(OpenApiTypes.DATETIME)
class MomentField(serializers.Field[datetime, str, str, datetime]):
    """A time with an offset (RFC 3339)."""

    def to_internal_value(self, data: Any) -> datetime:
        """The moment in UTC."""
        if not isinstance(data, str):
            raise serializers.ValidationError("Text is expected, a time with an offset.")
        try:
            return parse_rfc3339(data)
        except Invalid as error:
            raise serializers.ValidationError(error.message) from error

    def to_representation(self, value: datetime) -> str:
        """As formats write it."""
        return format_time(value)


def _other_type(field: serializers.Field[Any, Any, Any, Any], value: Any) -> str | None:
    for kind, expected, message in _TYPES:
        if isinstance(field, kind):
            fits = value is None or type(value) is expected
            return None if fits else message
    return None


def _unstorable(value: Any) -> str | None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if "\x00" in item:
                return "The character U+0000 is not accepted."
            if any("\ud800" <= character <= "\udfff" for character in item):
                return "Half a character is not accepted."
        elif isinstance(item, Mapping):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, (list, tuple)):
            stack.extend(item)
    return None
