"""Addresses for testing what views are made of: a write, a list, and who is calling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import FileResponse
from django.urls import path
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access.api.idempotency import Idempotent
from access.api.pagination import CursorPagination
from access.api.serializers import MomentField, StrictSerializer
from access.models import Grant

calls: list[Any] = []
behaviour: list[Callable[[Request], Any]] = []


class Body(StrictSerializer):
    """A field of each kind."""

    text = serializers.CharField(max_length=100, required=False, allow_null=True)
    number = serializers.IntegerField(required=False)
    yes = serializers.BooleanField(required=False)
    anything = serializers.JSONField(required=False)
    at = MomentField(required=False)
    made = serializers.CharField(read_only=True)


class WriteView(Idempotent):
    """Counts what reaches it."""

    def post(self, request: Request) -> Any:
        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        calls.append(dict(body.validated_data))
        if behaviour:
            return behaviour[0](request)
        return Response({"call": len(calls)}, status=201, headers={"Location": "/made/1"})

    put = post

    def get(self, request: Request) -> Response:
        calls.append("read")
        return Response({"call": len(calls)})


class LargeView(WriteView):
    """Takes more than Django's own limit."""

    max_body_bytes = 3 << 20


class WhoView(APIView):
    """Says how the caller was recognised."""

    def get(self, request: Request) -> Response:
        return Response({"username": request.user.username, "means": request.auth})

    post = get


class GrantSerializer(serializers.ModelSerializer[Grant]):
    class Meta:
        model = Grant
        fields = ("id",)


class ByTime(CursorPagination):
    ordering = ("created_at", "-id")


class ListView(generics.ListAPIView[Grant]):
    """Newest first."""

    queryset = Grant.objects.all()
    serializer_class = GrantSerializer
    filter_backends = ()


class ByTimeView(ListView):
    """Many rows share a time."""

    pagination_class = ByTime


class ValuesView(ListView):
    """Rows that are dictionaries."""

    queryset = Grant.objects.values("id", "created_at")  # type: ignore[assignment]
    pagination_class = ByTime


def streamed(request: Request) -> FileResponse:
    """An answer that can't be kept."""
    import io

    return FileResponse(io.BytesIO(b"x"))


urlpatterns = [
    path("api/write", WriteView.as_view()),
    path("api/other", WriteView.as_view()),
    path("api/large", LargeView.as_view()),
    path("api/who", WhoView.as_view()),
    path("api/list", ListView.as_view()),
    path("api/by-time", ByTimeView.as_view()),
    path("api/values", ValuesView.as_view()),
]
