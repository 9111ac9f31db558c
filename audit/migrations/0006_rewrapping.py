# The box of a key may be closed anew, under another key-encryption key; nothing else of the key
# changes then, and a key that has no box never gets one.

from importlib import import_module

from django.db import migrations

from access.dbtools import in_place_of

GUARD = import_module("audit.migrations.0002_guards").KEY_GUARD
STATUS = "    IF array_position(ARRAY['active', 'retired', 'compromised'], NEW.status::text)\n"
REWRAPPING = """    IF (NEW.private_box, NEW.salt) IS DISTINCT FROM (OLD.private_box, OLD.salt) THEN
        IF OLD.private_box IS NULL OR NEW.private_box IS NULL OR NEW.salt IS NULL
           OR (NEW.status, NEW.not_after, NEW.compromised_at)
              IS DISTINCT FROM (OLD.status, OLD.not_after, OLD.compromised_at)
        THEN
            RAISE EXCEPTION 'only the status of a key changes, or its box is closed anew'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_no_job_state")]

    operations = [
        in_place_of(
            GUARD,
            (" NEW.private_box, NEW.salt,", ""),
            (" OLD.private_box, OLD.salt,", ""),
            (STATUS, REWRAPPING + STATUS),
        ),
    ]
