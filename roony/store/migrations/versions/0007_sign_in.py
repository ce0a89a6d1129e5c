"""Signing in with a browser: passwords, passkeys, links that open once; and indexes for what pages show."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


# What waits for a person is counted on every page.
WAITING = (
    ("approvals_waiting", "approvals", "pending"),
    ("discrepancies_open", "discrepancies", "open"),
    ("alerts_open", "alerts", "open"),
)


def upgrade() -> None:
    """Adds what is new; nobody has a password yet."""
    for index, table, status in WAITING:
        where = sa.text(f"status = '{status}'")
        op.create_index(index, table, ["organization_id"], sqlite_where=where, postgresql_where=where)
    op.create_index("approvals_by_time", "approvals", ["organization_id", "created_at"])
    op.create_table(
        "passwords",
        sa.Column("organization_id", sa.Text(), primary_key=True),
        sa.Column("user_id", sa.Text(), primary_key=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("passwords_by_email", "passwords", ["email"])
    op.create_table(
        "passkeys",
        sa.Column("organization_id", sa.Text(), primary_key=True),
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
    )
    op.create_index("passkeys_by_user", "passkeys", ["organization_id", "user_id"])
    op.create_table(
        "one_time_links",
        sa.Column("hash", sa.Text(), primary_key=True),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
    )
    op.create_index("one_time_links_by_user", "one_time_links", ["organization_id", "user_id"])


def downgrade() -> None:
    """Forgets who may sign in, and ends all sessions: an older Roony knows no such keys."""
    op.drop_table("one_time_links")
    op.drop_table("passkeys")
    op.drop_table("passwords")
    op.drop_index("approvals_by_time", "approvals")
    for index, table, _ in WAITING:
        op.drop_index(index, table)
    op.execute("DELETE FROM access_keys WHERE kind = 'session'")
