"""Stripe accounts and cards: alerts, restrictions, confirmations, frozen and warned cards, links to card details."""

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
        table.add_column(sa.Column("limit_at_stripe", sa.BigInteger(), nullable=True))
    _approvals()
    _reveal_links()
    _connections()
    _confirmations()
    _app_tokens()
    _cardholders()
    _mandates()


def downgrade() -> None:
    """Forgets what is new."""
    _cardholders_back()
    with op.batch_alter_table("cards") as table:
        table.drop_column("limit_at_stripe")
        table.drop_column("fraud_warning")
        table.drop_column("frozen_at")
    op.drop_table("reveal_links")
    op.drop_table("preflights")
    op.drop_table("confirmations")
    with op.batch_alter_table("connections") as table:
        for name in ("platform_account", "webhooks", "activated_at", "account_seen_at", "card_issuing", "restrictions"):
            table.drop_column(name)
    op.drop_table("app_tokens")
    op.drop_table("alerts")
    op.drop_table("payments")
    for name, columns in (("purchases", _OF_MANDATES), ("authorizations", ("began_at", "payment"))):
        with op.batch_alter_table(name) as table:
            for column in columns:
                table.drop_column(column)
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


def _app_tokens() -> None:
    op.create_table(
        "app_tokens",
        *_text("organization_id connection_id"),
        *_number("generation obtained_at expires_at"),
        sa.Column("holder", sa.Text(), nullable=True),
        *_number("lease_until lost unsure failures retry_at"),
        sa.PrimaryKeyConstraint("organization_id", "connection_id"),
    )


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


def _connections() -> None:
    """Until now a connection was restricted for one reason only: its cardholder was refused."""
    with op.batch_alter_table("connections") as table:
        table.add_column(sa.Column("restrictions", sa.Text(), nullable=False, server_default="{}"))
        table.add_column(sa.Column("card_issuing", sa.Text(), nullable=True))
        table.add_column(sa.Column("account_seen_at", sa.BigInteger(), nullable=False, server_default="0"))
        table.add_column(sa.Column("activated_at", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("webhooks", sa.Text(), nullable=False, server_default="{}"))
        table.add_column(sa.Column("platform_account", sa.Text(), nullable=True))
    with op.batch_alter_table("connections") as table:
        table.alter_column("restrictions", server_default=None)
        table.alter_column("webhooks", server_default=None)
        table.alter_column("account_seen_at", server_default=None)
    reason = "'{\"cardholder_refused\": [\"The cardholder was refused.\", ' || updated_at || ']}'"
    op.execute(f"UPDATE connections SET restrictions = {reason} WHERE status = 'restricted'")


def _confirmations() -> None:
    op.create_table(
        "confirmations",
        *_text("organization_id subject name"),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("value", "confirmed_by")),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in ("confirmed_at", "contradicted_at")),
        sa.Column("evidence", sa.Text(), nullable=True),
        *_number("updated_at"),
        sa.PrimaryKeyConstraint("organization_id", "subject", "name"),
    )
    op.create_table(
        "preflights",
        *_text("organization_id connection_id kind checks checked_by"),
        *_number("checked_at"),
        sa.PrimaryKeyConstraint("organization_id", "connection_id", "kind"),
    )


def _cardholders() -> None:
    """The one cardholder of a connection becomes the organization's among those there may be."""
    op.create_table(
        "cardholders",
        *_text("organization_id connection_id scope_id scope params"),
        *_number("attempt"),
        sa.Column("stripe_cardholder_id", sa.Text(), nullable=True),
        *_text("status requirements"),
        *_number("stated_at created_at updated_at"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "connection_id", "scope_id"),
    )
    op.create_table(
        "cardholder_choices",
        *_text("organization_id scope_id scope"),
        sa.Column("cardholder", sa.Text(), nullable=True),
        *_number("created_at updated_at"),
        sa.PrimaryKeyConstraint("organization_id", "scope_id"),
    )
    # A promise to make one that is still open goes on with the same parameters and the same key.
    promise = (
        "FROM outbox WHERE outbox.organization_id = connections.organization_id"
        " AND outbox.kind = 'make_cardholder' AND outbox.subject = connections.id"
    )
    op.execute(
        "INSERT INTO cardholders SELECT organization_id, id, organization_id, 'organization', cardholder,"
        f" COALESCE((SELECT MAX(attempt) {promise}), 1), stripe_cardholder_id,"
        " CASE WHEN stripe_cardholder_id IS NOT NULL THEN 'active'"
        f" WHEN EXISTS (SELECT 1 {promise} AND outbox.status = 'promised') THEN 'wanted' ELSE 'refused' END,"
        ' \'{"past_due": [], "disabled_reason": null}\', 0, created_at, updated_at, NULL'
        " FROM connections WHERE stripe_account IS NOT NULL"
    )
    with op.batch_alter_table("connections") as table:
        table.drop_column("cardholder")
        table.drop_column("stripe_cardholder_id")


def _cardholders_back() -> None:
    with op.batch_alter_table("connections") as table:
        table.add_column(sa.Column("cardholder", sa.Text(), nullable=False, server_default="{}"))
        table.add_column(sa.Column("stripe_cardholder_id", sa.Text(), nullable=True))
    with op.batch_alter_table("connections") as table:
        table.alter_column("cardholder", server_default=None)
    own = (
        "FROM cardholders WHERE cardholders.organization_id = connections.organization_id"
        " AND cardholders.connection_id = connections.id AND cardholders.scope_id = connections.organization_id"
    )
    op.execute(
        f"UPDATE connections SET cardholder = COALESCE((SELECT params {own}), '{{}}'),"
        f" stripe_cardholder_id = (SELECT stripe_cardholder_id {own})"
    )
    op.drop_table("cardholder_choices")
    op.drop_table("cardholders")


_OF_MANDATES = ("kind", "interval", "payments", "payments_made", "next_payment_from")


def _mandates() -> None:
    """Every purchase so far is paid once."""
    op.create_table(
        "payments",
        *_text("organization_id purchase_id"),
        *_number("sequence"),
        *_text("hold_id"),
        *_number("hold_amount interval_start held spent loose_captured refunded created_at"),
        sa.PrimaryKeyConstraint("organization_id", "purchase_id", "sequence"),
    )
    defaults = {
        "purchases": {"kind": "one_time", "payments": "1", "payments_made": "0"},
        "authorizations": {"began_at": "0", "payment": "0"},
    }
    for name, columns in defaults.items():
        with op.batch_alter_table(name) as table:
            for column, default in columns.items():
                kind = sa.Text() if column == "kind" else sa.BigInteger()
                table.add_column(sa.Column(column, kind, nullable=False, server_default=default))
        with op.batch_alter_table(name) as table:
            for column in columns:
                table.alter_column(column, server_default=None)
    with op.batch_alter_table("purchases") as table:
        table.add_column(sa.Column("interval", sa.Text(), nullable=True))
        table.add_column(sa.Column("next_payment_from", sa.BigInteger(), nullable=True))


def _text(names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names.split()]


def _number(names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names.split()]
