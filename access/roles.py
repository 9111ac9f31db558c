"""The five roles, and what each may do: one table, in code."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """Each is a Django group of the same name, made after every migration."""

    ADMIN = "admin"
    OFFICER = "compliance-officer"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    AUTOMATION = "automation"


class Action(StrEnum):
    """What somebody may be allowed to do.

    Where two people are needed, proposing and approving are two actions; that they are not the
    same person's is decided by the service that approves.
    """

    VIEW = "view"
    VERIFY = "verify"
    RUN_JOB = "run_job"
    EXECUTE_RUNBOOK = "execute_runbook"
    APPROVE_RUNBOOK = "approve_runbook"
    EXPORT = "export"
    EXPORT_ON_SCHEDULE = "export_on_schedule"
    DOWNLOAD = "download"
    COUNTERSIGN = "countersign"
    VIEW_KEYS = "view_keys"
    MANAGE_OWN_KEY = "manage_own_key"
    MANAGE_KEYS = "manage_keys"
    APPROVE_KEYS = "approve_keys"
    PROPOSE_RETENTION = "propose_retention"
    APPROVE_RETENTION = "approve_retention"
    VIEW_PEOPLE = "view_people"
    MANAGE_PEOPLE = "manage_people"
    APPROVE_GRANTS = "approve_grants"
    INGEST = "ingest"
    MANAGE_JOBS = "manage_jobs"
    REQUEST_JOBS = "request_jobs"
    MANAGE_CLIENTS = "manage_clients"
    REQUEST_CLIENTS = "request_clients"
    CREATE_INCIDENT = "create_incident"
    UPLOAD_ARTEFACT = "upload_artefact"
    ASSESS_CONTROL = "assess_control"
    PROPOSE_EXCEPTION = "propose_exception"
    APPROVE_EXCEPTION = "approve_exception"
    PROPOSE_RECOVERY = "propose_recovery"
    APPROVE_RECOVERY = "approve_recovery"


_A, _O, _U, _P, _S = (
    Role.ADMIN,
    Role.OFFICER,
    Role.AUDITOR,
    Role.OPERATOR,
    Role.AUTOMATION,
)
_ALL = frozenset(Role)

MATRIX: Mapping[Action, frozenset[Role]] = {
    Action.VIEW: _ALL,
    Action.VERIFY: _ALL,
    Action.RUN_JOB: frozenset({_A, _O, _P, _S}),
    Action.EXECUTE_RUNBOOK: frozenset({_P, _S}),
    Action.APPROVE_RUNBOOK: frozenset({_O}),
    Action.EXPORT: frozenset({_A, _O}),
    Action.EXPORT_ON_SCHEDULE: frozenset({_S}),
    Action.DOWNLOAD: frozenset({_A, _O, _U}),
    Action.COUNTERSIGN: frozenset({_O}),
    Action.VIEW_KEYS: frozenset({_A, _O, _U}),
    Action.MANAGE_OWN_KEY: frozenset({_O}),
    Action.MANAGE_KEYS: frozenset({_A, _O}),
    Action.APPROVE_KEYS: frozenset({_O}),
    Action.PROPOSE_RETENTION: frozenset({_A, _O}),
    Action.APPROVE_RETENTION: frozenset({_O}),
    Action.VIEW_PEOPLE: frozenset({_A, _O}),
    Action.MANAGE_PEOPLE: frozenset({_A}),
    Action.APPROVE_GRANTS: frozenset({_O}),
    Action.INGEST: frozenset({_S}),
    Action.MANAGE_JOBS: frozenset({_A}),
    Action.REQUEST_JOBS: frozenset({_A, _O}),
    Action.MANAGE_CLIENTS: frozenset({_A}),
    Action.REQUEST_CLIENTS: frozenset({_A, _O}),
    Action.CREATE_INCIDENT: frozenset({_A, _O, _P, _S}),
    Action.UPLOAD_ARTEFACT: frozenset({_A, _O, _P, _S}),
    Action.ASSESS_CONTROL: frozenset({_O}),
    Action.PROPOSE_EXCEPTION: frozenset({_O}),
    Action.APPROVE_EXCEPTION: frozenset({_O}),
    Action.PROPOSE_RECOVERY: frozenset({_A}),
    Action.APPROVE_RECOVERY: frozenset({_O}),
}

# These see, and therefore verify, only what is their own: the runs that an operator started,
# the events and runs of a service account.
OWN_ONLY: Mapping[Action, frozenset[Role]] = {
    Action.VIEW: frozenset({_P, _S}),
    Action.VERIFY: frozenset({_P, _S}),
}

# One person may not hold both: the one proposes what the other approves.
EXCLUSIVE = frozenset({Role.ADMIN, Role.OFFICER})
