"""What this room adds to the desk: its pages, and what can be done on those of `access`, `audit`.

`access` and `audit` show; `ops` does and records, or asks for approval first.
"""

from __future__ import annotations

from access.admin.clients import ClientAdmin
from access.admin.credentials import ApiKeyAdmin
from access.admin.desk import DeskCard, NavItem, Section, register_card, register_nav
from access.admin.people import GrantAdmin, PersonAdmin, UserAdmin
from access.roles import Action
from ops.admin import (
    acts,
    approvals,
    glance,
    glance_charts,
    hold_acts,
    job_card,
    jobs,
    key_acts,
    runs,
    switch_acts,
    waiting,
)


def connect() -> None:
    """Declares the acts; called once, at start-up."""
    ClientAdmin.list_actions = (acts.NEW_CLIENT,)
    UserAdmin.list_actions = (acts.NEW_PERSON, acts.ANOTHER, acts.NEW_SERVICE)
    UserAdmin.object_actions = (acts.GRANT, acts.NEW_KEY, acts.DEACTIVATE)
    PersonAdmin.object_actions = (acts.MERGE,)
    GrantAdmin.object_actions = (acts.REVOKE,)
    ApiKeyAdmin.object_actions = (acts.REVOKE_KEY,)
    for module in (approvals, glance, glance_charts, hold_acts, jobs, key_acts, runs, switch_acts):
        module.connect()
    register_nav(
        NavItem(Section.APPROVALS, "Approvals", "admin:ops_approval_changelist", Action.VIEW, 10)
    )
    register_card(DeskCard(5, waiting.card))
    section = Section.ADMINISTRATION
    register_nav(NavItem(section, "Jobs", "admin:ops_job_changelist", Action.VIEW, 5))
    register_nav(NavItem(section, "Runs", "admin:ops_run_changelist", Action.VIEW, 6))
    register_nav(
        NavItem(Section.AUDIT_TRAIL, "Metrics", glance.HOME, Action.VIEW, 7, platform=True)
    )
    register_card(DeskCard(30, job_card.card))
