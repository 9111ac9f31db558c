# A package's plan has grown by its run, the vault, the outside services and what was observed, its
# outcome by what these answered: the guard keeps that too.

from importlib import import_module

from django.db import migrations, models

from access.dbtools import in_place_of

GUARD = import_module("evidence.migrations.0002_guards").GUARD_PACKAGE
PLAN = ("run_id", "retain_until", "external_worm", "external_kms", "external_require_success",
        "observed")
OUTCOME = ("external_worm_status", "external_kms_status", "timestamp_status")


def _grown(row: str, last: str, more: tuple[str, ...]) -> tuple[str, str]:
    end = f"{row}.{last})"
    return end, ", ".join([end[:-1], *(f"{row}.{name}" for name in more)]) + ")"


class Migration(migrations.Migration):
    dependencies = [("evidence", "0004_guards")]

    operations = [
        migrations.AddField("package", "observed", models.JSONField(default=dict)),
        in_place_of(
            GUARD,
            *(_grown(row, "created_at", PLAN) for row in ("OLD", "NEW")),
            *(_grown(row, "error_message", OUTCOME) for row in ("OLD", "NEW")),
        ),
    ]
