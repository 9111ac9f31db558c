"""The closed list of acts that another person has to approve. Filled at start-up, then frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from access.roles import Action
from audit.events import Actor
from sealing.errors import NotFound


class UnknownAction(NotFound):
    """There is no such act that could be approved."""

    code = "unknown_action"


@dataclass(frozen=True, slots=True)
class Approvable:
    """An act that is requested by one person and decided by others.

    Attributes:
        name: dotted, such as ``legal_hold.release``; requests name it for ever.
        label: what it is called on pages, a verb first: "Release a legal hold".
        propose, approve: what the requester and the deciders must be allowed.
        needed: how many people besides the requester.
        validate: the parameters as they will be bound, given what was sent; raises Invalid naming
            the field. Only JSON values; never a secret.
        client_of: the client concerned, from the parameters; None for the platform.
        subject: the state that the act is about, from the parameters, as JSON values. It is part
            of what is approved: when it differs later, the approval is void.
        describe: facts for the decision page, from the parameters: (label, value) pairs.
        execute: carries it out; is given the requester as actor, the parameters, and secrets that
            only the requester has (such as a password), where `needs` names any. Returns what
            came of it, as JSON values. Called at most once for each request.
        needs: names of secrets that the requester has to give when it is carried out. Where there
            are none, the last approval carries it out.
        consequences, irreversible: sentences for the decision page.
    """

    name: str
    label: str
    propose: Action
    approve: Action
    validate: Callable[[Mapping[str, Any]], dict[str, Any]]
    client_of: Callable[[Mapping[str, Any]], str | None]
    subject: Callable[[Mapping[str, Any]], dict[str, Any]]
    describe: Callable[[Mapping[str, Any]], list[tuple[str, Any]]]
    execute: Callable[[Actor, Mapping[str, Any], Mapping[str, str]], dict[str, Any]]
    needed: int = 1
    needs: tuple[str, ...] = ()
    consequences: tuple[str, ...] = ()
    irreversible: tuple[str, ...] = ()


_acts: dict[str, Approvable] = {}
_is_frozen = False


def register(act: Approvable) -> None:
    """Adds an act; called by each room's ``AppConfig.ready``.

    Raises:
        RuntimeError: two acts have one name, or start-up is over.
    """
    if _is_frozen or act.name in _acts:
        raise RuntimeError(f"The act {act.name} can't be registered any more, or again.")
    _acts[act.name] = act


def freeze() -> None:
    """Ends start-up: from now on nothing can be added."""
    global _is_frozen
    _is_frozen = True


def get(name: str) -> Approvable:
    """The act of that name.

    Raises:
        UnknownAction: naming those that there are.
    """
    if name not in _acts:
        raise UnknownAction(
            f"There is no act {name}; there are {', '.join(sorted(_acts))}.", field="action"
        )
    return _acts[name]


def all_acts() -> tuple[Approvable, ...]:
    """Every act, by name."""
    return tuple(_acts[name] for name in sorted(_acts))
