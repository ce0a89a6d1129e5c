"""All tables of the first Roony."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
    organizations projects agents connections controls budgets budget_periods
    known_merchants velocities kept_keys recent_purchases
    purchases holds entries approvals
    cards authorizations authorization_decisions
    stripe_transactions discrepancies
    audit_records inbox outbox
    access_keys account_routes connection_secrets start_tickets oauth_states
""".split()


def upgrade() -> None:
    """Makes every table."""
    _make_scopes()
    _make_counters()
    _make_purchases()
    _make_cards()
    _make_settlement()
    _make_records()
    _make_access()


def downgrade() -> None:
    """Drops every table, with all that is in it."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _make_scopes() -> None:
    """Who asks, and which rules and limits they ask under."""
    op.create_table(
        "organizations",
        *_text("id name currency time_zone"),
        *_text("connection_id", nullable=True),
        *_number("frozen_at", nullable=True),
        *_text("unknown_cards delivery"),
        *_number("unbudgeted"),
        *_text("settings config_version"),
        *_number("audit_sequence"),
        *_text("audit_hash"),
        *_number("clock created_at"),
        _key("id"),
    )
    op.create_table(
        "projects",
        *_text("organization_id id name"),
        *_number("frozen_at", nullable=True),
        *_number("created_at"),
        _key("organization_id id"),
    )
    op.create_table(
        "agents",
        *_text("organization_id id project_id project_ids name description"),
        *_number("frozen_at", nullable=True),
        *_text("public_key", nullable=True),
        *_number("created_at"),
        _key("organization_id id"),
    )
    op.create_table(
        "connections",
        *_text("organization_id id kind status"),
        *_text("stripe_account", nullable=True),
        *_number("livemode"),
        *_text("scope", nullable=True),
        *_text("currency cardholder"),
        *_text("stripe_cardholder_id status_reason", nullable=True),
        *_number("created_at updated_at"),
        _key("organization_id id"),
    )
    op.create_table(
        "controls",
        *_text("organization_id id scope scope_id"),
        *_number("version"),
        *_text("fields"),
        *_number("updated_at"),
        _key("organization_id scope_id"),
    )
    op.create_table(
        "budgets",
        *_text("organization_id id scope scope_id currency period time_zone"),
        *_number("limit_amount", nullable=True),
        *_number("created_at"),
        _key("organization_id id"),
    )
    op.create_index("budgets_by_scope", "budgets", ["organization_id", "scope_id", "currency", "period"], unique=True)
    op.create_table(
        "budget_periods",
        *_text("organization_id budget_id"),
        *_number("period_start held spent"),
        _key("organization_id budget_id period_start"),
    )


def _make_counters() -> None:
    """What an ask is compared with."""
    op.create_table(
        "known_merchants",
        *_text("organization_id merchant_key name aliases network_ids"),
        *_number("purchases first_at"),
        _key("organization_id merchant_key"),
    )
    op.create_table(
        "velocities",
        *_text("organization_id agent_id"),
        *_number("hour purchases amount"),
        _key("organization_id agent_id hour"),
    )
    op.create_table(
        "kept_keys",
        *_text("organization_id agent_id key purchase_id body_hash"),
        *_number("created_at"),
        _key("organization_id agent_id key"),
    )
    op.create_table(
        "recent_purchases",
        *_text("organization_id agent_id fingerprint purchase_id"),
        *_number("created_at"),
        _key("organization_id agent_id fingerprint"),
    )


def _make_purchases() -> None:
    """A wish, what was set aside for it, and its approval."""
    op.create_table(
        "purchases",
        *_text("organization_id id agent_id project_id"),
        *_text("task_id", nullable=True),
        *_text("connection_id status"),
        *_number("amount"),
        *_text("currency"),
        *_text("hold_id", nullable=True),
        *_number("hold_amount held spent captured loose_captured refunded entry_count"),
        *_text("card_id approval_id", nullable=True),
        *_text("merchant_key merchant_lock merchant description metadata decision"),
        *_text("failure", nullable=True),
        *_text("fingerprint"),
        *_number("ended_at", nullable=True),
        *_text("ended_reason", nullable=True),
        *_number("created_at updated_at"),
        _key("organization_id id"),
    )
    op.create_index("purchases_by_agent", "purchases", ["organization_id", "agent_id", "created_at"], unique=False)
    op.create_index("purchases_by_time", "purchases", ["organization_id", "created_at"], unique=False)
    op.create_table(
        "holds",
        *_text("organization_id id purchase_id"),
        *_number("amount"),
        *_text("currency periods"),
        *_number("created_at"),
        _key("organization_id id"),
    )
    op.create_index("holds_by_purchase", "holds", ["organization_id", "purchase_id"], unique=False)
    op.create_table(
        "entries",
        *_text("organization_id purchase_id"),
        *_number("sequence"),
        *_text("hold_id kind"),
        *_number("held spent at"),
        _key("organization_id purchase_id sequence"),
    )
    op.create_table(
        "approvals",
        *_text("organization_id id purchase_id status snapshot"),
        *_number("expires_at"),
        *_text("decided_by", nullable=True),
        *_number("decided_at", nullable=True),
        *_text("note"),
        *_number("created_at"),
        _key("organization_id id"),
    )
    op.create_index("approvals_by_purchase", "approvals", ["organization_id", "purchase_id"], unique=False)
    _partial_index("approvals_pending", "approvals", ["expires_at"], "status = 'pending'")


def _make_cards() -> None:
    """Cards, and what the network asked for on them."""
    op.create_table(
        "cards",
        *_text("organization_id id purchase_id connection_id"),
        *_text("stripe_card_id", nullable=True),
        *_text("status"),
        *_text("stripe_status", nullable=True),
        *_text("currency"),
        *_number("hard_limit"),
        *_text("last4", nullable=True),
        *_number("exp_month exp_year", nullable=True),
        *_number("expires_at deliveries created_at updated_at"),
        _key("organization_id id"),
    )
    op.create_index("cards_by_purchase", "cards", ["organization_id", "purchase_id"], unique=False)
    op.create_index("cards_by_stripe_id", "cards", ["organization_id", "connection_id", "stripe_card_id"], unique=True)
    _partial_index("cards_to_expire", "cards", ["expires_at"], "status IN ('active', 'frozen')")
    op.create_table(
        "authorizations",
        *_text("organization_id id connection_id"),
        *_text("purchase_id card_id", nullable=True),
        *_text("stripe_card_id status"),
        *_number("approved provisional card_check amount captured"),
        *_text("currency"),
        *_number("merchant_amount"),
        *_text("merchant_currency merchant"),
        *_text("network_transaction_id", nullable=True),
        *_number("history_length transactions_seen final statement_at created_at updated_at"),
        _key("organization_id id"),
    )
    op.create_index("authorizations_by_purchase", "authorizations", ["organization_id", "purchase_id"], unique=False)
    op.create_table(
        "authorization_decisions",
        *_text("organization_id authorization_id"),
        *_number("ordinal amount"),
        *_text("id"),
        *_text("purchase_id", nullable=True),
        *_number("approved approved_amount"),
        *_text("code answered"),
        *_number("at"),
        _key("organization_id authorization_id ordinal amount"),
    )


def _make_settlement() -> None:
    """What Stripe said afterwards."""
    op.create_table(
        "stripe_transactions",
        *_text("organization_id id connection_id"),
        *_text("purchase_id authorization_id", nullable=True),
        *_text("stripe_card_id type"),
        *_number("amount"),
        *_text("currency"),
        *_number("merchant_amount"),
        *_text("merchant_currency merchant"),
        *_text("network_transaction_id", nullable=True),
        *_number("created_at booked_at"),
        _key("organization_id id"),
    )
    op.create_index(
        "stripe_transactions_by_purchase", "stripe_transactions", ["organization_id", "purchase_id"], unique=False
    )
    op.create_index(
        "stripe_transactions_by_time", "stripe_transactions", ["organization_id", "created_at"], unique=False
    )
    op.create_table(
        "discrepancies",
        *_text("organization_id id kind status"),
        *_text("purchase_id card_id", nullable=True),
        *_text("subject expected found"),
        *_text("note resolved_by", nullable=True),
        *_number("created_at"),
        *_number("resolved_at", nullable=True),
        _key("organization_id id"),
    )
    op.create_index("discrepancies_by_time", "discrepancies", ["organization_id", "created_at"], unique=False)


def _make_records() -> None:
    """What happened, what arrived and what is promised."""
    op.create_table(
        "audit_records",
        *_text("organization_id"),
        *_number("sequence"),
        *_text("id"),
        *_number("at"),
        *_text("actor action subject body previous_hash hash"),
        _key("organization_id sequence"),
    )
    op.create_table(
        "inbox",
        *_text("id"),
        *_text("account", nullable=True),
        *_number("livemode"),
        *_text("type"),
        *_text("organization_id object_id", nullable=True),
        *_text("status"),
        *_text("reason", nullable=True),
        *_number("failures due_at lease_until generation created received_at"),
        *_number("finished_at", nullable=True),
        *_blob("payload"),
        _key("id"),
    )
    op.create_index("inbox_by_time", "inbox", ["organization_id", "received_at"], unique=False)
    _partial_index("inbox_due", "inbox", ["due_at"], "status IN ('received', 'failed')")
    op.create_table(
        "outbox",
        *_text("organization_id id kind subject params key"),
        *_number("attempt"),
        *_text("status"),
        *_number("tries due_at lease_until generation"),
        *_text("last_error", nullable=True),
        *_number("created_at"),
        *_number("finished_at", nullable=True),
        _key("organization_id id"),
    )
    _partial_index("outbox_due", "outbox", ["due_at"], "status = 'promised'")


def _make_access() -> None:
    """Who may come in, and how accounts are connected."""
    op.create_table(
        "access_keys",
        *_text("hash id organization_id kind"),
        *_text("agent_id user_id", nullable=True),
        *_text("name prefix"),
        *_number("created_at"),
        *_number("revoked_at", nullable=True),
        _key("hash"),
    )
    op.create_index("access_keys_by_id", "access_keys", ["organization_id", "id"], unique=False)
    op.create_table(
        "account_routes",
        *_text("stripe_account"),
        *_number("livemode"),
        *_text("organization_id connection_id"),
        _key("stripe_account livemode"),
    )
    op.create_table(
        "connection_secrets",
        *_text("organization_id connection_id name sealed"),
        *_number("updated_at"),
        _key("organization_id connection_id name"),
    )
    op.create_table(
        "start_tickets",
        *_text("hash organization_id connection_id"),
        *_number("expires_at"),
        *_number("used_at", nullable=True),
        _key("hash"),
    )
    op.create_table(
        "oauth_states",
        *_text("hash cookie_hash organization_id connection_id"),
        *_number("expires_at"),
        *_number("consumed_at", nullable=True),
        _key("hash"),
    )


def _text(names: str, *, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=nullable) for name in names.split()]


def _number(names: str, *, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names.split()]


def _blob(names: str, *, nullable: bool = False) -> list[sa.Column[bytes]]:
    return [sa.Column(name, sa.LargeBinary(), nullable=nullable) for name in names.split()]


def _key(names: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*names.split())


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    """An index of the rows that wait for something; few of them, however large the table grows."""
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
