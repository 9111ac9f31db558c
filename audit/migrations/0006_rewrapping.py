# The box of a key may be closed anew, under another key-encryption key; nothing else of the key
# changes then, and a key that has no box never gets one.

from django.db import migrations

GUARD = """
CREATE OR REPLACE FUNCTION audit_signingkey_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION '% on % is refused: keys are never deleted', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.id, NEW.key_id, NEW.name, NEW.person_id, NEW.purposes, NEW.algorithm,
        NEW.public_key_pem, NEW.not_before, NEW.created_at)
       IS DISTINCT FROM
       (OLD.id, OLD.key_id, OLD.name, OLD.person_id, OLD.purposes, OLD.algorithm,
        OLD.public_key_pem, OLD.not_before, OLD.created_at)
    THEN
        RAISE EXCEPTION 'only the status of a key changes'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.private_box, NEW.salt) IS DISTINCT FROM (OLD.private_box, OLD.salt) THEN
        IF OLD.private_box IS NULL OR NEW.private_box IS NULL OR NEW.salt IS NULL
           OR (NEW.status, NEW.not_after, NEW.compromised_at)
              IS DISTINCT FROM (OLD.status, OLD.not_after, OLD.compromised_at)
        THEN
            RAISE EXCEPTION 'only the status of a key changes, or its box is closed anew'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF array_position(ARRAY['active', 'retired', 'compromised'], NEW.status::text)
       <= array_position(ARRAY['active', 'retired', 'compromised'], OLD.status::text)
    THEN
        RAISE EXCEPTION 'the status of a key never goes back'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""
FORMER_GUARD = """
CREATE OR REPLACE FUNCTION audit_signingkey_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_no_job_state")]

    operations = [migrations.RunSQL(GUARD, FORMER_GUARD)]
