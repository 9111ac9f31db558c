"""Start-up of the `evidence` room: its checks and job types, and what it adds to the desk."""

from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    """Registers the room's pages and cards."""

    name = "evidence"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from evidence import acts, checks, jobs, metrics, vault_jobs
        from evidence.admin import desk

        checks.connect()
        acts.connect()
        jobs.connect()
        vault_jobs.connect()
        metrics.connect()
        desk.connect()
