"""The desk's card "did the jobs run": last night's runs, failures, and what was missed."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from access.admin.components import Tone
from access.admin.desk import CardData, current_client
from ops.models import RunStatus
from ops.services import runs, sla
from ops.services.sla import Breach, BreachCode

TITLE = "Did the jobs run"
LOOK_BACK = timedelta(hours=24)
_JOBS, _RUNS = "admin:ops_job_changelist", "admin:ops_run_changelist"


def card(request: HttpRequest) -> CardData | None:
    """Nothing for those who see neither jobs nor runs of their own."""
    chosen = current_client(request)
    found = runs.visible_runs(request.user).filter(created_at__gte=timezone.now() - LOOK_BACK)
    if chosen:
        found = found.filter(client_id=chosen)
    counts = found.order_by().aggregate(
        all=Count("pk"),
        done=Count("pk", filter=Q(status=RunStatus.SUCCESS)),
        failed=Count("pk", filter=Q(status=RunStatus.FAILED)),
    )
    wrong = [
        breach
        for breach in sla.breaches(request.user)
        if chosen is None or breach.job.client_id == chosen
    ]
    told = f"{counts['done']:,} of {_runs(counts['all'])} succeeded in the last 24 hours."
    if counts["failed"]:
        url = f"{reverse(_RUNS)}?state={RunStatus.FAILED}&period=day"
        return CardData(TITLE, f"{counts['failed']:,} failed", told, Tone.REFUSED, url)
    if wrong:
        return _breached(wrong)
    if not counts["all"]:
        detail = "No run in the last 24 hours, and none was missed."
        return CardData(TITLE, "None was due", detail, Tone.NEUTRAL, reverse(_JOBS))
    waiting = counts["all"] - counts["done"]
    if waiting:
        told = f"{told} {waiting:,} {'is' if waiting == 1 else 'are'} not at an end yet."
    return CardData(TITLE, "All ran", told, Tone.VERIFIED, f"{reverse(_RUNS)}?period=day")


def _breached(wrong: list[Breach]) -> CardData:
    """What is wrong with the schedule; the first of it by name."""
    first = wrong[0]
    more = f" And {len(wrong) - 1} more." if len(wrong) > 1 else ""
    missed = sum(breach.code is BreachCode.MISSED_RUN for breach in wrong)
    failed = sum(breach.code is BreachCode.LATEST_RUN_FAILED for breach in wrong)
    tone, value = Tone.ATTENTION, f"{len(wrong)} need{'s' if len(wrong) == 1 else ''} a look"
    if failed:
        tone, value = Tone.REFUSED, f"{failed} failed last"
    elif missed:
        value = f"{missed} missed"
    detail = f"{first.job.name}: {first.message}{more}"
    url = reverse("admin:ops_job_change", args=[first.job.pk])
    return CardData(TITLE, value, detail, tone, url if len(wrong) == 1 else reverse(_JOBS))


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"
