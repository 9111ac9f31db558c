"""Accounts and the people behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from audit.events import EventType
from reports.facts import roster
from reports.facts.base import NO_DATA, NOTHING, Fact, Measured, Reach, Records, Scope, share
from reports.facts.events import counted
from reports.facts.roster import Account

Test = Callable[[Account, Scope], bool]


def facts() -> tuple[Fact, ...]:
    """The facts of this subject."""
    return (
        _accounts("accounts.active", "Active accounts", _counts, is_state=True),
        _accounts(
            "accounts.services",
            "Active service accounts",
            lambda found, scope: _counts(found, scope) and found.is_service,
            is_state=True,
        ),
        _accounts("accounts.created", "Accounts made", _is_new),
        _accounts("accounts.deactivated", "Accounts deactivated", _is_ended),
        _accounts(
            "accounts.dormant",
            "Accounts of people that did not sign in for 90 days",
            lambda found, scope: found.is_dormant(scope.until),
            is_state=True,
        ),
        _accounts(
            "accounts.privileged",
            "Active accounts with the role of administrator or compliance officer",
            lambda found, scope: _counts(found, scope) and found.is_privileged,
            is_state=True,
        ),
        _people("people.active", "People with an active account", _counts, is_state=True),
        _people(
            "people.joined",
            "People who joined",
            lambda found, scope: scope.start <= found.person_since < scope.until,
        ),
        _people(
            "people.left",
            "People who left",
            lambda found, scope: _is_ended(found, scope) and not found.is_person_active,
        ),
        _people(
            "people.privileged",
            "People who were administrator or compliance officer",
            lambda found, scope: _counts(found, scope) and found.is_privileged,
            is_state=True,
        ),
        _accounts(
            "mfa.accounts",
            "Active accounts of people with a second factor",
            lambda found, scope: _has_factor(found, scope),
            is_state=True,
        ),
        Fact(
            "mfa.coverage",
            "Share of people's active accounts that have a second factor",
            "%",
            Reach.ACCOUNTS,
            _coverage(lambda found: True),
        ),
        Fact(
            "mfa.coverage_privileged",
            "Share of people's privileged accounts that have a second factor",
            "%",
            Reach.ACCOUNTS,
            _coverage(lambda found: found.is_privileged),
        ),
        counted(
            "people.merged",
            "Persons found to be one human with another",
            EventType.ACCESS_PEOPLE_MERGED,
            reach=Reach.PLATFORM,
        ),
    )


def _counts(found: Account, scope: Scope) -> bool:
    return found.counts_at_end


def _is_new(found: Account, scope: Scope) -> bool:
    return scope.start <= found.joined_at < scope.until


def _is_ended(found: Account, scope: Scope) -> bool:
    return found.ended_at is not None and scope.start <= found.ended_at < scope.until


def _has_factor(found: Account, scope: Scope) -> bool:
    return found.counts_at_end and not found.is_service and found.has_factor


def _accounts(name: str, label: str, test: Test, *, is_state: bool = False) -> Fact:
    def measure(scope: Scope) -> Measured:
        ids = {found.id for found in roster.accounts(scope) if test(found, scope)}
        as_of = scope.until if is_state else None
        return Measured(len(ids), Records.of("account", ids), as_of)

    return Fact(name, label, "accounts", Reach.ACCOUNTS, measure)


def _people(name: str, label: str, test: Test, *, is_state: bool = False) -> Fact:
    def measure(scope: Scope) -> Measured:
        ids = _humans(found for found in roster.accounts(scope) if test(found, scope))
        as_of = scope.until if is_state else None
        return Measured(len(ids), Records.of("person", ids), as_of)

    return Fact(name, label, "people", Reach.ACCOUNTS, measure)


def _humans(found: Iterable[Account]) -> set[str]:
    return {str(account.person) for account in found if account.person is not None}


def _coverage(of_whom: Callable[[Account], bool]) -> Callable[[Scope], Measured]:
    def measure(scope: Scope) -> Measured:
        every = [
            found
            for found in roster.accounts(scope)
            if found.counts_at_end and not found.is_service and of_whom(found)
        ]
        value = share(sum(found.has_factor for found in every), len(every))
        if value == NO_DATA:
            return NOTHING
        return Measured(value, Records.of("account", (found.id for found in every)), scope.until)

    return measure
