"""Parameters and bodies of requests about controls, and how they are told as JSON."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from access.api.serializers import StrictSerializer
from reports.api.bodies import AuditPeriodAnswer, PacketPersonAnswer, SingleValues
from reports.formats.period import Period
from reports.models import AssessmentState, ControlAssessment, Framework
from reports.services.control_lists import Standings
from reports.services.controls import MAX_EVIDENCE, MAX_NOTE, ControlStanding
from sealing.times import format_time

_CLIENT = 64
_MOMENT = 40


class ControlsQuery(SingleValues):
    """Which controls, whose, and over which period: both dates or neither."""

    framework = serializers.ChoiceField(
        choices=Framework.values, required=False, default=str(Framework.SOC2)
    )
    client_id = serializers.CharField(max_length=_CLIENT, required=False, default=None)
    startDate = serializers.CharField(max_length=_MOMENT, required=False)  # noqa: N815
    endDate = serializers.CharField(max_length=_MOMENT, required=False)  # noqa: N815

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Names the date that is missing."""
        for name, other in (("startDate", "endDate"), ("endDate", "startDate")):
            if name not in attrs and other in attrs:
                raise serializers.ValidationError({name: ["Both dates, or neither."]})
        return attrs


class AssessmentBody(StrictSerializer):
    """What was found about a control over a period, by whom is known."""

    framework = serializers.ChoiceField(
        choices=Framework.values, required=False, default=str(Framework.SOC2)
    )
    client_id = serializers.CharField(
        max_length=_CLIENT, required=False, allow_null=True, default=None
    )
    startDate = serializers.CharField(max_length=_MOMENT)  # noqa: N815
    endDate = serializers.CharField(max_length=_MOMENT)  # noqa: N815
    state = serializers.ChoiceField(choices=AssessmentState.values)
    note = serializers.CharField(max_length=MAX_NOTE)
    evidence = serializers.ListField(
        child=serializers.CharField(max_length=36),
        max_length=MAX_EVIDENCE,
        required=False,
        default=list,
    )


class AssessmentAnswer(serializers.Serializer[Any]):
    """What somebody found about a control."""

    id = serializers.CharField()
    framework = serializers.CharField()
    control_id = serializers.CharField()
    client_id = serializers.CharField(allow_null=True)
    auditPeriod = AuditPeriodAnswer()  # noqa: N815
    state = serializers.ChoiceField(choices=AssessmentState.values)
    note = serializers.CharField()
    evidence = serializers.ListField(child=serializers.CharField())
    assessor = PacketPersonAnswer()
    assessed_at = serializers.CharField()


class ControlAnswer(serializers.Serializer[Any]):
    """A control, and the newest assessment that counts for the period.

    `state` is that assessment's, or `not assessed` where nobody looked.
    """

    control_id = serializers.CharField()
    series = serializers.CharField()
    category = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    state = serializers.CharField()
    evidence_count = serializers.IntegerField()
    assessment = AssessmentAnswer(allow_null=True)


class ControlsAnswer(serializers.Serializer[Any]):
    """The controls in the scope of packets."""

    framework = serializers.CharField()
    client_id = serializers.CharField(allow_null=True)
    auditPeriod = AuditPeriodAnswer()  # noqa: N815
    controls = ControlAnswer(many=True)


def controls(found: Standings) -> dict[str, Any]:
    """The controls, as JSON."""
    return {
        "framework": found.framework,
        "client_id": found.client_id,
        "auditPeriod": found.period.as_dict(),
        "controls": [_control(standing) for standing in found.controls],
    }


def assessment(found: ControlAssessment) -> dict[str, Any]:
    """One assessment, as JSON."""
    return {
        "id": str(found.pk),
        "framework": found.control.framework,
        "control_id": found.control.control_id,
        "client_id": found.client_id,
        "auditPeriod": Period(found.period_start, found.period_end).as_dict(),
        "state": found.state,
        "note": found.note,
        "evidence": found.evidence,
        "assessor": {"person": str(found.person_id), "name": found.person.display_name},
        "assessed_at": format_time(found.assessed_at),
    }


def _control(standing: ControlStanding) -> dict[str, Any]:
    control = standing.control
    return {
        "control_id": control.control_id,
        "series": control.series,
        "category": control.category,
        "label": control.label,
        "state": standing.state,
        "evidence_count": standing.evidence,
        "assessment": None if standing.assessment is None else assessment(standing.assessment),
    }
