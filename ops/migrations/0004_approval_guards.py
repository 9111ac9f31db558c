"""What the database itself refuses, whoever asks and by whichever code.

- A request can't be changed, and its digest is that of its text, which says what its columns say.
- A decision is the deciding person's own, over the digest of the request, while that is pending and
  in time; never the requester's, by any account and however many persons were merged into one.
- A request is approved and used only by as many distinct people as it needs, in time, and never
  after a rejection. Its states follow one another in the allowed ways only.
"""

from django.db import migrations

from access.dbtools import append_only, frozen_columns, never_deleted

SAYS_SO = """
ALTER TABLE ops_approval
    ADD CONSTRAINT ops_approval_digest CHECK (
        request_sha256 = 'sha256:' || encode(sha256(convert_to(request, 'UTF8')), 'hex')
    ),
    ADD CONSTRAINT ops_approval_says_so CHECK (
        request::jsonb @> jsonb_build_object(
            'action', action, 'client_id', client_id, 'reason', reason, 'needed', needed,
            'requester', jsonb_build_object('person', requester_id::text),
            'created_at', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'expires_at', to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        )
    ),
    ADD CONSTRAINT ops_approval_longest CHECK (expires_at - created_at <= interval '168 hours'),
    ADD CONSTRAINT ops_approval_requester_account FOREIGN KEY (requester_account_id, requester_id)
        REFERENCES access_user (id, person_id);
ALTER TABLE ops_approvaldecision
    ADD CONSTRAINT ops_decision_bound FOREIGN KEY (approval_id, requester_id, request_sha256)
        REFERENCES ops_approval (id, requester_id, request_sha256),
    ADD CONSTRAINT ops_decision_account FOREIGN KEY (account_id, person_id)
        REFERENCES access_user (id, person_id);
"""
DROP_SAYS_SO = """
ALTER TABLE ops_approvaldecision
    DROP CONSTRAINT ops_decision_account,
    DROP CONSTRAINT ops_decision_bound;
ALTER TABLE ops_approval
    DROP CONSTRAINT ops_approval_requester_account,
    DROP CONSTRAINT ops_approval_longest,
    DROP CONSTRAINT ops_approval_says_so,
    DROP CONSTRAINT ops_approval_digest;
"""

# A refusal is named like a constraint, so that the application can tell which it was.
REFUSE = """
CREATE FUNCTION ops_approval_refuse(what text, why text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', what, why
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = what;
END $$;
"""
DROP_REFUSE = "DROP FUNCTION ops_approval_refuse(text, text);"

