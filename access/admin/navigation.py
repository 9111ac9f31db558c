"""The room's pages in the navigation. Importing it registers the pages themselves."""

from __future__ import annotations

from access.admin import clients, credentials, people  # noqa: F401 - they register themselves
from access.admin.desk import NavItem, Section, register_nav
from access.roles import Action


def connect() -> None:
    """Registers the navigation; called once, at start-up."""
    section = Section.ADMINISTRATION
    lists = "admin:access_{}_changelist".format
    for item in (
        NavItem(section, "Clients", lists("client"), Action.VIEW, 10),
        NavItem(section, "People", lists("person"), Action.VIEW_PEOPLE, 20, platform=True),
        NavItem(section, "Accounts", lists("user"), Action.VIEW_PEOPLE, 30, platform=True),
        NavItem(section, "Grants", lists("grant"), Action.VIEW_PEOPLE, 40),
        NavItem(section, "API keys", lists("apikey"), Action.VIEW_PEOPLE, 50, platform=True),
        NavItem(section, "API sessions", lists("tokensession"), Action.VIEW, 60),
    ):
        register_nav(item)
