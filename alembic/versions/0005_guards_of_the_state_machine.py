"""Guards of the state machine: claims, cancels, ends, histories without gaps, jobs that stay.

Revision: 0005, after 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = {
    "queued_jobs_are_claimed": "jobs",
    "claims_hold": "jobs",
    "cancels_are_kept": "jobs",
    "unfinished_jobs_stay": "jobs",
    "epochs_are_append_only": "epochs",
    "epochs_have_no_gaps": "epochs",
    "models_are_of_success": "models",
    "done_is_the_end": "events",
}
# Those whose condition looks at other rows.
FUNCTIONS = (
    "fitpoint_epochs_have_no_gaps",
    "fitpoint_models_are_of_success",
    "fitpoint_done_is_the_end",
)
GUARDS = {
    "sqlite": (
        "CREATE TRIGGER queued_jobs_are_claimed BEFORE UPDATE OF state ON jobs WHEN "
        "OLD.state = 'queued' AND (NEW.state IN ('succeeded','failed') OR NEW.state = "
        "'running' AND (NEW.lease_token = OLD.lease_token OR NEW.attempt = OLD.attempt)) "
        "BEGIN SELECT RAISE(ABORT, 'a queued job runs by a claim'); END",
        "CREATE TRIGGER claims_hold BEFORE UPDATE OF lease_token, lease_owner ON jobs WHEN "
        "OLD.state = 'running' AND NEW.state = 'running' AND (NEW.lease_token <> "
        "OLD.lease_token OR NEW.lease_owner <> OLD.lease_owner) BEGIN SELECT RAISE(ABORT, 'a "
        "held job is not claimed'); END",
        "CREATE TRIGGER cancels_are_kept BEFORE UPDATE OF cancel_requested_at ON jobs WHEN "
        "OLD.state = 'running' AND OLD.cancel_requested_at IS NOT NULL AND "
        "NEW.cancel_requested_at IS NULL BEGIN SELECT RAISE(ABORT, 'an accepted cancel is "
        "kept'); END",
        "CREATE TRIGGER unfinished_jobs_stay BEFORE DELETE ON jobs WHEN OLD.state IN "
        "('queued','running') BEGIN SELECT RAISE(ABORT, 'an unfinished job is not removed'); "
        "END",
        "CREATE TRIGGER epochs_are_append_only BEFORE UPDATE ON epochs BEGIN SELECT "
        "RAISE(ABORT, 'histories are append-only'); END",
        "CREATE TRIGGER epochs_have_no_gaps BEFORE INSERT ON epochs WHEN NEW.epoch > 1 AND "
        "NOT EXISTS (SELECT 1 FROM epochs WHERE job_id = NEW.job_id AND trial = NEW.trial "
        "AND fold = NEW.fold AND epoch = NEW.epoch - 1) BEGIN SELECT RAISE(ABORT, 'an epoch "
        "is missing before this one'); END",
        "CREATE TRIGGER models_are_of_success BEFORE INSERT ON models WHEN NOT EXISTS "
        "(SELECT 1 FROM jobs WHERE id = NEW.job_id AND state = 'succeeded') BEGIN SELECT "
        "RAISE(ABORT, 'a model is of a succeeded job'); END",
        "CREATE TRIGGER done_is_the_end BEFORE INSERT ON events WHEN NEW.what = 'done' AND "
        "NOT EXISTS (SELECT 1 FROM jobs WHERE id = NEW.job_id AND finished_at IS NOT NULL) "
        "BEGIN SELECT RAISE(ABORT, 'a job that has not ended is not done'); END",
    ),
    "postgresql": (
        "CREATE TRIGGER queued_jobs_are_claimed BEFORE UPDATE OF state ON jobs FOR EACH ROW "
        "WHEN (OLD.state = 'queued' AND (NEW.state IN ('succeeded','failed') OR NEW.state = "
        "'running' AND (NEW.lease_token = OLD.lease_token OR NEW.attempt = OLD.attempt))) "
        "EXECUTE FUNCTION fitpoint_refuse('a queued job runs by a claim')",
        "CREATE TRIGGER claims_hold BEFORE UPDATE OF lease_token, lease_owner ON jobs FOR "
        "EACH ROW WHEN (OLD.state = 'running' AND NEW.state = 'running' AND (NEW.lease_token "
        "<> OLD.lease_token OR NEW.lease_owner <> OLD.lease_owner)) EXECUTE FUNCTION "
        "fitpoint_refuse('a held job is not claimed')",
        "CREATE TRIGGER cancels_are_kept BEFORE UPDATE OF cancel_requested_at ON jobs FOR "
        "EACH ROW WHEN (OLD.state = 'running' AND OLD.cancel_requested_at IS NOT NULL AND "
        "NEW.cancel_requested_at IS NULL) EXECUTE FUNCTION fitpoint_refuse('an accepted "
        "cancel is kept')",
        "CREATE TRIGGER unfinished_jobs_stay BEFORE DELETE ON jobs FOR EACH ROW WHEN "
        "(OLD.state IN ('queued','running')) EXECUTE FUNCTION fitpoint_refuse('an unfinished "
        "job is not removed')",
        "CREATE TRIGGER epochs_are_append_only BEFORE UPDATE ON epochs FOR EACH ROW EXECUTE "
        "FUNCTION fitpoint_refuse('histories are append-only')",
        "CREATE FUNCTION fitpoint_epochs_have_no_gaps() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN IF NOT EXISTS (SELECT 1 FROM epochs WHERE job_id = NEW.job_id AND trial = "
        "NEW.trial AND fold = NEW.fold AND epoch = NEW.epoch - 1) THEN RAISE "
        "integrity_constraint_violation USING MESSAGE = TG_ARGV[0]; END IF; RETURN NEW; "
        "END$$",
        "CREATE TRIGGER epochs_have_no_gaps BEFORE INSERT ON epochs FOR EACH ROW WHEN "
        "(NEW.epoch > 1) EXECUTE FUNCTION fitpoint_epochs_have_no_gaps('an epoch is missing "
        "before this one')",
        "CREATE FUNCTION fitpoint_models_are_of_success() RETURNS trigger LANGUAGE plpgsql "
        "AS $$BEGIN IF NOT EXISTS (SELECT 1 FROM jobs WHERE id = NEW.job_id AND state = "
        "'succeeded') THEN RAISE integrity_constraint_violation USING MESSAGE = TG_ARGV[0]; "
        "END IF; RETURN NEW; END$$",
        "CREATE TRIGGER models_are_of_success BEFORE INSERT ON models FOR EACH ROW EXECUTE "
        "FUNCTION fitpoint_models_are_of_success('a model is of a succeeded job')",
        "CREATE FUNCTION fitpoint_done_is_the_end() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN IF NOT EXISTS (SELECT 1 FROM jobs WHERE id = NEW.job_id AND finished_at IS "
        "NOT NULL) THEN RAISE integrity_constraint_violation USING MESSAGE = TG_ARGV[0]; END "
        "IF; RETURN NEW; END$$",
        "CREATE TRIGGER done_is_the_end BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.what "
        "= 'done') EXECUTE FUNCTION fitpoint_done_is_the_end('a job that has not ended is "
        "not done')",
    ),
}


def upgrade() -> None:
    for statement in GUARDS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    for name, table in TABLES.items():
        op.execute(f"DROP TRIGGER {name} ON {table}" if postgresql else f"DROP TRIGGER {name}")
    if postgresql:
        for name in FUNCTIONS:
            op.execute(f"DROP FUNCTION {name}()")
