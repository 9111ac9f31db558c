"""The executive summary: figures, charts and sentences, all made of facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from reports.facts import charts
from reports.facts.base import NO_DATA, Scope

HEADLINE = (
    "events.recorded",
    "people.active",
    "mfa.coverage",
    "grants.in_force",
    "sign_ins.failed",
    "runs.failed",
    "approvals.own_decisions",
    "log.gaps",
    "verifications.invalid",
    "incidents.opened",
)


def of(scope: Scope, facts: dict[str, Any], states: Sequence[str]) -> dict[str, Any]:
    """The document's ``executiveSummary``."""
    counts = Counter(states)
    return {
        "headline": [{"label": facts[name]["label"], "fact": name} for name in HEADLINE],
        "controls": {
            "total": len(states),
            "compliant": counts["compliant"],
            "attention": counts["attention"],
            "notCompliant": counts["not_compliant"],
            "notApplicable": counts["not_applicable"],
            "notAssessed": counts["not assessed"],
        },
        "charts": charts.of(scope, facts),
        "text": _sentences(scope, facts, counts, len(states)),
    }


def _sentences(scope: Scope, facts: dict[str, Any], counts: Counter[str], total: int) -> list[str]:
    def told(name: str) -> str:
        value = facts[name]["value"]
        return value if isinstance(value, str) else f"{value:,}"

    days = f"{_day(scope.start)} to {_day(scope.end - timedelta(microseconds=1))}"
    sentences = [
        f"From {days} (UTC) the log recorded {told('events.recorded')} events; numbers that it"
        f" lacks: {told('log.gaps')}.",
        f"Verifications of the log: valid {told('verifications.valid')}, invalid"
        f" {told('verifications.invalid')}, inconclusive {told('verifications.inconclusive')}.",
        f"At the end there were {told('people.active')} people with an active account; joined:"
        f" {told('people.joined')}, left: {told('people.left')}. Accounts with a second factor, in"
        f" per cent: {told('mfa.coverage')}.",
        f"Runs: {told('runs.succeeded')} succeeded, {told('runs.failed')} failed.",
        f"Approvals: {told('approvals.requested')} asked for, {told('approvals.approved')} decided"
        f" in favour, {told('approvals.rejected')} rejected. Decisions of whoever had asked:"
        f" {told('approvals.own_decisions')}.",
        f"Of {total} controls, {counts['compliant']} were assessed as compliant,"
        f" {counts['attention']} need attention, {counts['not_compliant']} are not compliant,"
        f" {counts['not_applicable']} do not apply, and {counts['not assessed']} were not"
        " assessed.",
    ]
    silent = sum(1 for fact in facts.values() if fact["value"] == NO_DATA)
    if silent:
        sentences.append(f"For {silent} of {len(facts)} figures nothing is stored: {NO_DATA}.")
    return sentences


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
