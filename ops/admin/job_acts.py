"""What can be done with jobs: each act says what it will do, and makes one service call."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from access.admin import components
from access.admin.acts import Decision, Done, ObjectAction
from access.models import User
from access.roles import Action
from audit.events import Actor
from ops import registry
from ops.acts.jobs import DISABLE, REGISTER
from ops.admin import asking, facts, run_columns
from ops.admin.job_forms import DisableForm, RegisterForm, registers_alone
from ops.admin.schedule_words import in_words
from ops.models import Approval, Job
from ops.services import jobs, proposals, runs, windows
from sealing.errors import Forbidden, NotFound

_PLAN = ("name", "job_type", "schedule_cron", "payload", "description", "enabled")
RECORDED = "That you did it is recorded in the audit trail."


def _about(job: Job) -> list[tuple[str, Any]]:
    return [
        ("Job", job.name),
        ("Type", components.identifier(job.job_type)),
        ("What it does", registry.get(job.job_type).description),
        ("Client", run_columns.client(job)),
        ("Schedule", schedule(job)),
        *facts.pages_of(job.job_type).asked(job.payload),
    ]


def schedule(job: Job) -> Any:
    """The schedule in words, and as its five fields."""
    words = in_words(job.schedule_cron)
    if not job.schedule_cron:
        return words
    return format_html('{} <code class="cron">{}</code>', words, job.schedule_cron)


# --- run now --------------------------------------------------------------------------------


def may_run(user: Any, job: Job) -> bool:
    """Whether the account may run it: the type's own permission counts as well."""
    try:
        runs.require_may_run(user, registry.get(job.job_type), job.client_id, by_job=True)
    except (Forbidden, NotFound):
        return False
    return True


def run_hindrance(request: HttpRequest, job: Job) -> str | None:
    """Why it can't be run now."""
    return None if job.is_enabled else "The job is disabled. Enable it first."


def describe_run(request: HttpRequest, job: Job) -> Decision:
    """What running it means."""
    open_runs = job.runs.filter(status__in=windows.OPEN).count()
    consequences = [
        "One run is queued; a worker takes it up within seconds, with your rights.",
        "Its page shows how far it is. The schedule is not changed.",
        RECORDED,
    ]
    if open_runs:
        consequences.insert(0, "A run of this job waits or is under way already: this is another.")
    return Decision(act=f"Run {job.name} now", facts=_about(job), consequences=consequences)


def do_run(request: HttpRequest, job: Job, data: dict[str, Any]) -> Done:
    """Queues the run and shows it."""
    run = runs.request_run(actor=Actor.of_request(request), job=job)
    return Done(message=f"Queued a run of {job.name}.", url=run_columns.address(run))


# --- enable and disable ---------------------------------------------------------------------


def enable_hindrance(request: HttpRequest, job: Job) -> str | None:
    """Why it can't be enabled now."""
    return "The job is active already." if job.is_enabled else None


def describe_enable(request: HttpRequest, job: Job) -> Decision:
    """What enabling it means."""
    return Decision(
        act=f"Enable {job.name}",
        facts=_about(job),
        changes=(("State", "Disabled", "Active"),),
        consequences=(
            "It runs by its schedule again, from the next window on; those that passed while it"
            " was disabled are not made up for.",
            RECORDED,
        ),
    )


def do_enable(request: HttpRequest, job: Job, data: dict[str, Any]) -> str:
    """Enables it."""
    jobs.enable_job(actor=Actor.of_request(request), job=job)
    return f"Enabled {job.name}."


def disable_hindrance(request: HttpRequest, job: Job) -> str | None:
    """Why it can't be disabled now."""
    return None if job.is_enabled else "The job is disabled already."


def describe_disable(request: HttpRequest, job: Job) -> Decision:
    """What asking for it means."""
    return asking.decision(DISABLE, f"Ask to disable {job.name}", facts=_about(job), danger=True)


def do_disable(request: HttpRequest, job: Job, data: dict[str, Any]) -> Done:
    """Asks for it."""
    asked = proposals.disable_job(actor=Actor.of_request(request), job=job, reason=data["reason"])
    return asking.requested(asked)


# --- register -------------------------------------------------------------------------------


def describe_register(request: HttpRequest, obj: None) -> Decision:
    """What registering a job means."""
    if not registers_alone(request.user):
        return asking.decision(REGISTER, "Ask for a job to be registered")
    return Decision(
        act="Register the job",
        consequences=(
            "You become its owner: its scheduled runs have your rights, as they are at that time,"
            " and you count as the maker of what they make.",
            RECORDED,
        ),
        irreversible=("Its name, type, client and owner can’t be changed; it can be disabled.",),
    )


def do_register(request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
    """Registers it, or asks an administrator to."""
    done = proposals.register_job(
        actor=Actor.of_request(request),
        owner=cast(User, request.user),
        reason=data.get("reason", proposals.NO_REASON),
        **{name: data[name] for name in _PLAN},
    )
    if isinstance(done, Approval):
        return asking.requested(done)
    return Done(
        message=f"Registered {done.name}.", url=reverse("admin:ops_job_change", args=[done.pk])
    )


RUN = ObjectAction(
    "run",
    "Run now",
    Action.RUN_JOB,
    handler=do_run,
    describe=describe_run,
    hindrance=run_hindrance,
    primary=True,
)
ENABLE = ObjectAction(
    "enable",
    "Enable",
    Action.MANAGE_JOBS,
    handler=do_enable,
    describe=describe_enable,
    hindrance=enable_hindrance,
    primary=True,
)
DISABLE_ACT = ObjectAction(
    "disable",
    "Disable",
    Action.REQUEST_JOBS,
    DisableForm,
    handler=do_disable,
    describe=describe_disable,
    hindrance=disable_hindrance,
)
REGISTER_ACT = ObjectAction(
    "new",
    "Register a job",
    Action.REQUEST_JOBS,
    RegisterForm,
    template="admin/ops/job/register.html",
    handler=do_register,
    describe=describe_register,
    primary=True,
)
