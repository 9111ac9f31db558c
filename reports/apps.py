"""Start-up of the `reports` room: its controls, job types, checks and pages."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ReportsConfig(AppConfig):
    """Brings the table of controls up to the catalogue; registers what the room adds."""

    name = "reports"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from reports import checks, jobs, metrics, public, repairs
        from reports.admin import artifacts as artifact_pages
        from reports.admin import desk, glance

        post_migrate.connect(_bring_up_controls, sender=self)
        checks.connect()
        jobs.connect()
        public.connect()
        repairs.connect()
        metrics.connect()
        artifact_pages.connect()
        desk.connect()
        glance.connect()


def _bring_up_controls(sender: AppConfig, using: str, **kwargs: Any) -> None:
    from reports import catalogue
    from reports.models import Control, Framework

    for framework in Framework.values:
        for place, spec in enumerate(catalogue.controls(framework)):
            Control.objects.using(using).update_or_create(
                id=f"{framework}:{spec.control_id}",
                defaults={
                    "framework": framework,
                    "control_id": spec.control_id,
                    "series": spec.series,
                    "category": spec.category,
                    "label": spec.label,
                    "place": place,
                },
            )
