"""The archive pointer is set once, in order, by one procedure; receipts and holds stay."""

from django.db import migrations

from access.dbtools import append_only, frozen_columns, never_deleted

# Every column is named: what was sealed stays, and the pointer goes from nothing to something.
EVENT_GUARD = """
CREATE FUNCTION audit_events_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
        AND (NEW.seq, NEW.id, NEW.created_at, NEW.prev_hash, NEW.hash, NEW.type, NEW.occurred_at,
             NEW.actor_id, NEW.recorder, NEW.client_id, NEW.object_type, NEW.object_id,
             NEW.outcome, NEW.event)
            IS NOT DISTINCT FROM
            (OLD.seq, OLD.id, OLD.created_at, OLD.prev_hash, OLD.hash, OLD.type, OLD.occurred_at,
             OLD.actor_id, OLD.recorder, OLD.client_id, OLD.object_type, OLD.object_id,
             OLD.outcome, OLD.event)
        AND OLD.s3_object_key IS NULL AND OLD.s3_archived_at IS NULL
        AND NEW.s3_object_key IS NOT NULL AND NEW.s3_archived_at IS NOT NULL
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is refused: its rows are records of fact', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
DROP TRIGGER audit_events_append_only ON audit_events;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_guard();
ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_append_only;
ALTER TABLE audit_events ADD CONSTRAINT audit_events_pointer_whole
    CHECK ((s3_object_key IS NULL) = (s3_archived_at IS NULL));
"""
DROP_EVENT_GUARD = """
ALTER TABLE audit_events DROP CONSTRAINT audit_events_pointer_whole;
DROP TRIGGER audit_events_append_only ON audit_events;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION strongroom_refuse_change();
ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_append_only;
DROP FUNCTION audit_events_guard();
"""

# The application may call this, and has no other way to change a sealed row. It goes on from the
# oldest event without a pointer, so the pointer never passes a gap, and says nothing that the
# segment's receipt does not say. Called again for the same range, it does nothing.
MARK_ARCHIVED = """
CREATE PROCEDURE audit_mark_archived(p_first bigint, p_last bigint, p_key text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    oldest bigint;
    changed bigint;
BEGIN
    IF NOT EXISTS (
        SELECT FROM audit_segment WHERE first_seq = p_first AND last_seq = p_last
            AND object_key = p_key AND status = 'archived'
    ) THEN
        RAISE EXCEPTION 'no receipt says that % to % were archived as %', p_first, p_last, p_key
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    SELECT seq INTO oldest FROM audit_events
        WHERE s3_archived_at IS NULL ORDER BY created_at, seq LIMIT 1;
    IF oldest IS NULL OR oldest > p_last THEN
        RETURN;
    END IF;
    IF oldest <> p_first THEN
        RAISE EXCEPTION 'event % is not archived yet: the pointer never passes a gap', oldest
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    UPDATE audit_events SET s3_object_key = p_key, s3_archived_at = clock_timestamp()
        WHERE seq BETWEEN p_first AND p_last AND s3_archived_at IS NULL;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed <> p_last - p_first + 1 THEN
        RAISE EXCEPTION 'the log has not all events from % to %', p_first, p_last
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
END $$;
REVOKE ALL ON PROCEDURE audit_mark_archived(bigint, bigint, text) FROM PUBLIC;
"""
DROP_MARK_ARCHIVED = "DROP PROCEDURE audit_mark_archived(bigint, bigint, text);"

# A receipt stays, and a lock never gets shorter or weaker.
SEGMENT_GUARD = """
CREATE FUNCTION audit_segment_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'archived' AND (
        NEW.status <> 'archived'
        OR (NEW.location, NEW.object_key, NEW.version_id, NEW.stored_sha256, NEW.stored_bytes,
            NEW.checkpoint_id, NEW.archived_at)
           IS DISTINCT FROM
           (OLD.location, OLD.object_key, OLD.version_id, OLD.stored_sha256, OLD.stored_bytes,
            OLD.checkpoint_id, OLD.archived_at)
        OR NEW.retain_until < OLD.retain_until
        OR (OLD.lock_mode = 'compliance' AND NEW.lock_mode <> 'compliance')
    ) THEN
        RAISE EXCEPTION 'the receipt of a segment stays, and its lock never gets shorter'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_segment_guard BEFORE UPDATE ON audit_segment
    FOR EACH ROW EXECUTE FUNCTION audit_segment_guard();
ALTER TABLE audit_segment ENABLE ALWAYS TRIGGER audit_segment_guard;
"""
DROP_SEGMENT_GUARD = """
DROP TRIGGER audit_segment_guard ON audit_segment;
DROP FUNCTION audit_segment_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_archive")]

    operations = [
        migrations.RunSQL(EVENT_GUARD, DROP_EVENT_GUARD),
        migrations.RunSQL(MARK_ARCHIVED, DROP_MARK_ARCHIVED),
        never_deleted("audit_segment"),
        frozen_columns(
            "audit_segment",
            "first_seq",
            "last_seq",
            "day",
            "raw_sha256",
            "raw_bytes",
            "newest_event_at",
            "object_name",
            "created_at",
        ),
        migrations.RunSQL(SEGMENT_GUARD, DROP_SEGMENT_GUARD),
        never_deleted("audit_legalhold"),
        frozen_columns(
            "audit_legalhold",
            "case_id",
            "reason",
            "start_day",
            "end_day",
            "placed_at",
            "placed_by",
            once_set="released_at",
        ),
        append_only("audit_timestamp"),
        append_only("audit_custodyrecord"),
        append_only("audit_dutyrecord"),
    ]
