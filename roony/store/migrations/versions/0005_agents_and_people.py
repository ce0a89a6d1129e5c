"""Agents and the people who answer for them: users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what is new; nothing of it is known yet."""
    _users()


def downgrade() -> None:
    """Forgets what is new."""
    _users_back()


def _users() -> None:
    op.create_table(
        "users",
        *_text("organization_id id name email role"),
        *_number("created_at"),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id"),
    )
    op.create_index("users_by_email", "users", ["organization_id", "email"], unique=True)


def _users_back() -> None:
    op.drop_table("users")


def _text(names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names.split()]


def _number(names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names.split()]
