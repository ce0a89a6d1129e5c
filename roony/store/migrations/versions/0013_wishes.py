"""Wishes: of the purchases with one fingerprint not only the newest is known, but all that count in the window."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of what was asked for before, the newest alone is known."""
    with op.batch_alter_table("recent_purchases") as table:
        table.add_column(sa.Column("others", sa.Text(), nullable=True))


def downgrade() -> None:
    """An older Roony compares with the newest alone."""
    with op.batch_alter_table("recent_purchases") as table:
        table.drop_column("others")
