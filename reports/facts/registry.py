"""The closed list of facts, and how all of them are measured."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from reports import catalogue
from reports.catalogue import ControlSpec
from reports.facts import (
    approvals,
    changes,
    grants,
    jobs,
    packages,
    people,
    recovery,
    signins,
    trail,
)
from reports.facts.base import NOTHING, Fact, Measured, Population, Scope

_SUBJECTS = (people, grants, signins, changes, trail, jobs, approvals, recovery, packages)
FRAMEWORK = "SOC2"


@lru_cache(maxsize=1)
def all_facts() -> tuple[Fact, ...]:
    """Every fact, subject by subject; last, for each control, how many artefacts it has."""
    found = [fact for subject in _SUBJECTS for fact in subject.facts()]
    found += [
        packages.of_control(FRAMEWORK, spec.control_id) for spec in catalogue.controls(FRAMEWORK)
    ]
    return tuple(found)


@lru_cache(maxsize=1)
def _by_name() -> dict[str, Fact]:
    return {fact.name: fact for fact in all_facts()}


def get(name: str) -> Fact:
    """The fact of that name."""
    return _by_name()[name]


def facts_for(control_ids: Iterable[str]) -> tuple[Fact, ...]:
    """Every fact; of those that belong to one control alone only those of the given controls."""
    wanted = {f"{packages.PER_CONTROL}{control_id}" for control_id in control_ids}
    others = {f"{packages.PER_CONTROL}{spec.control_id}" for spec in catalogue.controls(FRAMEWORK)}
    return tuple(fact for fact in all_facts() if fact.name in wanted or fact.name not in others)


def names_of(spec: ControlSpec) -> tuple[str, ...]:
    """The facts that a packet shows for a control: those of the catalogue, and its artefacts."""
    return (*spec.facts, f"{packages.PER_CONTROL}{spec.control_id}")


def populations_of(spec: ControlSpec, scope: Scope) -> frozenset[Population]:
    """Of which events a control's samples are drawn."""
    found = (get(name) for name in names_of(spec))
    return frozenset(
        fact.population for fact in found if fact.population is not None and fact.applies(scope)
    )


def measure(fact: Fact, scope: Scope) -> Measured:
    """A fact over a scope; no data where nothing is stored that could tell."""
    return fact.measure(scope) if fact.applies(scope) else NOTHING
