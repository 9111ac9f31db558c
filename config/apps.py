"""The application's own start-up: its system checks."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Registers the checks of the settings."""

    name = "config"

    def ready(self) -> None:
        from config import checks

        checks.connect()
