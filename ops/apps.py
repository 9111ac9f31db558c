"""Start-up of the `ops` room: grants after migrations, and what is recorded of signing in."""

from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Connects the room's receivers."""

    name = "ops"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ops import grants, signing_in
        from ops.admin import desk

        grants.connect()
        signing_in.connect()
        desk.connect()
