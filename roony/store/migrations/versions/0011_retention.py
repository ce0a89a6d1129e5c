"""Retention: when the payload of an event or the content of a receipt was removed, and by what the rest is found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

WITH_PAYLOAD = sa.text("payload_removed_at IS NULL")
WITH_CONTENT = sa.text("content_removed_at IS NULL")
EVENTS = ("inbox", "inbox_archive")


def upgrade() -> None:
    """Nothing was removed yet, and nothing is before a setting says after how many days."""
    for table in EVENTS:
        op.add_column(table, sa.Column("payload_sha256", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("payload_removed_at", sa.BigInteger(), nullable=True))
        op.create_index(
            f"{table}_with_payload", table, ["received_at", "id"],
            sqlite_where=WITH_PAYLOAD, postgresql_where=WITH_PAYLOAD,
        )  # fmt: skip
    op.add_column("receipts", sa.Column("content_removed_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "receipts_with_content", "receipts", ["created_at", "id"],
        sqlite_where=WITH_CONTENT, postgresql_where=WITH_CONTENT,
    )  # fmt: skip


def downgrade() -> None:
    """What was removed stays removed; an older Roony shows an empty payload."""
    op.drop_index("receipts_with_content", "receipts")
    op.drop_column("receipts", "content_removed_at")
    for table in EVENTS:
        op.drop_index(f"{table}_with_payload", table)
        op.drop_column(table, "payload_removed_at")
        op.drop_column(table, "payload_sha256")