# The search path is pinned, or a temporary table of the same name would be counted instead.
GUARD_APPROVAL = """
CREATE FUNCTION ops_approval_guard() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    people bigint;
    rejections bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'pending' THEN
            PERFORM ops_approval_refuse('ops_approval_starts_pending', 'nothing is decided yet');
        END IF;
        IF NEW.created_at > clock_timestamp() THEN
            PERFORM ops_approval_refuse('ops_approval_not_ahead', 'it was not asked for yet');
        END IF;
        IF NEW.request::jsonb #>> '{requester,account}' IS DISTINCT FROM
           (SELECT username FROM access_user WHERE id = NEW.requester_account_id) THEN
            PERFORM ops_approval_refuse('ops_approval_says_so', 'it names another account');
        END IF;
        RETURN NEW;
    END IF;

    IF NEW.state = OLD.state THEN
        IF (NEW.closed_at, NEW.executed_at, NEW.outcome_code, NEW.outcome_note, NEW.result)
           IS NOT DISTINCT FROM
           (OLD.closed_at, OLD.executed_at, OLD.outcome_code, OLD.outcome_note, OLD.result) THEN
            RETURN NEW;
        END IF;
        -- What came of it is added once, when it has been carried out.
        IF OLD.state <> 'used' OR OLD.executed_at IS NOT NULL OR NEW.executed_at IS NULL
           OR NEW.closed_at <> OLD.closed_at THEN
            PERFORM ops_approval_refuse('ops_approval_outcome', 'its outcome does not change');
        END IF;
        NEW.executed_at := clock_timestamp();
        RETURN NEW;
    END IF;

    IF (OLD.state, NEW.state) NOT IN (
        ('pending', 'approved'), ('pending', 'rejected'), ('pending', 'withdrawn'),
        ('pending', 'expired'), ('pending', 'void'),
        ('approved', 'used'), ('approved', 'failed'), ('approved', 'expired'), ('approved', 'void'),
        ('used', 'failed')
    ) OR (OLD.state = 'used' AND OLD.executed_at IS NOT NULL) THEN
        PERFORM ops_approval_refuse(
            'ops_approval_transition', format('from %s to %s', OLD.state, NEW.state));
    END IF;

    SELECT count(DISTINCT access_person_root(decision.person_id)) FILTER (
               WHERE decision.approves AND
                   access_person_root(decision.person_id) <> access_person_root(OLD.requester_id)
           ),
           count(*) FILTER (WHERE NOT decision.approves)
      INTO people, rejections
      FROM ops_approvaldecision decision WHERE decision.approval_id = OLD.id;
    IF NEW.state IN ('approved', 'used') THEN
        IF clock_timestamp() >= OLD.expires_at THEN
            PERFORM ops_approval_refuse('ops_approval_in_time', 'its time is over');
        END IF;
        IF people < OLD.needed THEN
            PERFORM ops_approval_refuse(
                'ops_approval_people', format('%s of %s people', people, OLD.needed));
        END IF;
        IF rejections > 0 THEN
            PERFORM ops_approval_refuse('ops_approval_rejected', 'somebody rejected it');
        END IF;
    ELSIF NEW.state = 'rejected' AND rejections = 0 THEN
        PERFORM ops_approval_refuse('ops_approval_rejected', 'nobody rejected it');
    ELSIF NEW.state = 'expired' AND clock_timestamp() < OLD.expires_at THEN
        PERFORM ops_approval_refuse('ops_approval_in_time', 'its time is not over');
    END IF;

    IF OLD.closed_at IS NOT NULL THEN
        NEW.closed_at := OLD.closed_at;
    ELSIF NEW.state <> 'approved' THEN
        NEW.closed_at := clock_timestamp();
    END IF;
    IF NEW.state = 'failed' THEN
        NEW.executed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ops_approval_guard BEFORE INSERT OR UPDATE ON ops_approval
    FOR EACH ROW EXECUTE FUNCTION ops_approval_guard();
ALTER TABLE ops_approval ENABLE ALWAYS TRIGGER ops_approval_guard;
"""
DROP_GUARD_APPROVAL = """
DROP TRIGGER ops_approval_guard ON ops_approval;
DROP FUNCTION ops_approval_guard();
"""

# The request is locked first, so that decisions and changes of its state follow one another.
GUARD_DECISION = """
CREATE FUNCTION ops_decision_guard() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked ops_approval;
    human uuid := access_person_root(NEW.person_id);
BEGIN
    SELECT * INTO asked FROM ops_approval WHERE id = NEW.approval_id FOR UPDATE;
    IF asked.state IS DISTINCT FROM 'pending' THEN
        PERFORM ops_approval_refuse('ops_decision_pending', 'there is nothing to decide');
    END IF;
    IF clock_timestamp() >= asked.expires_at THEN
        PERFORM ops_approval_refuse('ops_decision_in_time', 'its time is over');
    END IF;
    IF human = access_person_root(asked.requester_id) THEN
        PERFORM ops_approval_refuse('ops_decision_not_requester', 'nobody decides his own request');
    END IF;
    IF EXISTS (
        SELECT FROM ops_approvaldecision decision
         WHERE decision.approval_id = NEW.approval_id
           AND access_person_root(decision.person_id) = human
    ) THEN
        PERFORM ops_approval_refuse('ops_decision_one_per_person', 'this person decided before');
    END IF;
    NEW.decided_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER ops_decision_guard BEFORE INSERT ON ops_approvaldecision
    FOR EACH ROW EXECUTE FUNCTION ops_decision_guard();
ALTER TABLE ops_approvaldecision ENABLE ALWAYS TRIGGER ops_decision_guard;
"""
DROP_GUARD_DECISION = """
DROP TRIGGER ops_decision_guard ON ops_approvaldecision;
DROP FUNCTION ops_decision_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("ops", "0003_approvals")]

    operations = [
        migrations.RunSQL(SAYS_SO, DROP_SAYS_SO),
        migrations.RunSQL(REFUSE, DROP_REFUSE),
        migrations.RunSQL(GUARD_APPROVAL, DROP_GUARD_APPROVAL),
        migrations.RunSQL(GUARD_DECISION, DROP_GUARD_DECISION),
        never_deleted("ops_approval"),
        frozen_columns(
            "ops_approval", "id", "action", "client_id", "requester_id", "requester_account_id",
            "reason", "needed", "request", "request_sha256", "created_at", "expires_at",
        ),
        append_only("ops_approvaldecision"),
    ]  # fmt: skip
