"""Adds to the pages of `access` what can be done there: `access` shows, `ops` does and records."""

from __future__ import annotations

from access.admin.clients import ClientAdmin
from access.admin.credentials import ApiKeyAdmin
from access.admin.people import GrantAdmin, UserAdmin
from ops.admin import acts


def connect() -> None:
    """Declares the acts; called once, at start-up."""
    ClientAdmin.list_actions = (acts.NEW_CLIENT,)
    UserAdmin.list_actions = (acts.NEW_PERSON, acts.NEW_SERVICE)
    UserAdmin.object_actions = (acts.GRANT, acts.NEW_KEY, acts.DEACTIVATE)
    GrantAdmin.object_actions = (acts.REVOKE,)
    ApiKeyAdmin.object_actions = (acts.REVOKE_KEY,)
