"""Datasets, jobs with their histories, events and logs, models with their names, workers.

Revision: 0001, the first
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# PostgreSQL sorts text by code point only when it is told to.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


GUARDS = {
    "sqlite": (
        "CREATE TRIGGER events_are_append_only BEFORE UPDATE ON events BEGIN "
        "SELECT RAISE(ABORT, 'events are append-only'); END",
        "CREATE TRIGGER tokens_only_grow BEFORE UPDATE OF lease_token ON jobs "
        "WHEN NEW.lease_token < OLD.lease_token BEGIN "
        "SELECT RAISE(ABORT, 'lease tokens only grow'); END",
        "CREATE TRIGGER ended_jobs_keep BEFORE UPDATE OF state ON jobs "
        "WHEN OLD.state = 'succeeded' "
        "OR OLD.state IN ('failed','cancelled') AND NEW.state <> 'queued' BEGIN "
        "SELECT RAISE(ABORT, 'an ended job does not change'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION fitpoint_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RAISE integrity_constraint_violation USING MESSAGE = TG_ARGV[0]; END'",
        "CREATE TRIGGER events_are_append_only BEFORE UPDATE ON events FOR EACH ROW "
        "EXECUTE FUNCTION fitpoint_refuse('events are append-only')",
        "CREATE TRIGGER tokens_only_grow BEFORE UPDATE OF lease_token ON jobs FOR EACH ROW "
        "WHEN (NEW.lease_token < OLD.lease_token) "
        "EXECUTE FUNCTION fitpoint_refuse('lease tokens only grow')",
        "CREATE TRIGGER ended_jobs_keep BEFORE UPDATE OF state ON jobs FOR EACH ROW "
        "WHEN (OLD.state = 'succeeded' "
        "OR OLD.state IN ('failed','cancelled') AND NEW.state <> 'queued') "
        "EXECUTE FUNCTION fitpoint_refuse('an ended job does not change')",
    ),
}


def upgrade() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("n_rows", WHOLE, nullable=False),
        sa.Column("n_columns", WHOLE, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("bytes", WHOLE, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.UniqueConstraint("name", name=op.f("uq_datasets_name")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
    )
    op.create_index(op.f("ix_datasets_sha256"), "datasets", ["sha256"])
    op.create_table(
        "jobs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("spec_sha256", TEXT, nullable=False),
        sa.Column("priority", WHOLE, nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("cancel_requested_at", TIME, nullable=True),
        sa.Column("attempt", WHOLE, nullable=False),
        sa.Column("stalls", WHOLE, nullable=False),
        sa.Column("errors", WHOLE, nullable=False),
        sa.Column("losses", WHOLE, nullable=False),
        sa.Column("run_after", sa.Double(), nullable=True),
        sa.Column("run_after_clock", TEXT, nullable=True),
        sa.Column("lease_token", WHOLE, nullable=False),
        sa.Column("lease_owner", TEXT, nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("lease_clock", TEXT, nullable=True),
        sa.Column("epoch", WHOLE, nullable=False),
        sa.Column("epochs", WHOLE, nullable=False),
        sa.Column("trials_done", WHOLE, nullable=False),
        sa.Column("trials", WHOLE, nullable=False),
        sa.Column("eta_seconds", sa.Double(), nullable=True),
        sa.Column("model_sha256", TEXT, nullable=True),
        sa.Column("device", TEXT, nullable=True),
        sa.Column("versions", sa.JSON(), nullable=True),
        sa.Column("error_code", TEXT, nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("first_event", WHOLE, nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.CheckConstraint("kind IN ('fit','tune')", name=op.f("ck_jobs_kind")),
        sa.CheckConstraint(
            "state IN ('queued','running','succeeded','failed','cancelled')",
            name=op.f("ck_jobs_state"),
        ),
        sa.CheckConstraint(
            "(state = 'running') = (lease_owner IS NOT NULL) AND (lease_owner IS NULL) = (lease_until IS NULL) AND (lease_owner IS NULL) = (lease_clock IS NULL)",
            name=op.f("ck_jobs_running_is_leased"),
        ),
        sa.CheckConstraint(
            "(state IN ('succeeded','failed','cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_jobs_ended_has_time"),
        ),
        sa.CheckConstraint(
            "(state = 'failed') = (error_code IS NOT NULL)", name=op.f("ck_jobs_failed_has_code")
        ),
        sa.CheckConstraint(
            "(error_code IS NULL) = (error IS NULL)", name=op.f("ck_jobs_code_has_error")
        ),
        sa.CheckConstraint(
            "model_sha256 IS NULL OR state = 'succeeded'",
            name=op.f("ck_jobs_model_only_of_success"),
        ),
        sa.CheckConstraint(
            "kind <> 'fit' OR state <> 'succeeded' OR model_sha256 IS NOT NULL",
            name=op.f("ck_jobs_fit_leaves_model"),
        ),
        sa.CheckConstraint(
            "cancel_requested_at IS NULL OR state IN ('running','cancelled')",
            name=op.f("ck_jobs_cancel_is_kept"),
        ),
        sa.CheckConstraint(
            "state <> 'cancelled' OR cancel_requested_at IS NOT NULL",
            name=op.f("ck_jobs_cancelled_was_asked"),
        ),
        sa.CheckConstraint(
            "(run_after IS NULL) = (run_after_clock IS NULL)", name=op.f("ck_jobs_run_after_clock")
        ),
        sa.CheckConstraint(
            "attempt >= 0 AND lease_token >= attempt AND stalls >= 0 AND errors >= 0 AND losses >= 0",
            name=op.f("ck_jobs_counters"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        op.f("ix_jobs_ended"),
        "jobs",
        ["state", "id"],
        sqlite_where=sa.text("finished_at IS NOT NULL"),
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_jobs_name_id"), "jobs", ["name", "id"])
    op.create_index(
        op.f("ix_jobs_queued"),
        "jobs",
        [sa.text("priority DESC"), "id"],
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        op.f("ix_jobs_running"),
        "jobs",
        ["lease_until"],
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(op.f("ix_jobs_spec_sha256"), "jobs", ["spec_sha256"])
    op.create_table(
        "workers",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("pid", WHOLE, nullable=False),
        sa.Column("device", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("job_id", TEXT, nullable=True),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("beat_at", TIME, nullable=False),
        sa.Column("beat", sa.Double(), nullable=False),
        sa.Column("beat_clock", TEXT, nullable=False),
        sa.CheckConstraint("state IN ('idle','busy','draining')", name=op.f("ck_workers_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "epochs",
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("trial", WHOLE, nullable=False, autoincrement=False),
        sa.Column("fold", WHOLE, nullable=False, autoincrement=False),
        sa.Column("epoch", WHOLE, nullable=False, autoincrement=False),
        sa.Column("attempt", WHOLE, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("samples_per_second", sa.Double(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "trial >= 1 AND fold >= 1 AND epoch >= 1", name=op.f("ck_epochs_counted_from_one")
        ),
        sa.PrimaryKeyConstraint("job_id", "trial", "fold", "epoch", name=op.f("pk_epochs")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], ondelete="CASCADE", name=op.f("fk_epochs_job_id")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evaluations",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("position", WHOLE, nullable=False),
        sa.Column("requested", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("evaluation", sa.JSON(), nullable=False),
        sa.UniqueConstraint("job_id", "position", name=op.f("uq_evaluations_job_id_position")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluations")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], ondelete="CASCADE", name=op.f("fk_evaluations_job_id")
        ),
    )
    op.create_table(
        "events",
        sa.Column("n", WHOLE, nullable=False),
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("token", WHOLE, nullable=False),
        sa.Column("what", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "what IN ('state','epoch','trial','done','nondeterminism_detected')",
            name=op.f("ck_events_what"),
        ),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_events")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], ondelete="CASCADE", name=op.f("fk_events_job_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_events_job_id_n"), "events", ["job_id", "n"])
    op.create_index(
        op.f("uq_events_done"),
        "events",
        ["job_id", "token"],
        unique=True,
        sqlite_where=sa.text("what = 'done'"),
        postgresql_where=sa.text("what = 'done'"),
    )
    op.create_table(
        "job_datasets",
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("spec_name", TEXT, nullable=False),
        sa.Column("dataset_id", TEXT, nullable=True),
        sa.Column("sha256", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "spec_name", name=op.f("pk_job_datasets")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], ondelete="CASCADE", name=op.f("fk_job_datasets_job_id")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["datasets.id"],
            ondelete="SET NULL",
            name=op.f("fk_job_datasets_dataset_id"),
        ),
    )
    op.create_index(op.f("ix_job_datasets_dataset_id"), "job_datasets", ["dataset_id"])
    op.create_table(
        "job_logs",
        sa.Column("n", WHOLE, nullable=False),
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("attempt", WHOLE, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("line", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_job_logs")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], ondelete="CASCADE", name=op.f("fk_job_logs_job_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_job_logs_job_id_n"), "job_logs", ["job_id", "n"])
    op.create_table(
        "models",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", WHOLE, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("n_parameters", WHOLE, nullable=False),
        sa.Column("weights_sha256", TEXT, nullable=False),
        sa.Column("artifact_sha256", TEXT, nullable=False),
        sa.Column("artifact_path", TEXT, nullable=False),
        sa.Column("dataset_sha256", TEXT, nullable=False),
        sa.Column("stopped_epoch", WHOLE, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.Column("predictors", sa.JSON(), nullable=False),
        sa.Column("levels", sa.JSON(), nullable=True),
        sa.UniqueConstraint("job_id", name=op.f("uq_models_job_id")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_models_name_version")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_models_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], ondelete="CASCADE", name=op.f("fk_models_job_id")
        ),
    )
    op.create_index(op.f("ix_models_artifact_sha256"), "models", ["artifact_sha256"])
    op.create_table(
        "model_names",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("last_version", WHOLE, nullable=False),
        sa.Column("alias_of", TEXT, nullable=True),
        sa.Column("aliased_at", TIME, nullable=True),
        sa.CheckConstraint(
            "(alias_of IS NULL) = (aliased_at IS NULL)", name=op.f("ck_model_names_alias_has_time")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_model_names")),
        sa.ForeignKeyConstraint(
            ["alias_of"], ["models.id"], ondelete="RESTRICT", name=op.f("fk_model_names_alias_of")
        ),
    )
    op.create_index(op.f("ix_model_names_alias_of"), "model_names", ["alias_of"])
    for statement in GUARDS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("model_names")
    op.drop_table("models")
    op.drop_table("job_logs")
    op.drop_table("job_datasets")
    op.drop_table("events")
    op.drop_table("evaluations")
    op.drop_table("epochs")
    op.drop_table("workers")
    op.drop_table("jobs")
    op.drop_table("datasets")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION fitpoint_refuse()")
