"""The answer to a request that other people have to approve first."""

from __future__ import annotations

from django.urls import reverse
from rest_framework import status
from rest_framework.response import Response

from ops.api import approval_bodies as bodies
from ops.models import Approval


def requested(approval: Approval) -> Response:
    """202 with the request and where to ask what became of it: nothing has changed yet."""
    return Response(
        bodies.approval(approval),
        status=status.HTTP_202_ACCEPTED,
        headers={"Location": reverse("approval", args=[approval.pk])},
    )
