"""OpenAPI: every operation also declares the problem details that it may answer."""

from __future__ import annotations

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers


class ProblemField(serializers.Serializer[Any]):
    """A field that was refused and why."""

    field = serializers.CharField()
    message = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """RFC 9457 problem details."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    errors = ProblemField(many=True)  # type: ignore[assignment]
    instance = serializers.CharField(required=False)


class ProblemAutoSchema(AutoSchema):
    """Adds the refusals that any door may answer to each operation's responses."""

    REFUSALS = {
        "400": "The request is not valid; `errors` names the fields.",
        "401": "Not signed in, or the token is not valid any more.",
        "403": "Signed in, but not allowed.",
        "404": "Not there, or not within your clients.",
        "429": "Too many requests; `Retry-After` tells when to come back.",
        "503": "The audit trail does not record now, so nothing may change.",
    }

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for status_code, description in self.REFUSALS.items():
            if status_code not in bodies:
                bodies[status_code] = self._get_response_for_code(  # type: ignore[no-untyped-call]
                    OpenApiResponse(Problem, description=description),
                    status_code,
                    ["application/problem+json"],
                    direction,
                )
        return bodies
