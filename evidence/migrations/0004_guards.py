# What lies in the vault, and what outside services answered, is recorded once and stays.

from django.db import migrations

from access.dbtools import append_only


class Migration(migrations.Migration):
    dependencies = [("evidence", "0003_vault")]

    operations = [
        append_only("evidence_vaultcopy"),
        append_only("evidence_vaultobject"),
        append_only("evidence_vaultlock"),
        append_only("evidence_receipt"),
        append_only("evidence_packagetimestamp"),
    ]
