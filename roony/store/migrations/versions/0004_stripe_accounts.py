"""Stripe accounts and cards: alerts, cards frozen by their owner and warned of, links that reveal card details."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what is new; nothing of it is known yet."""
    _alerts()
    with op.batch_alter_table("cards") as table:
        table.add_column(sa.Column("frozen_at", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("fraud_warning", sa.Text(), nullable=True))
    _approvals()
    _reveal_links()


def downgrade() -> None:
    """Forgets what is new."""
    with op.batch_alter_table("cards") as table:
        table.drop_column("fraud_warning")
        table.drop_column("frozen_at")
    op.drop_table("reveal_links")
    op.drop_table("alerts")
    with op.batch_alter_table("approvals") as table:
        table.drop_column("kind")
        table.drop_column("amount")


def _alerts() -> None:
    op.create_table(
        "alerts",
        *_text("organization_id id kind subject status message"),
        *_number("times"),
        sa.Column("closed_by", sa.Text(), nullable=True),
        *_number("created_at updated_at"),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id"),
    )
    op.create_index("alerts_by_time", "alerts", ["organization_id", "created_at"])


def _approvals() -> None:
    """Every approval so far was about the whole purchase, at the price asked."""
    with op.batch_alter_table("approvals") as table:
        table.add_column(sa.Column("kind", sa.Text(), nullable=False, server_default="purchase"))
        table.add_column(sa.Column("amount", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("approvals") as table:
        table.alter_column("kind", server_default=None)


def _reveal_links() -> None:
    op.create_table(
        "reveal_links",
        *_text("hash organization_id purchase_id"),
        *_number("delivery"),
        *_text("requested_by purpose"),
        *_number("wrong_keys expires_at"),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("used_by", sa.Text(), nullable=True),
        *_number("created_at"),
        sa.PrimaryKeyConstraint("hash"),
    )


def _text(names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names.split()]


def _number(names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names.split()]
