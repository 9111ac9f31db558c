"""Start-up of the `audit` room: its system check, and what it shows on the desk."""

from __future__ import annotations

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Registers the room's check, navigation and desk entries."""

    name = "audit"
    verbose_name = "Audit trail"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from audit import checks
        from audit.admin import desk

        checks.connect()
        desk.connect()
