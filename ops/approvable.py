"""The closed list of acts that another person has to approve. Filled at start-up, then frozen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from access.roles import Action
from audit.events import Actor
from ops.closed import ClosedList
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
            the field. Only JSON values; never a secret. It judges their shape alone: who may not
            ask learns nothing from it of what there is.
        check: refuses what can't be done as things are (a case that is held already); asked after
            the requester was found to be allowed.
        client_of: the client concerned, from the parameters; None for the platform.
        subject: the state that the act is about, from the parameters, as JSON values. It is part
            of what is approved: when it differs later, the approval is void. Reads nothing but
            the database.
        describe: facts for the decision page, from the parameters: (label, value) pairs.
        changes: what is another way afterwards, from the parameters: (what, now, then).
        execute: carries it out; is given the requester as actor, the parameters, and secrets that
            only the requester has (such as a password), where `needs` names any. Returns what
            came of it, as JSON values. Called at most once for each request. It locks what it
            changes, and refuses what has become impossible.
        needs: names of secrets that the requester has to give when it is carried out. Where there
            are none, the last approval carries it out.
        consequences, irreversible: sentences for the decision page.
        precondition: refuses what this requester may not ask for, whatever his role (such as
            rights for himself); asked when it is requested and again before it is carried out.
        concerns: whom it is about, from the parameters, as ids of persons: they may not decide on
            it, by any account.
        anywhere: proposing is allowed to whoever may propose for any client at all: for what
            concerns the requester alone, such as his own key. ``precondition`` has to see to it
            that it does.
        stand_in: where too few others hold the approving role, an administrator may decide.
        does_io: it works on files or over the network, so that no transaction may be open
            meanwhile: that the approval is used is committed first. Otherwise ``execute`` runs in
            one transaction with that.
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
    precondition: Callable[[Actor, Mapping[str, Any]], None] | None = None
    check: Callable[[Mapping[str, Any]], None] | None = None
    changes: Callable[[Mapping[str, Any]], list[tuple[str, Any, Any]]] | None = None
    concerns: Callable[[Mapping[str, Any]], Collection[Any]] | None = None
    anywhere: bool = False
    stand_in: bool = True
    does_io: bool = False


_acts: ClosedList[Approvable] = ClosedList("Act", unknown=UnknownAction, field="action")
register, freeze, get, all_acts = _acts.register, _acts.freeze, _acts.get, _acts.all
