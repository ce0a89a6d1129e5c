"""Trust: since when a lease has been held without a pause; by it a start knows whether somebody listened before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of leases taken by an older Roony it is not known."""
    with op.batch_alter_table("leases") as table:
        table.add_column(sa.Column("since", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """An older Roony looks at no such time."""
    with op.batch_alter_table("leases") as table:
        table.drop_column("since")
