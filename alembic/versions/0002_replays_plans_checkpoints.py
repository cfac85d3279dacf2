"""A job's plan and what it says of its bits, its last checkpoint, and jobs of kind replay.

Revision: 0002, after 0001
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)

OF_REPLAYS = "job_id IN (SELECT id FROM jobs WHERE kind = 'replay')"


def upgrade() -> None:
    columns = [
        sa.Column("bit_exact", sa.Boolean(), nullable=True),
        sa.Column("ckpt_epoch", WHOLE, nullable=True),
        sa.Column("ckpt_fingerprint", TEXT, nullable=True),
        sa.Column("replay_of", TEXT, nullable=True),
        sa.Column("replay", sa.JSON(), nullable=True),
    ]
    plan = sa.Column("plan", sa.JSON(), nullable=True)
    kinds = "kind IN ('fit','tune','replay')"
    if op.get_bind().dialect.name == "sqlite":
        rebuild(kinds, columns, [plan], replays_and_checkpoints)
    else:
        for column in (*columns, plan):
            op.add_column("jobs", column)
        know_kinds(kinds)
        for constraint in replays_and_checkpoints():
            if isinstance(constraint, sa.CheckConstraint):
                op.create_check_constraint(constraint.name, "jobs", constraint.sqltext)
        op.create_foreign_key(
            op.f("fk_jobs_replay_of"), "jobs", "jobs", ["replay_of"], ["id"], ondelete="SET NULL"
        )
    op.create_index(op.f("ix_jobs_replay_of"), "jobs", ["replay_of"])


def downgrade() -> None:
    # Version 0001 knows no such jobs. SQLite's foreign keys are off here, so nothing goes along.
    for table in ("epochs", "events", "job_logs", "job_datasets", "evaluations"):
        op.execute(f"DELETE FROM {table} WHERE {OF_REPLAYS}")
    op.execute("DELETE FROM jobs WHERE kind = 'replay'")
    kinds = "kind IN ('fit','tune')"
    if op.get_bind().dialect.name == "sqlite":
        rebuild(kinds, columns=[], large=[], constraints=list)
        return
    know_kinds(kinds)
    op.drop_constraint(op.f("ck_jobs_replay_leaves_no_model"), "jobs", type_="check")
    # The other constraints and the index go with the columns that they are about.
    for column in ("bit_exact", "ckpt_epoch", "ckpt_fingerprint", "replay_of", "replay", "plan"):
        op.drop_column("jobs", column)


def know_kinds(kinds: str) -> None:
    op.drop_constraint(op.f("ck_jobs_kind"), "jobs", type_="check")
    op.create_check_constraint(op.f("ck_jobs_kind"), "jobs", kinds)


def replays_and_checkpoints() -> list[sa.Constraint]:
    return [
        sa.CheckConstraint(
            "(kind = 'replay') = (replay IS NOT NULL)", name=op.f("ck_jobs_replay_is_told")
        ),
        sa.CheckConstraint(
            "kind = 'replay' OR replay_of IS NULL", name=op.f("ck_jobs_only_replay_is_of")
        ),
        sa.CheckConstraint(
            "kind <> 'replay' OR model_sha256 IS NULL",
            name=op.f("ck_jobs_replay_leaves_no_model"),
        ),
        sa.CheckConstraint(
            "kind <> 'replay' OR ckpt_epoch IS NULL",
            name=op.f("ck_jobs_replay_from_the_start"),
        ),
        sa.CheckConstraint(
            "(ckpt_epoch IS NULL) = (ckpt_fingerprint IS NULL)"
            " AND (ckpt_epoch IS NULL OR ckpt_epoch >= 1)",
            name=op.f("ck_jobs_checkpoint_is_whole"),
        ),
        sa.ForeignKeyConstraint(
            ["replay_of"], ["jobs.id"], ondelete="SET NULL", name=op.f("fk_jobs_replay_of")
        ),
    ]


def rebuild(
    kinds: str,
    columns: list[sa.Column],
    large: list[sa.Column],
    constraints: Callable[[], list[sa.Constraint]],
) -> None:
    """Make `jobs` anew around its rows, which is how SQLite changes a constraint.

    Alembic's own batch mode would give every database its constraints in another order, and lose
    DESC in an index.
    """
    first = [
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
    ]
    last = [
        sa.Column("error_code", TEXT, nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("first_event", WHOLE, nullable=False),
    ]
    spec = sa.Column("spec", sa.JSON(), nullable=False)
    kept = ", ".join(column.name for column in (*first, *last, spec))
    op.create_table(
        "jobs_new",
        *first,
        *columns,
        *last,
        *large,
        spec,
        sa.CheckConstraint(kinds, name=op.f("ck_jobs_kind")),
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
        # Made here, because their order is that in which they were made.
        *constraints(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.execute(f"INSERT INTO jobs_new ({kept}) SELECT {kept} FROM jobs")
    op.drop_table("jobs")
    op.rename_table("jobs_new", "jobs")
    index_and_guard()


def index_and_guard() -> None:
    """Make again what went with the table: its indexes and its triggers."""
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
    op.execute(
        "CREATE TRIGGER tokens_only_grow BEFORE UPDATE OF lease_token ON jobs "
        "WHEN NEW.lease_token < OLD.lease_token BEGIN "
        "SELECT RAISE(ABORT, 'lease tokens only grow'); END"
    )
    op.execute(
        "CREATE TRIGGER ended_jobs_keep BEFORE UPDATE OF state ON jobs "
        "WHEN OLD.state = 'succeeded' "
        "OR OLD.state IN ('failed','cancelled') AND NEW.state <> 'queued' BEGIN "
        "SELECT RAISE(ABORT, 'an ended job does not change'); END"
    )
