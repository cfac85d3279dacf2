"""What came of a tune's fits, a row a candidate and resample.

Revision: 0006, after 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "trials",
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("trial", WHOLE, autoincrement=False, nullable=False),
        sa.Column("fold", WHOLE, autoincrement=False, nullable=False),
        sa.Column("attempt", WHOLE, nullable=False),
        sa.Column("ended_at", TIME, nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.CheckConstraint("trial >= 1 AND fold >= 1", name=op.f("ck_trials_counted_from_one")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], ondelete="CASCADE", name=op.f("fk_trials_job_id")
        ),
        sa.PrimaryKeyConstraint("job_id", "trial", "fold", name=op.f("pk_trials")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("trials")
