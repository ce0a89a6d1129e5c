"""Runs of the reconciliation, when a card was last seen at Stripe, and connections that are catching up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OPEN = "status = 'pending' OR (status = 'closed' AND captured = 0)"


def upgrade() -> None:
    """Adds the columns and the table. No card was seen by a run yet."""
    with op.batch_alter_table("cards") as table:
        table.add_column(sa.Column("seen_at", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("cards") as table:
        table.alter_column("seen_at", server_default=None)
    with op.batch_alter_table("connections") as table:
        table.add_column(sa.Column("catching_up_since", sa.BigInteger(), nullable=True))
    op.create_table(
        "reconciliations",
        *_text("organization_id id connection_id kind cause status"),
        *_number("since until"),
        *_text("place"),
        *_number("reads events authorizations transactions cards booked differences"),
        *_text("detail"),
        sa.Column("error", sa.Text(), nullable=True),
        *_text("requested_by"),
        *_number("created_at updated_at"),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id"),
    )
    of_connection = ["organization_id", "connection_id", "created_at"]
    op.create_index("reconciliations_by_connection", "reconciliations", of_connection)
    op.create_index("reconciliations_by_time", "reconciliations", ["organization_id", "created_at"])
    op.create_index("authorizations_by_time", "authorizations", ["organization_id", "created_at"])
    condition = sa.text(OPEN)
    op.create_index(
        "authorizations_open", "authorizations", ["organization_id", "connection_id", "id"],
        sqlite_where=condition, postgresql_where=condition,
    )  # fmt: skip


def downgrade() -> None:
    """Forgets the runs; the findings they made stay."""
    for name in ("authorizations_open", "authorizations_by_time"):
        op.drop_index(name, "authorizations")
    op.drop_table("reconciliations")
    with op.batch_alter_table("connections") as table:
        table.drop_column("catching_up_since")
    with op.batch_alter_table("cards") as table:
        table.drop_column("seen_at")


def _text(names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names.split()]


def _number(names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names.split()]
