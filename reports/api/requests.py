"""Reads what requests of this room are about."""

from __future__ import annotations

from typing import Any, TypeVar

from rest_framework.request import Request
from rest_framework.serializers import Serializer

from reports.formats import period as periods
from reports.formats.period import Period

S = TypeVar("S", bound="Serializer[Any]")


def given_in_body(kind: type[S], request: Request) -> dict[str, Any]:
    """The body. Raises ValidationError."""
    body = kind(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


def given_in_address(kind: type[S], request: Request) -> dict[str, Any]:
    """The parameters of the address. Raises ValidationError."""
    query = kind(data=request.query_params)
    query.is_valid(raise_exception=True)
    return dict(query.validated_data)


def period_of(given: dict[str, Any]) -> Period:
    """Takes the period out of what was given. Raises PeriodRefused, naming the field."""
    return periods.parse(given.pop("startDate"), given.pop("endDate"))
