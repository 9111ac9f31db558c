# What lies in the vault is recorded once and stays, and its lock never gets shorter.

from importlib import import_module

from django.db import migrations

from access.dbtools import append_only

_LOCKS = import_module("evidence.migrations.0006_vault_locks")
_NAMES = (
    ("evidence_vaultlock", "evidence_depositlock"),
    ("package_id", "deposit_id"),
    ("a package follows", "a deposit follows"),
)


def _of_deposits(sql: str) -> str:
    for former, now in _NAMES:
        sql = sql.replace(former, now)
    return sql


SAME_PERSON = """
ALTER TABLE evidence_artifact
    ADD CONSTRAINT evidence_artifact_account_person FOREIGN KEY (account_id, person_id)
        REFERENCES access_user (id, person_id);
"""
DROP_SAME_PERSON = "ALTER TABLE evidence_artifact DROP CONSTRAINT evidence_artifact_account_person;"


class Migration(migrations.Migration):
    dependencies = [("evidence", "0007_deposits")]

    operations = [
        migrations.RunSQL(_of_deposits(_LOCKS.GUARD), _of_deposits(_LOCKS.DROP_GUARD)),
        migrations.RunSQL(SAME_PERSON, DROP_SAME_PERSON),
        append_only("evidence_deposit"),
        append_only("evidence_depositobject"),
        append_only("evidence_depositlock"),
        append_only("evidence_artifact"),
    ]
