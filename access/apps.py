"""Start-up of the `access` room: the roles' groups, and its pages on the desk."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccessConfig(AppConfig):
    """Makes the groups that `access.roles` declares; registers pages and system checks."""

    name = "access"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from access import checks
        from access.admin import navigation

        post_migrate.connect(_make_groups, sender=self)
        checks.connect()
        navigation.connect()


def _make_groups(sender: AppConfig, using: str, **kwargs: Any) -> None:
    from django.contrib.auth.models import Group

    from access.roles import Role

    for role in Role:
        Group.objects.using(using).get_or_create(name=role.value)
