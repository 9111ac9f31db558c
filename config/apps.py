"""The application's own start-up: its system checks, and the end of every registration."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Registers the checks of the settings. It is the last application to start."""

    name = "config"

    def ready(self) -> None:
        from config import checks
        from evidence import checkable
        from evidence.services.vault import making_up
        from ops import approvable, registry
        from ops.admin import glance
        from ops.metrics import sources

        checks.connect()
        registry.freeze()
        approvable.freeze()
        sources.freeze()
        glance.freeze()
        making_up.freeze()
        checkable.freeze()
