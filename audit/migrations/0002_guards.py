"""What the database itself refuses, to the application, to the owner, and to replicas."""

from django.db import migrations

from access.dbtools import append_only
from audit.columns import MATCHES_SQL

# Each row's columns say what its event says; its hashes have the length of a SHA-256.
EVENT_CHECKS = f"""
ALTER TABLE audit_events
    ADD CONSTRAINT audit_events_columns_match CHECK ({MATCHES_SQL}),
    ADD CONSTRAINT audit_events_hash_length
        CHECK (octet_length(hash) = 32 AND octet_length(prev_hash) = 32);
"""
DROP_EVENT_CHECKS = """
ALTER TABLE audit_events
    DROP CONSTRAINT audit_events_columns_match, DROP CONSTRAINT audit_events_hash_length;
"""

# The head only moves forward, keeps its name, and is never removed.
HEAD_GUARD = """
CREATE FUNCTION audit_loghead_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION '% on % is refused: the log has one head', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.origin <> OLD.origin OR NEW.size < OLD.size THEN
        RAISE EXCEPTION 'the log keeps its name and does not get shorter'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_loghead_guard BEFORE UPDATE OR DELETE ON audit_loghead
    FOR EACH ROW EXECUTE FUNCTION audit_loghead_guard();
CREATE TRIGGER audit_loghead_no_truncate BEFORE TRUNCATE ON audit_loghead
    FOR EACH STATEMENT EXECUTE FUNCTION audit_loghead_guard();
ALTER TABLE audit_loghead ENABLE ALWAYS TRIGGER audit_loghead_guard;
ALTER TABLE audit_loghead ENABLE ALWAYS TRIGGER audit_loghead_no_truncate;
"""
DROP_HEAD_GUARD = """
DROP TRIGGER audit_loghead_guard ON audit_loghead;
DROP TRIGGER audit_loghead_no_truncate ON audit_loghead;
DROP FUNCTION audit_loghead_guard();
"""

# A key is never deleted; only its status changes, and only from active to retired to compromised.
KEY_GUARD = """
CREATE FUNCTION audit_signingkey_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION '% on % is refused: keys are never deleted', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.id, NEW.key_id, NEW.name, NEW.person_id, NEW.purposes, NEW.algorithm,
        NEW.public_key_pem, NEW.private_box, NEW.salt, NEW.not_before, NEW.created_at)
       IS DISTINCT FROM
       (OLD.id, OLD.key_id, OLD.name, OLD.person_id, OLD.purposes, OLD.algorithm,
        OLD.public_key_pem, OLD.private_box, OLD.salt, OLD.not_before, OLD.created_at)
    THEN
        RAISE EXCEPTION 'only the status of a key changes'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF array_position(ARRAY['active', 'retired', 'compromised'], NEW.status::text)
       <= array_position(ARRAY['active', 'retired', 'compromised'], OLD.status::text)
    THEN
        RAISE EXCEPTION 'the status of a key never goes back'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_signingkey_guard BEFORE UPDATE OR DELETE ON audit_signingkey
    FOR EACH ROW EXECUTE FUNCTION audit_signingkey_guard();
CREATE TRIGGER audit_signingkey_no_truncate BEFORE TRUNCATE ON audit_signingkey
    FOR EACH STATEMENT EXECUTE FUNCTION audit_signingkey_guard();
ALTER TABLE audit_signingkey ENABLE ALWAYS TRIGGER audit_signingkey_guard;
ALTER TABLE audit_signingkey ENABLE ALWAYS TRIGGER audit_signingkey_no_truncate;
"""
DROP_KEY_GUARD = """
DROP TRIGGER audit_signingkey_guard ON audit_signingkey;
DROP TRIGGER audit_signingkey_no_truncate ON audit_signingkey;
DROP FUNCTION audit_signingkey_guard();
"""

# The outbox is emptied all the time: clean up by count, not by share of a table that was large.
OUTBOX_CLEANING = """
ALTER TABLE audit_pendingevent
    SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
"""
DEFAULT_CLEANING = """
ALTER TABLE audit_pendingevent
    RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunSQL(EVENT_CHECKS, DROP_EVENT_CHECKS),
        append_only("audit_events"),
        append_only("audit_checkpoint"),
        append_only("audit_verificationrun"),
        migrations.RunSQL(HEAD_GUARD, DROP_HEAD_GUARD),
        migrations.RunSQL(KEY_GUARD, DROP_KEY_GUARD),
        migrations.RunSQL(OUTBOX_CLEANING, DEFAULT_CLEANING),
    ]
