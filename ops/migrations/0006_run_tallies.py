# How many runs ended, and how long they took, counted by a trigger in the transaction that ends a
# run: `/metrics` reads a row for each type and outcome instead of every run that there ever was.

import django.contrib.postgres.fields
from django.db import migrations, models

from access.dbtools import never_deleted

BOUNDS = [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600]
# Null where it never began; the clock may have been set back between the two.
TOOK = (
    "(CASE WHEN {run}finished_at < {run}started_at THEN 0"
    " ELSE extract(epoch FROM {run}finished_at - {run}started_at) END)::double precision"
)
WITHIN = ", ".join(f"count(*) FILTER (WHERE took <= {bound})" for bound in BOUNDS)

# Not ENABLE ALWAYS: a replica is sent the tallies too, and would count twice.
COUNT = f"""
CREATE FUNCTION ops_count_run() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    took double precision := {TOOK.format(run="NEW.")};
    new_within bigint[];
BEGIN
    SELECT array_agg((took IS NOT NULL AND took <= bound)::int ORDER BY place)
        INTO new_within FROM unnest(ARRAY{BOUNDS}) WITH ORDINALITY AS bounds (bound, place);
    INSERT INTO ops_runtally AS tally
        (job_type, status, runs, timed, seconds, "within", last_ended_at)
    VALUES (NEW.job_type, NEW.status, 1, (NEW.started_at IS NOT NULL)::int,
            coalesce(took, 0), new_within, NEW.finished_at)
    ON CONFLICT (job_type, status) DO UPDATE SET
        runs = tally.runs + 1,
        timed = tally.timed + excluded.timed,
        seconds = tally.seconds + excluded.seconds,
        "within" = (
            SELECT array_agg(was + more ORDER BY place)
            FROM unnest(tally."within", excluded."within") WITH ORDINALITY AS both_ (was, more, place)
        ),
        last_ended_at = greatest(tally.last_ended_at, excluded.last_ended_at);
    RETURN NULL;
END $$;
CREATE TRIGGER ops_run_counted_new AFTER INSERT ON ops_run
    FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION ops_count_run();
CREATE TRIGGER ops_run_counted AFTER UPDATE ON ops_run
    FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
    EXECUTE FUNCTION ops_count_run();
"""
DROP_COUNT = """
DROP TRIGGER ops_run_counted ON ops_run;
DROP TRIGGER ops_run_counted_new ON ops_run;
DROP FUNCTION ops_count_run();
"""
# The triggers are there by now, and hold a lock that lets no run end meanwhile.
TAKE_STOCK = f"""
INSERT INTO ops_runtally (job_type, status, runs, timed, seconds, "within", last_ended_at)
SELECT job_type, status, count(*), count(took), coalesce(sum(took), 0),
    ARRAY[{WITHIN}], max(finished_at)
FROM (
    SELECT job_type, status, finished_at,
        {TOOK.format(run="")} AS took
    FROM ops_run WHERE finished_at IS NOT NULL
) AS ended
GROUP BY job_type, status;
"""
GROWS = """
CREATE TRIGGER ops_runtally_grows BEFORE UPDATE ON ops_runtally
    FOR EACH ROW WHEN (
        ROW(OLD.id, OLD.job_type, OLD.status) IS DISTINCT FROM ROW(NEW.id, NEW.job_type, NEW.status)
        OR NEW.runs < OLD.runs OR NEW.timed < OLD.timed OR NEW.seconds < OLD.seconds
    ) EXECUTE FUNCTION strongroom_refuse_change();
ALTER TABLE ops_runtally ENABLE ALWAYS TRIGGER ops_runtally_grows;
"""
DROP_GROWS = "DROP TRIGGER ops_runtally_grows ON ops_runtally;"


class Migration(migrations.Migration):
    dependencies = [("ops", "0005_run_indexes")]

    operations = [
        migrations.CreateModel(
            name="RunTally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("job_type", models.CharField(max_length=64, verbose_name="type")),
                ("status", models.CharField(max_length=8)),
                ("runs", models.BigIntegerField()),
                ("timed", models.BigIntegerField()),
                ("seconds", models.FloatField(verbose_name="how long these took together")),
                ("within", django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ("last_ended_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "tally of runs",
                "verbose_name_plural": "tallies of runs",
                "constraints": [models.UniqueConstraint(fields=("job_type", "status"), name="ops_runtally_once")],
            },
        ),
        migrations.RunSQL(COUNT, DROP_COUNT),
        migrations.RunSQL(TAKE_STOCK, migrations.RunSQL.noop),
        migrations.RunSQL(GROWS, DROP_GROWS),
        never_deleted("ops_runtally"),
    ]  # fmt: skip
