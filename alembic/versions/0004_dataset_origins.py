"""Where a dataset comes from: how its upload was read, or of which dataset it is a part.

Revision: 0004, after 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "dataset_origins",
        sa.Column("dataset_id", TEXT, nullable=False),
        sa.Column("origin", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["datasets.id"],
            ondelete="CASCADE",
            name=op.f("fk_dataset_origins_dataset_id"),
        ),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_dataset_origins")),
    )


def downgrade() -> None:
    op.drop_table("dataset_origins")
