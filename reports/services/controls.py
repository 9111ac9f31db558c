"""Assessments: what an officer found about a control over a period. Nothing is overwritten.

An assessment counts for every period that lies within its own: one of a quarter counts for each
of the quarter's months, one of a month says nothing about the quarter. And nobody has seen what had
not happened yet: it counts for a period that is over only if it was made once that was over, and
for one that goes on only if it was made since that began. So what was found about October on its
20th stands for it until the month ends; from then on it takes one that was made on the 1st of
November or later. Of those that count, the newest does. That nobody looked is the absence of an
assessment, and never a state.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from access import policy
from access.models import Person, User
from access.roles import Action
from audit.events import Actor, EventType
from audit.services import trail
from evidence.models import Artifact
from evidence.services.requests import text
from reports import catalogue
from reports.formats import period as periods
from reports.formats.period import Period
from reports.models import AssessmentState, Control, ControlAssessment, Framework
from reports.services import requests
from sealing import digests
from sealing.errors import Forbidden, Invalid
from sealing.times import format_time

NOT_ASSESSED: Final = "not assessed"
MAX_NOTE: Final = 2000
MAX_EVIDENCE: Final = 50


class AssessmentRefused(Invalid):
    """A field of an assessment can't be accepted; the field is named."""

    code = "invalid"


class NotAPerson(Forbidden):
    """Only a human being assesses a control."""

    code = "not_a_person"


@dataclass(frozen=True, slots=True)
class ControlStanding:
    """A control as it stands for a client over a period.

    Attributes:
        control: the control.
        assessment: the newest one that counts; None where nobody looked.
        evidence: how many artefacts of the control lie in the period.
    """

    control: Control
    assessment: ControlAssessment | None
    evidence: int

    @property
    def state(self) -> str:
        """The state of the assessment, or ``not assessed``."""
        return state_of(self.assessment)


def assess(
    *,
    actor: Actor,
    framework: str,
    control_id: str,
    client_id: str | None,
    period: Period,
    state: str,
    note: str,
    evidence: Sequence[str | uuid.UUID] = (),
) -> ControlAssessment:
    """Record what the actor found. It takes the place of what was found before, which stays.

    Args:
        actor: Who assesses; a person who may do so for this client.
        framework: The framework's name, such as ``SOC2``.
        control_id: The control as the framework has it, ``CC6.1``.
        client_id: Whose control it is; None is the platform.
        period: What the assessment is about. It has begun.
        state: One of AssessmentState.
        note: What was looked at and found; required.
        evidence: Ids of artefacts of this control, of the client or of the platform, that the
            actor may see.

    Raises:
        OutOfScope, Forbidden, NotAPerson: the actor may not assess for this client.
        PacketNotFound: there is no such client.
        UnknownControl: the framework has no such control.
        PeriodRefused, AssessmentRefused, RequestRefused: naming the field.
    """
    trail.ensure_enabled()
    policy.require(actor.account, Action.ASSESS_CONTROL, client_id)
    requests.client_of({"client_id": client_id})  # whoever may for all may name one that is none
    account, person = _person_of(actor)
    control = _control(framework, control_id)
    periods.checked(period)
    if period.start > timezone.now():
        raise AssessmentRefused("The period has not begun.", field="startDate")
    if state not in AssessmentState.values:
        raise AssessmentRefused(f"One of {', '.join(AssessmentState.values)}.", field="state")
    note = text(note, limit=MAX_NOTE, field="note", required=True)
    found = _evidence(actor, control, client_id, evidence)
    with transaction.atomic():
        former = state_in(framework, control_id, client_id, period)
        assessment = ControlAssessment.objects.create(
            control=control,
            client_id=client_id,
            period_start=period.start,
            period_end=period.end,
            state=state,
            note=note.strip(),
            evidence=found,
            person=person,
            account=account,
        )
        _record(actor, assessment, former)
    return assessment


def assessments_of(
    client_id: str | None, framework: str, period: Period, before: datetime | None = None
) -> dict[str, ControlAssessment]:
    """The newest assessment that counts for a period, by the control's id in the framework.

    Controls that nobody assessed are absent. One query.

    Args:
        before: leaves out what was assessed at that moment or later; whether the period is over is
            asked of that moment, too. None is now.
    """
    rows = _counting(client_id, period, before).filter(control__framework=framework)
    newest = rows.order_by("control_id", "-assessed_at", "-id").distinct("control_id")
    return {
        found.control.control_id: found
        for found in newest.select_related("control", "person", "account__person")
    }


def state_in(
    framework: str,
    control_id: str,
    client_id: str | None,
    period: Period,
    before: datetime | None = None,
) -> ControlAssessment | None:
    """The newest assessment of one control that counts for a period, if there is one."""
    rows = _counting(client_id, period, before).filter(control_id=_key(framework, control_id))
    return rows.select_related("control", "person", "account__person").first()


def state_of(assessment: ControlAssessment | None) -> str:
    """The state as packets and pages write it: ``not assessed`` where nobody looked."""
    return NOT_ASSESSED if assessment is None else assessment.state


