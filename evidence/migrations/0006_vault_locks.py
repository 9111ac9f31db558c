# A package's lock never gets shorter, and its states are numbered without a gap: the database
# refuses anything else, whoever asks.

from django.db import migrations

GUARD = """
CREATE FUNCTION evidence_vaultlock_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before record;
BEGIN
    SELECT number, retain_until INTO before FROM evidence_vaultlock
        WHERE package_id = NEW.package_id ORDER BY number DESC LIMIT 1;
    IF NEW.number <> COALESCE(before.number, 0) + 1 THEN
        RAISE EXCEPTION 'lock % of a package follows lock %', NEW.number, COALESCE(before.number, 0)
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.retain_until < before.retain_until THEN
        RAISE EXCEPTION 'a lock never gets shorter'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER evidence_vaultlock_guard BEFORE INSERT ON evidence_vaultlock
    FOR EACH ROW EXECUTE FUNCTION evidence_vaultlock_guard();
ALTER TABLE evidence_vaultlock ENABLE ALWAYS TRIGGER evidence_vaultlock_guard;
"""
DROP_GUARD = """
DROP TRIGGER evidence_vaultlock_guard ON evidence_vaultlock;
DROP FUNCTION evidence_vaultlock_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0005_observed")]

    operations = [migrations.RunSQL(GUARD, DROP_GUARD)]
