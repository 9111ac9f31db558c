"""Start-up of the `evidence` room: what it adds to the desk."""

from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    """Registers the room's pages and cards."""

    name = "evidence"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from evidence.admin import desk

        desk.connect()