def history_of(
    framework: str, control_id: str, client_id: str | None
) -> QuerySet[ControlAssessment]:
    """Every assessment of a control for a client, of whatever period, the newest first."""
    rows = ControlAssessment.objects.filter(
        control_id=_key(framework, control_id), client_id=client_id
    )
    return rows.select_related("control", "person", "account__person")


def overview(*, client_id: str | None, framework: str, period: Period) -> list[ControlStanding]:
    """Every control in the scope of packets, in the framework's order, as it stands.

    The caller has made sure that whoever asks may see the client.
    """
    specs = catalogue.in_scope(framework, frozenset(settings.SOC2_CATEGORIES))
    known = {spec.control_id for spec in specs}
    assessed = assessments_of(client_id, framework, period)
    counts = _artifacts_in(client_id, framework, period)
    return [
        ControlStanding(
            control, assessed.get(control.control_id), counts.get(control.control_id, 0)
        )
        for control in Control.objects.filter(framework=framework)
        if control.control_id in known
    ]


def states_of_clients(
    client_ids: Iterable[str], framework: str, period: Period
) -> dict[tuple[str, str], str]:
    """The newest state that counts, by client and control: the heat map's one query."""
    specs = catalogue.in_scope(framework, frozenset(settings.SOC2_CATEGORIES))
    rows = ControlAssessment.objects.filter(
        _of_period(period),
        # Both lead the index, so that it answers however many assessments there are.
        control_id__in=[_key(framework, spec.control_id) for spec in specs],
        client_id__in=list(client_ids),
    )
    newest = rows.order_by("client_id", "control_id", "-assessed_at", "-id")
    found = newest.distinct("client_id", "control_id")
    return {
        (client, control.partition(":")[2]): state
        for client, control, state in found.values_list("client_id", "control_id", "state")
        if client is not None
    }


def evidence_for(
    *, actor: Actor, framework: str, control_id: str, client_id: str | None
) -> QuerySet[Artifact]:
    """The artefacts that an assessment of this control may rest on, the newest first."""
    owners = Q(client=None) | Q(client_id=client_id)
    rows = Artifact.objects.filter(owners, framework=framework, control_id=control_id)
    return policy.visible(rows, actor.account)


def _counting(
    client_id: str | None, period: Period, before: datetime | None
) -> QuerySet[ControlAssessment]:
    rows = ControlAssessment.objects.filter(_of_period(period, before), client_id=client_id)
    return rows if before is None else rows.filter(assessed_at__lt=before)


def _of_period(period: Period, moment: datetime | None = None) -> Q:
    """Which assessments count for a period, as it is at a moment: see above."""
    is_over = period.end <= (moment or timezone.now())
    return Q(
        period_start__lte=period.start,
        period_end__gte=period.end,
        assessed_at__gte=period.end if is_over else period.start,
    )


def _artifacts_in(client_id: str | None, framework: str, period: Period) -> dict[str, int]:
    rows = Artifact.objects.filter(
        client_id=client_id,
        framework=framework,
        period_start__lt=period.end,
        period_end__gt=period.start,
    )
    counts: dict[str, int] = {}
    for control_id in rows.order_by().values_list("control_id", flat=True):
        counts[control_id] = counts.get(control_id, 0) + 1
    return counts


def _person_of(actor: Actor) -> tuple[User, Person]:
    account = actor.account
    if account is None or account.person is None:
        raise NotAPerson("Assessing a control is for people.")
    return account, account.person


def _control(framework: str, control_id: str) -> Control:
    if framework not in Framework.values:
        raise AssessmentRefused("There is no such framework.", field="framework")
    spec = catalogue.control(framework, control_id)
    return Control.objects.get(pk=_key(framework, spec.control_id))


def _key(framework: str, control_id: str) -> str:
    return f"{framework}:{control_id}"


def _evidence(
    actor: Actor, control: Control, client_id: str | None, given: Sequence[str | uuid.UUID]
) -> list[str]:
    if len(given) > MAX_EVIDENCE:
        raise AssessmentRefused(f"At most {MAX_EVIDENCE} artefacts.", field="evidence")
    try:
        wanted = {uuid.UUID(str(item)) for item in given}
    except ValueError as error:
        raise AssessmentRefused("An artefact is named by its id.", field="evidence") from error
    allowed = evidence_for(
        actor=actor,
        framework=control.framework,
        control_id=control.control_id,
        client_id=client_id,
    )
    found = set(allowed.filter(pk__in=wanted).values_list("pk", flat=True))
    if found != wanted:
        raise AssessmentRefused(
            "Each has to be an artefact of this control, of this client or of the platform.",
            field="evidence",
        )
    return sorted(str(item) for item in found)


def _record(actor: Actor, assessment: ControlAssessment, former: ControlAssessment | None) -> None:
    """The note itself may name people, and what is recorded can't be erased: its digest is."""
    trail.record(
        EventType.REPORTS_CONTROL_ASSESSED,
        actor=actor,
        client=assessment.client_id,
        obj=("control", assessment.control_id),
        data={
            "assessment": str(assessment.pk),
            "period_start": format_time(assessment.period_start),
            "period_end": format_time(assessment.period_end),
            "state": assessment.state,
            "note_sha256": digests.sha256_tag(assessment.note.encode()),
            "evidence": assessment.evidence,
            "replaces": str(former.pk) if former else None,
            "former_state": state_of(former),
        },
    )
