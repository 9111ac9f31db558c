# Two persons may be found to be one human. Accounts can't move (0001), so the persons are merged:
# once, for ever, and never in a circle, whoever writes it and by whichever code.

import django.db.models.deletion
from django.db import migrations, models

from access.dbtools import frozen_columns

# The search path is pinned, or a temporary table of the same name would be looked into instead.
ROOT = """
CREATE FUNCTION access_person_root(person uuid) RETURNS uuid LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    up uuid;
BEGIN
    LOOP
        SELECT merged_into_id INTO up FROM access_person WHERE id = person;
        IF up IS NULL THEN
            RETURN person;
        END IF;
        person := up;
    END LOOP;
END $$;
"""
DROP_ROOT = "DROP FUNCTION access_person_root(uuid);"

# The lock makes two merges follow each other: each alone might be right, and both a circle.
GUARD = """
CREATE FUNCTION access_person_merge_guard() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.merged_into_id IS NOT DISTINCT FROM OLD.merged_into_id THEN
            RETURN NEW;
        END IF;
        IF OLD.merged_into_id IS NOT NULL THEN
            RAISE EXCEPTION 'person % was merged before; that is refused to change', OLD.id
                USING ERRCODE = 'integrity_constraint_violation',
                      CONSTRAINT = 'access_person_merged_once';
        END IF;
    END IF;
    IF NEW.merged_into_id IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(7405011);
        IF access_person_root(NEW.merged_into_id) = NEW.id THEN
            RAISE EXCEPTION 'merging person % into itself is refused', NEW.id
                USING ERRCODE = 'integrity_constraint_violation',
                      CONSTRAINT = 'access_person_no_circle';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER access_person_merge_guard BEFORE INSERT OR UPDATE ON access_person
    FOR EACH ROW EXECUTE FUNCTION access_person_merge_guard();
ALTER TABLE access_person ENABLE ALWAYS TRIGGER access_person_merge_guard;
"""
DROP_GUARD = """
DROP TRIGGER access_person_merge_guard ON access_person;
DROP FUNCTION access_person_merge_guard();
"""

# Trivially unique, as the id alone is: what a composite foreign key refers to has to be declared.
ACCOUNT_OF = "ALTER TABLE access_user ADD CONSTRAINT access_user_person_account UNIQUE (person_id, id);"
DROP_ACCOUNT_OF = "ALTER TABLE access_user DROP CONSTRAINT access_user_person_account;"


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='person',
            name='merged_into',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='merged', to='access.person', verbose_name='is the same human as'),
        ),
        migrations.RunSQL(ROOT, DROP_ROOT),
        migrations.RunSQL(GUARD, DROP_GUARD),
        migrations.RunSQL(ACCOUNT_OF, DROP_ACCOUNT_OF),
        frozen_columns('access_person', 'id', 'created_at'),
    ]
