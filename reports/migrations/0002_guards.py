# What the database itself refuses, whoever asks and by whichever code: a packet's plan is never
# changed and its outcome written once; assessments, certificates and countersignatures stay; and
# who countersigns is another person than the maker, with a key and an account of his own.

from django.db import migrations

from access.dbtools import append_only, frozen_columns, never_deleted

SAME_PERSON = """
ALTER TABLE reports_packet
    ADD CONSTRAINT reports_packet_maker_account FOREIGN KEY (maker_account_id, maker_id)
        REFERENCES access_user (id, person_id);
ALTER TABLE reports_packetcountersignature
    ADD CONSTRAINT reports_countersign_key_person FOREIGN KEY (key_id, person_id)
        REFERENCES audit_signingkey (id, person_id),
    ADD CONSTRAINT reports_countersign_account_person FOREIGN KEY (account_id, person_id)
        REFERENCES access_user (id, person_id);
ALTER TABLE reports_controlassessment
    ADD CONSTRAINT reports_assessment_account_person FOREIGN KEY (account_id, person_id)
        REFERENCES access_user (id, person_id);
"""
DROP_SAME_PERSON = """
ALTER TABLE reports_controlassessment DROP CONSTRAINT reports_assessment_account_person;
ALTER TABLE reports_packetcountersignature
    DROP CONSTRAINT reports_countersign_account_person,
    DROP CONSTRAINT reports_countersign_key_person;
ALTER TABLE reports_packet DROP CONSTRAINT reports_packet_maker_account;
"""

# A foreign key says nothing where the maker is null, as it is of what the schedule made.
SAME_MAKER = """
CREATE FUNCTION reports_countersign_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    packet record;
BEGIN
    SELECT maker_id, status, json_sha256, pdf_sha256 INTO packet
        FROM reports_packet WHERE id = NEW.packet_id;
    IF packet.maker_id IS DISTINCT FROM NEW.maker_id THEN
        RAISE EXCEPTION 'a countersignature names the maker of its packet'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF access_person_root(packet.maker_id) = access_person_root(NEW.person_id) THEN
        RAISE EXCEPTION 'whoever made a packet does not countersign it'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF packet.status <> 'complete'
        OR (packet.json_sha256, packet.pdf_sha256)
            IS DISTINCT FROM (NEW.json_sha256, NEW.first_pdf_sha256)
    THEN
        RAISE EXCEPTION 'a countersignature is of a complete packet, as it was made'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reports_countersign_guard BEFORE INSERT ON reports_packetcountersignature
    FOR EACH ROW EXECUTE FUNCTION reports_countersign_guard();
ALTER TABLE reports_packetcountersignature ENABLE ALWAYS TRIGGER reports_countersign_guard;
"""
DROP_SAME_MAKER = """
DROP TRIGGER reports_countersign_guard ON reports_packetcountersignature;
DROP FUNCTION reports_countersign_guard();
"""
PLAN = (
    "id", "framework", "client_id", "period_start", "period_end", "revision", "name", "reason",
    "categories", "run_id", "maker_id", "maker_account_id", "signing_key_id",
    "required_countersignatures", "retention_policy", "retain_until", "vault_mode",
    "generated_at", "tree_size", "checkpoint", "created_at",
)  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0001_initial"),
        ("evidence", "0008_deposit_guards"),
        ("access", "0002_person_merged"),
    ]

    operations = [
        migrations.RunSQL(SAME_PERSON, DROP_SAME_PERSON),
        migrations.RunSQL(SAME_MAKER, DROP_SAME_MAKER),
        never_deleted("reports_packet"),
        frozen_columns("reports_packet", *PLAN, once_set="completed_at"),
        append_only("reports_certificate"),
        append_only("reports_controlassessment"),
        append_only("reports_packetcountersignature"),
    ]
