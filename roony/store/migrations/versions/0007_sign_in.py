"""Signing in with a browser: passwords, passkeys, links that open once; indexes and times for what pages show."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


# What the lists are filtered by, and what one purchase's page looks for.
LISTS = (
    ("purchases_by_project", "purchases", "project_id", "created_at", "status"),
    ("purchases_by_status", "purchases", "status", "created_at"),
    ("purchases_by_merchant", "purchases", "merchant_key", "created_at", "status"),
    ("approvals_by_status", "approvals", "status", "created_at"),
    ("cards_by_time", "cards", "created_at"),
    ("cards_by_status", "cards", "status", "created_at"),
    ("discrepancies_by_purchase", "discrepancies", "purchase_id"),
    ("discrepancies_by_status", "discrepancies", "status", "created_at"),
    ("alerts_by_status", "alerts", "status", "created_at"),
    ("stripe_transactions_by_agent", "stripe_transactions", "agent_id", "created_at"),
    ("audit_records_by_subject", "audit_records", "subject", "sequence"),
)

# What the pages of audit records and of Stripe events are filtered by.
WATCHED = (("audit_records_by_action", "action"), ("audit_records_by_actor", "actor"))
# What a report sums, and what the list of captures and refunds is filtered by.
OF_PURCHASE = ("agent_id", "project_id", "merchant_key")
SUMMED = [
    *("organization_id", "created_at", "id", "purchase_id", "currency", "type", "amount"), *OF_PURCHASE, "category",
]  # fmt: skip
FEW = (("stripe_transactions_refunds", "type = 'refund'"), ("stripe_transactions_unmatched", "purchase_id IS NULL"))
UNFINISHED = sa.text("status <> 'applied'")
LIMITED_TASK = sa.text("scope = 'task' AND limit_amount IS NOT NULL")


def upgrade() -> None:
    """Adds what is new; nobody has a password yet."""
    waiting = sa.text("status = 'pending'")
    op.create_index(
        "approvals_waiting", "approvals", ["organization_id", "expires_at"],
        sqlite_where=waiting, postgresql_where=waiting,
    )  # fmt: skip
    _add_what_is_summed()
    op.create_index("approvals_by_time", "approvals", ["organization_id", "created_at"])
    for index, table, *columns in LISTS:
        op.create_index(index, table, ["organization_id", *columns])
    op.drop_index("purchases_by_agent", "purchases")
    op.create_index("purchases_by_agent", "purchases", ["organization_id", "agent_id", "created_at", "status"])
    for index, column in WATCHED:
        op.create_index(index, "audit_records", ["organization_id", column, "sequence"])
    op.drop_index("stripe_transactions_by_time", "stripe_transactions")
    op.create_index("stripe_transactions_by_time", "stripe_transactions", SUMMED)
    for index, condition in FEW:
        where = sa.text(condition)
        op.create_index(
            index, "stripe_transactions", SUMMED[:2], sqlite_where=where, postgresql_where=where
        )  # fmt: skip
    op.create_index(
        "inbox_unfinished", "inbox", ["organization_id", "status", "received_at"],
        sqlite_where=UNFINISHED, postgresql_where=UNFINISHED,
    )  # fmt: skip
    op.create_index(
        "budgets_of_tasks", "budgets", ["organization_id", "scope_id"],
        sqlite_where=LIMITED_TASK, postgresql_where=LIMITED_TASK,
    )  # fmt: skip
    op.create_table(
        "passwords",
        sa.Column("organization_id", sa.Text(), primary_key=True),
        sa.Column("user_id", sa.Text(), primary_key=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("passwords_by_email", "passwords", ["email"])
    op.create_table(
        "sign_in_tries",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("sign_in_tries_by_time", "sign_in_tries", ["last_at"])
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
    op.create_index("one_time_links_by_end", "one_time_links", ["expires_at"])
    challenge = sa.text("kind = 'passkey'")
    op.create_index(
        "challenges_by_end", "one_time_links", ["expires_at"], sqlite_where=challenge, postgresql_where=challenge
    )
    _create_passkeys()
    session = sa.text("kind = 'session'")
    op.create_index("sessions_by_time", "access_keys", ["created_at"], sqlite_where=session, postgresql_where=session)
    op.add_column("authorization_decisions", sa.Column("decided_in", sa.BigInteger(), nullable=True))


def _create_passkeys() -> None:
    op.create_table(
        "passkeys",
        sa.Column("credential_id", sa.Text(), primary_key=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
    )
    op.create_index("passkeys_by_user", "passkeys", ["organization_id", "user_id"])
    removed = sa.text("removed_at IS NOT NULL")
    op.create_index("passkeys_removed", "passkeys", ["removed_at"], sqlite_where=removed, postgresql_where=removed)


def _add_what_is_summed() -> None:
    """On each capture and refund what a report sums it by, also on those that are there."""
    for column in ("category", *OF_PURCHASE):
        op.add_column("stripe_transactions", sa.Column(column, sa.Text(), nullable=True))
    sqlite = op.get_context().dialect.name == "sqlite"
    category = "json_extract(merchant, '$.category')" if sqlite else "CAST(merchant AS json) ->> 'category'"
    op.execute(f"UPDATE stripe_transactions SET category = {category}")
    op.execute(
        f"UPDATE stripe_transactions SET {', '.join(f'{column} = known.{column}' for column in OF_PURCHASE)}"
        " FROM purchases AS known WHERE known.organization_id = stripe_transactions.organization_id"
        " AND known.id = stripe_transactions.purchase_id"
    )


def downgrade() -> None:
    """Forgets who may sign in, and ends all sessions: an older Roony knows no such keys."""
    with op.batch_alter_table("authorization_decisions") as decisions:
        decisions.drop_column("decided_in")
    op.drop_index("sessions_by_time", "access_keys")
    op.drop_table("passkeys")
    op.drop_table("one_time_links")
    op.drop_table("sign_in_tries")
    op.drop_table("passwords")
    op.drop_index("budgets_of_tasks", "budgets")
    op.drop_index("inbox_unfinished", "inbox")
    for index, _ in FEW:
        op.drop_index(index, "stripe_transactions")
    op.drop_index("stripe_transactions_by_time", "stripe_transactions")
    op.create_index("stripe_transactions_by_time", "stripe_transactions", SUMMED[:2])
    for index, _ in WATCHED:
        op.drop_index(index, "audit_records")
    op.drop_index("purchases_by_agent", "purchases")
    op.create_index("purchases_by_agent", "purchases", ["organization_id", "agent_id", "created_at"])
    for index, table, *_ in LISTS:
        op.drop_index(index, table)
    op.drop_index("approvals_waiting", "approvals")
    op.drop_index("approvals_by_time", "approvals")
    with op.batch_alter_table("stripe_transactions") as transactions:
        for column in (*OF_PURCHASE, "category"):
            transactions.drop_column(column)
    op.execute("DELETE FROM access_keys WHERE kind = 'session'")
