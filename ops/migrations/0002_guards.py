# What the database itself refuses, whoever asks and by whichever code: runs whose plan changes or
# whose end is rewritten, jobs that turn into others, and schedules that name anything but ours.

from django.db import migrations

from access.dbtools import frozen_columns, never_deleted

# django-q2 calls whatever function a schedule names, with its options: ours name one.
SCHEDULES = """
ALTER TABLE django_q_schedule ADD CONSTRAINT ops_schedule_runs_only CHECK (
    func = 'ops.tasks.execute_run'
    AND args ~ '^''[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'',$'
    AND coalesce(kwargs, '') = '' AND coalesce(hook, '') = ''
    AND coalesce(intended_date_kwarg, '') = ''
    AND schedule_type = 'C'
);
"""
DROP_SCHEDULES = "ALTER TABLE django_q_schedule DROP CONSTRAINT ops_schedule_runs_only;"


class Migration(migrations.Migration):
    dependencies = [
        ("ops", "0001_jobs"),
        ("django_q", "0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more"),
    ]

    operations = [
        migrations.RunSQL(SCHEDULES, DROP_SCHEDULES),
        never_deleted("ops_job"),
        frozen_columns("ops_job", "id", "name", "job_type", "client_id", "owner_id", "created_at"),
        never_deleted("ops_run"),
        frozen_columns(
            "ops_run", "id", "job_id", "job_type", "client_id", "payload", "triggered_by",
            "account_id", "intended_at", "created_at", "max_attempts",
            once_set="finished_at",
        ),
    ]  # fmt: skip
