"""The REST doors of jobs and runs: each parses, makes one service call and renders its result."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from access.api.idempotency import Idempotent
from access.api.pagination import NewestFirst
from audit.events import Actor
from ops.api import approval_bodies
from ops.api import job_bodies as bodies
from ops.models import Job
from ops.services import job_lists, jobs, proposals, runs, sla
from sealing.errors import Invalid

S = TypeVar("S", bound="Serializer[Any]")
MAX_WAIT_SECONDS = 30
_TRUTH = {"true": True, "false": False}


def _given(kind: type[S], request: Request) -> dict[str, Any]:
    body = kind(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


def _query(request: Request, *known: str) -> dict[str, str]:
    """The parameters of the address, each once. Raises Invalid for any other."""
    for name in request.query_params:
        if name not in known:
            raise Invalid("There is no such parameter.", field=name[:100])
        if len(request.query_params.getlist(name)) > 1:
            raise Invalid("Once only.", field=name)
    return {name: request.query_params[name] for name in request.query_params}


class JobsView(Idempotent):
    """`/ops/jobs`"""

    @extend_schema(
        operation_id="jobs_list",
        parameters=[
            OpenApiParameter("active_only", OpenApiTypes.BOOL),
            OpenApiParameter("job_type", OpenApiTypes.STR),
        ],
        responses=bodies.JobAnswer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Every job that the caller may look at or run; a plain array."""
        query = _query(request, "active_only", "job_type")
        active = query.get("active_only", "false")
        if active not in _TRUTH:
            raise Invalid("Either true or false.", field="active_only")
        lines = job_lists.listed(
            actor=Actor.of_request(request),
            active_only=_TRUTH[active],
            job_type=query.get("job_type"),
        )
        return Response([bodies.job(line) for line in lines])

    @extend_schema(
        operation_id="jobs_register",
        request=bodies.JobBody,
        responses={201: bodies.JobAnswer, 202: approval_bodies.ApprovalAnswer},
    )
    def post(self, request: Request) -> Response:
        """Register a job; of an officer, ask an administrator for it (202, with the approval)."""
        given, actor = _given(bodies.JobBody, request), Actor.of_request(request)
        given["owner"] = jobs.owner_named(actor=actor, username=given["owner"])
        made = proposals.register_job(actor=actor, **given)
        if not isinstance(made, Job):
            return Response(approval_bodies.approval(made), status=status.HTTP_202_ACCEPTED)
        line = job_lists.line_of(actor=actor, job=made)
        return Response(bodies.job(line), status=status.HTTP_201_CREATED)


class RunJobView(Idempotent):
    """`POST /ops/jobs/{job_id}/run`"""

    @extend_schema(
        operation_id="jobs_run",
        parameters=[OpenApiParameter("wait", OpenApiTypes.INT, description="Seconds, at most 30.")],
        request=bodies.NoBody,
        responses={200: bodies.RunAnswer, 202: bodies.QueuedAnswer},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Run a job now; with `wait`, answer with the run if it has ended by then."""
        wait = _seconds(_query(request, "wait").get("wait", "0"))
        _given(bodies.NoBody, request)
        actor = Actor.of_request(request)
        job = jobs.get_job(actor=actor, job_id=job_id)
        run = runs.request_run(actor=actor, job=job, wait_seconds=wait)
        headers = {"Location": reverse("run", args=[run.pk])}
        if run.is_finished:
            return Response(bodies.run(run), headers=headers)
        return Response(bodies.queued(run), status=status.HTTP_202_ACCEPTED, headers=headers)


class JobRunsView(APIView):
    """`GET /ops/jobs/{job_id}/runs`"""

    @extend_schema(
        operation_id="jobs_runs_list",
        parameters=[
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("page_size", OpenApiTypes.INT),
        ],
        responses=bodies.RunPage,
    )
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """The runs of a job that the caller may see, newest first."""
        found = job_lists.runs_of(actor=Actor.of_request(request), job_id=job_id)
        pagination = NewestFirst()
        page = pagination.paginate_queryset(found, request, self)
        return pagination.get_paginated_response([bodies.run(run) for run in page])


class RunView(APIView):
    """`GET /ops/jobs/runs/{run_id}`"""

    @extend_schema(operation_id="runs_retrieve", responses=bodies.RunAnswer)
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """One run: how far it is, how it ended, what came of it."""
        return Response(bodies.run(runs.get_run(actor=Actor.of_request(request), run_id=run_id)))


class EnableView(Idempotent):
    """`POST /ops/jobs/{job_id}/enable`"""

    @extend_schema(operation_id="jobs_enable", request=bodies.NoBody, responses=bodies.JobAnswer)
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Let a job run again, from its next window on."""
        _given(bodies.NoBody, request)
        actor = Actor.of_request(request)
        job = jobs.enable_job(actor=actor, job=jobs.get_job(actor=actor, job_id=job_id))
        return Response(bodies.job(job_lists.line_of(actor=actor, job=job)))


class DisableView(Idempotent):
    """`POST /ops/jobs/{job_id}/disable`"""

    @extend_schema(
        operation_id="jobs_disable",
        request=bodies.DisableBody,
        responses={202: approval_bodies.ApprovalAnswer},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Ask for a job to be disabled, which another person has to approve."""
        given, actor = _given(bodies.DisableBody, request), Actor.of_request(request)
        job = jobs.get_job(actor=actor, job_id=job_id)
        asked = proposals.disable_job(actor=actor, job=job, **given)
        return Response(approval_bodies.approval(asked), status=status.HTTP_202_ACCEPTED)


class SlaView(APIView):
    """`GET /ops/jobs/sla`"""

    @extend_schema(operation_id="jobs_sla", responses=bodies.BreachesAnswer)
    def get(self, request: Request) -> Response:
        """What is not done as it should be, among the jobs that the caller may see."""
        found = sla.told_to(actor=Actor.of_request(request))
        return Response({"breaches": [bodies.breach(breach) for breach in found]})


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 2) or int(text) > MAX_WAIT_SECONDS:
        raise Invalid(f"Whole seconds from 0 to {MAX_WAIT_SECONDS}.", field="wait")
    return int(text)
