"""Messages to people, and what keeps the records of deliveries small."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what is new; nothing of it is known yet."""
    _people()


def downgrade() -> None:
    """Forgets what is new."""
    _people_back()


def _people() -> None:
    """What the rules said to a yes is known from now on; every yes so far counts while its user may say it."""
    with op.batch_alter_table("users") as table:
        table.add_column(sa.Column("approves_since", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("users") as table:
        table.alter_column("approves_since", server_default=None)
    with op.batch_alter_table("approvals") as table:
        table.add_column(sa.Column("decision", sa.Text(), nullable=True))


def _people_back() -> None:
    with op.batch_alter_table("approvals") as table:
        table.drop_column("decision")
    with op.batch_alter_table("users") as table:
        table.drop_column("approves_since")
