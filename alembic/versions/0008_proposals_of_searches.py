"""What a tune's search proposed, a row a candidate, kept before it trains.

Revision: 0008, after 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "proposals",
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("trial", WHOLE, autoincrement=False, nullable=False),
        sa.Column("attempt", WHOLE, nullable=False),
        sa.Column("proposed_at", TIME, nullable=False),
        sa.Column("candidate", sa.JSON(), nullable=False),
        sa.CheckConstraint("trial >= 1", name=op.f("ck_proposals_counted_from_one")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], ondelete="CASCADE", name=op.f("fk_proposals_job_id")
        ),
        sa.PrimaryKeyConstraint("job_id", "trial", name=op.f("pk_proposals")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("proposals")
