"""What the database itself refuses, whoever asks and by whichever code.

- Signatures and countersignatures are inserted once and never changed.
- A countersignature's maker is the package's, its person is the key's and the account's: together
  with CHECK (person <> maker) and the unique constraints of 0001, two people are two people.
- A package's plan is never changed, its outcome is written once, and it is never deleted.
"""

from django.db import migrations

from access.dbtools import append_only

SAME_PERSON = """
-- Trivially unique, as the id alone is: what a composite foreign key refers to has to be declared.
ALTER TABLE access_user
    ADD CONSTRAINT access_user_id_person UNIQUE (id, person_id);
ALTER TABLE evidence_package
    ADD CONSTRAINT evidence_package_maker_account FOREIGN KEY (maker_account_id, maker_id)
        REFERENCES access_user (id, person_id);
ALTER TABLE evidence_countersignentry
    ADD CONSTRAINT evidence_countersign_package_maker FOREIGN KEY (package_id, maker_id)
        REFERENCES evidence_package (id, maker_id),
    ADD CONSTRAINT evidence_countersign_key_person FOREIGN KEY (key_id, person_id)
        REFERENCES audit_signingkey (id, person_id),
    ADD CONSTRAINT evidence_countersign_account_person FOREIGN KEY (account_id, person_id)
        REFERENCES access_user (id, person_id);
"""
DROP_SAME_PERSON = """
ALTER TABLE evidence_countersignentry
    DROP CONSTRAINT evidence_countersign_account_person,
    DROP CONSTRAINT evidence_countersign_key_person,
    DROP CONSTRAINT evidence_countersign_package_maker;
ALTER TABLE evidence_package DROP CONSTRAINT evidence_package_maker_account;
ALTER TABLE access_user DROP CONSTRAINT access_user_id_person;
"""

# The columns repeat what was signed: they can't say anything else than the entry does.
SAYS_SO = """
ALTER TABLE evidence_countersignentry
    ADD CONSTRAINT evidence_countersign_says_so CHECK (
        entry::jsonb @> jsonb_build_object(
            'person', person_id::text, 'signer', signer, 'digest', digest, 'meaning', meaning,
            'note', note, 'nonce', nonce, 'previous', previous, 'scheme', scheme
        )
    );
"""
DROP_SAYS_SO = """
ALTER TABLE evidence_countersignentry DROP CONSTRAINT evidence_countersign_says_so;
"""

GUARD_PACKAGE = """
CREATE FUNCTION evidence_package_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER evidence_package_guard BEFORE UPDATE OR DELETE ON evidence_package
    FOR EACH ROW EXECUTE FUNCTION evidence_package_guard();
CREATE TRIGGER evidence_package_no_truncate BEFORE TRUNCATE ON evidence_package
    FOR EACH STATEMENT EXECUTE FUNCTION evidence_package_guard();
ALTER TABLE evidence_package ENABLE ALWAYS TRIGGER evidence_package_guard;
ALTER TABLE evidence_package ENABLE ALWAYS TRIGGER evidence_package_no_truncate;
"""
DROP_GUARD_PACKAGE = """
DROP TRIGGER evidence_package_guard ON evidence_package;
DROP TRIGGER evidence_package_no_truncate ON evidence_package;
DROP FUNCTION evidence_package_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0001_initial")]

    operations = [
        migrations.RunSQL(SAME_PERSON, DROP_SAME_PERSON),
        migrations.RunSQL(SAYS_SO, DROP_SAYS_SO),
        migrations.RunSQL(GUARD_PACKAGE, DROP_GUARD_PACKAGE),
        append_only("evidence_signature"),
        append_only("evidence_countersignentry"),
    ]
