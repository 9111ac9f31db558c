# A package's plan has grown by the vault and the outside services: the guard keeps that too.

from django.db import migrations

from access.dbtools import append_only

GUARD = """
CREATE OR REPLACE FUNCTION evidence_package_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION '% on % is refused: packages are kept', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.id, OLD.bundle_id, OLD.client_id, OLD.maker_id, OLD.maker_account_id,
        OLD.period_start, OLD.period_end, OLD.event_types, OLD.package_prefix,
        OLD.retention_policy, OLD.vault_mode, OLD.kms_key_id, OLD.note,
        OLD.required_signatures, OLD.required_countersignatures, OLD.signing_key_id,
        OLD.generated_at, OLD.tree_size, OLD.checkpoint, OLD.pending_at_export,
        OLD.set_aside_at_export, OLD.created_at, OLD.run_id, OLD.retain_until,
        OLD.external_worm, OLD.external_kms, OLD.external_require_success)
       IS DISTINCT FROM
       (NEW.id, NEW.bundle_id, NEW.client_id, NEW.maker_id, NEW.maker_account_id,
        NEW.period_start, NEW.period_end, NEW.event_types, NEW.package_prefix,
        NEW.retention_policy, NEW.vault_mode, NEW.kms_key_id, NEW.note,
        NEW.required_signatures, NEW.required_countersignatures, NEW.signing_key_id,
        NEW.generated_at, NEW.tree_size, NEW.checkpoint, NEW.pending_at_export,
        NEW.set_aside_at_export, NEW.created_at, NEW.run_id, NEW.retain_until,
        NEW.external_worm, NEW.external_kms, NEW.external_require_success)
    THEN
        RAISE EXCEPTION 'the plan of package % is refused to change', OLD.bundle_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.status <> 'writing' AND
       (OLD.status, OLD.package_sha256, OLD.size_bytes, OLD.event_count, OLD.manifest_sha256,
        OLD.files, OLD.completed_at, OLD.error_code, OLD.error_message,
        OLD.external_worm_status, OLD.external_kms_status, OLD.timestamp_status)
       IS DISTINCT FROM
       (NEW.status, NEW.package_sha256, NEW.size_bytes, NEW.event_count, NEW.manifest_sha256,
        NEW.files, NEW.completed_at, NEW.error_code, NEW.error_message,
        NEW.external_worm_status, NEW.external_kms_status, NEW.timestamp_status)
    THEN
        RAISE EXCEPTION 'the outcome of package % is refused to change', OLD.bundle_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""
FORMER_GUARD = """
CREATE OR REPLACE FUNCTION evidence_package_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION '% on % is refused: packages are kept', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.id, OLD.bundle_id, OLD.client_id, OLD.maker_id, OLD.maker_account_id,
        OLD.period_start, OLD.period_end, OLD.event_types, OLD.package_prefix,
        OLD.retention_policy, OLD.vault_mode, OLD.kms_key_id, OLD.note,
        OLD.required_signatures, OLD.required_countersignatures, OLD.signing_key_id,
        OLD.generated_at, OLD.tree_size, OLD.checkpoint, OLD.pending_at_export,
        OLD.set_aside_at_export, OLD.created_at)
       IS DISTINCT FROM
       (NEW.id, NEW.bundle_id, NEW.client_id, NEW.maker_id, NEW.maker_account_id,
        NEW.period_start, NEW.period_end, NEW.event_types, NEW.package_prefix,
        NEW.retention_policy, NEW.vault_mode, NEW.kms_key_id, NEW.note,
        NEW.required_signatures, NEW.required_countersignatures, NEW.signing_key_id,
        NEW.generated_at, NEW.tree_size, NEW.checkpoint, NEW.pending_at_export,
        NEW.set_aside_at_export, NEW.created_at)
    THEN
        RAISE EXCEPTION 'the plan of package % is refused to change', OLD.bundle_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.status <> 'writing' AND
       (OLD.status, OLD.package_sha256, OLD.size_bytes, OLD.event_count, OLD.manifest_sha256,
        OLD.files, OLD.completed_at, OLD.error_code, OLD.error_message)
       IS DISTINCT FROM
       (NEW.status, NEW.package_sha256, NEW.size_bytes, NEW.event_count, NEW.manifest_sha256,
        NEW.files, NEW.completed_at, NEW.error_code, NEW.error_message)
    THEN
        RAISE EXCEPTION 'the outcome of package % is refused to change', OLD.bundle_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0003_vault")]

    operations = [
        migrations.RunSQL(GUARD, FORMER_GUARD),
        append_only("evidence_vaultcopy"),
        append_only("evidence_vaultobject"),
        append_only("evidence_vaultlock"),
        append_only("evidence_receipt"),
        append_only("evidence_packagetimestamp"),
    ]
