"""Start-up of the `ops` room: grants after migrations, sign-ins, and acts that take two people."""

from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Connects the room's receivers."""

    name = "ops"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ops import grants, signing_in
        from ops import jobs as builtin_jobs
        from ops.acts import clients, jobs, keys, people, people_merge, retention, switches
        from ops.admin import desk
        from ops.metrics import clocks, trail, work

        grants.connect()
        signing_in.connect()
        builtin_jobs.connect()
        for acts in (clients, jobs, keys, people, people_merge, retention, switches):
            acts.connect()
        for measured in (clocks, trail, work):
            measured.connect()
        desk.connect()
