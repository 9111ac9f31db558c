"""The application's own start-up: its system checks, and the end of every registration."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Registers the checks of the settings. It is the last application to start."""

    name = "config"

    def ready(self) -> None:
        from config import checks
        from ops import approvable, registry

        checks.connect()
        registry.freeze()
        approvable.freeze()
