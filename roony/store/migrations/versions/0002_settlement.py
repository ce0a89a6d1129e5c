"""What settlement remembers: history and final statements of authorizations, who matched a refund, disputes."""

from __future__ import annotations

import json
from itertools import groupby

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns filled from what is known, then drops the defaults they were added with."""
    with op.batch_alter_table("authorizations") as table:
        table.add_column(sa.Column("history", sa.Text(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("finals", sa.Text(), nullable=False, server_default="{}"))
        table.add_column(sa.Column("seen_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE authorizations SET seen_at = updated_at")
    with op.batch_alter_table("authorizations") as table:
        for column in ("history", "finals", "seen_at"):
            table.alter_column(column, server_default=None)
    with op.batch_alter_table("stripe_transactions") as table:
        table.add_column(sa.Column("matched_by", sa.Text(), nullable=True))
    op.execute("UPDATE stripe_transactions SET matched_by = 'card' WHERE purchase_id IS NOT NULL")
    for name, column in (("card", "stripe_card_id"), ("network_id", "network_transaction_id")):
        op.create_index(f"stripe_transactions_by_{name}", "stripe_transactions", ["organization_id", column])
    op.create_table(
        "disputes",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("organization_id", "id", "connection_id")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("stripe_transaction_id", "status", "reason")),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("movements", sa.BigInteger(), nullable=False),
        sa.Column("funds", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("funds_at", "statement_at")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("created_at", "updated_at")),
        sa.PrimaryKeyConstraint("organization_id", "id"),
    )
    op.create_index("disputes_by_time", "disputes", ["organization_id", "created_at"])
    op.create_index("disputes_by_transaction", "disputes", ["organization_id", "stripe_transaction_id"])
    if not op.get_context().as_sql:
        _fill_finals(op.get_bind())


def _fill_finals(connection: sa.Connection) -> None:
    """What was booked on an authorization that is over counts as listed, so that only a later capture is one too many.

    Where one was found to be too many before, nothing counts as listed, so that the finding stays true.
    """
    rows = connection.execute(
        sa.text(
            "SELECT a.organization_id, a.id, a.status, t.id FROM authorizations a LEFT JOIN stripe_transactions t"
            " ON t.organization_id = a.organization_id AND t.authorization_id = a.id AND t.type = 'capture'"
            " WHERE a.status IN ('expired', 'closed', 'reversed') ORDER BY a.organization_id, a.id, t.id"
        )
    ).fetchall()
    finals: dict[tuple[str, str], dict[str, list[str]]] = {}
    for (organization_id, id_, status), found in groupby(rows, key=lambda row: tuple(row[:3])):
        listed = [row[3] for row in found if row[3] is not None]
        finals[(organization_id, id_)] = {status: listed} if listed or status != "closed" else {}
    for kind, status in (("late_capture", "expired"), ("extra_capture", "reversed")):
        query = sa.text("SELECT organization_id, subject FROM discrepancies WHERE kind = :kind")
        for organization_id, id_ in connection.execute(query, {"kind": kind}):
            finals.setdefault((organization_id, id_), {})[status] = []
    change = sa.text("UPDATE authorizations SET finals = :finals WHERE organization_id = :organization AND id = :id")
    for (organization_id, id_), known in finals.items():
        connection.execute(change, {"finals": json.dumps(known), "organization": organization_id, "id": id_})


def downgrade() -> None:
    """Forgets what the first release did not know."""
    op.drop_table("disputes")
    for name in ("card", "network_id"):
        op.drop_index(f"stripe_transactions_by_{name}", "stripe_transactions")
    with op.batch_alter_table("stripe_transactions") as table:
        table.drop_column("matched_by")
    with op.batch_alter_table("authorizations") as table:
        for column in ("seen_at", "finals", "history"):
            table.drop_column(column)
