"""Agents and the people who answer for them: users, keys with limits, versions of controls, webhooks."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what is new; nothing of it is known yet."""
    _users()
    _access_keys()
    _control_versions()
    _webhooks()
    _approvals()
    _three_d_secure()
    _receipts()


def downgrade() -> None:
    """Forgets what is new."""
    _receipts_back()
    _three_d_secure_back()
    _approvals_back()
    _webhooks_back()
    _control_versions_back()
    _access_keys_back()
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


def _access_keys() -> None:
    """Every key so far may do all that its holder may, from anywhere and for ever."""
    with op.batch_alter_table("access_keys") as table:
        for name in ("scopes", "allowed_addresses"):
            table.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=""))
        for name in ("requests_per_minute", "expires_at", "last_used_at"):
            table.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("replaced_by", sa.Text(), nullable=True))
    with op.batch_alter_table("access_keys") as table:
        for name in ("scopes", "allowed_addresses"):
            table.alter_column(name, server_default=None)
    op.create_index("access_keys_by_user", "access_keys", ["organization_id", "user_id"])


def _access_keys_back() -> None:
    """A user's key is revoked, and one with scopes, addresses or an end: before, it could do everything, for ever."""
    op.execute(
        sa.text(
            "UPDATE access_keys SET revoked_at = :now WHERE revoked_at IS NULL AND (user_id IS NOT NULL"
            " OR expires_at IS NOT NULL OR scopes <> '' OR allowed_addresses <> '')"
        ).bindparams(now=time.time_ns() // 1_000)
    )
    op.drop_index("access_keys_by_user", "access_keys")
    with op.batch_alter_table("access_keys") as table:
        for name in (
            "replaced_by", "last_used_at", "expires_at", "requests_per_minute", "allowed_addresses", "scopes",
        ):  # fmt: skip
            table.drop_column(name)


def _control_versions() -> None:
    """What is set now is the first version that is known; nobody wrote down beside it who set it."""
    op.create_table(
        "control_versions",
        *_text("organization_id scope_id"),
        *_number("version"),
        *_text("scope fields"),
        sa.Column("actor", sa.Text(), nullable=True),
        *_number("at"),
        sa.PrimaryKeyConstraint("organization_id", "scope_id", "version"),
    )
    op.execute(
        "INSERT INTO control_versions (organization_id, scope_id, version, scope, fields, actor, at)"
        " SELECT organization_id, scope_id, version, scope, fields, NULL, updated_at FROM controls"
    )


def _control_versions_back() -> None:
    op.drop_table("control_versions")


def _webhooks() -> None:
    op.create_table(
        "webhook_endpoints",
        *_text("organization_id id url description types status"),
        sa.Column("reason", sa.Text(), nullable=True),
        *_number("since"),
        *_text("sealed sealed_before"),
        *_number("before_until created_at updated_at"),
        sa.PrimaryKeyConstraint("organization_id", "id"),
    )
    op.create_table(
        "notice_cursors", *_text("organization_id"), *_number("sequence"), sa.PrimaryKeyConstraint("organization_id")
    )
    op.create_table(
        "notice_deliveries",
        *_text("organization_id id target_id"),
        *_number("sequence place"),
        *_text("type payload status"),
        *_number("tries due_at lease_until generation"),
        sa.Column("answer", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        *_number("queued_at created_at"),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id"),
    )
    by_target = ["organization_id", "target_id", "created_at"]
    op.create_index("notice_deliveries_by_target", "notice_deliveries", by_target)
    op.create_index("notice_deliveries_by_time", "notice_deliveries", ["organization_id", "created_at"])
    pending = sa.text("status = 'pending'")
    in_order = ["organization_id", "target_id", "due_at", "sequence", "place"]
    op.create_index(
        "notice_deliveries_due", "notice_deliveries", in_order, sqlite_where=pending, postgresql_where=pending
    )


def _webhooks_back() -> None:
    op.drop_table("notice_deliveries")
    op.drop_table("notice_cursors")
    op.drop_table("webhook_endpoints")


def _approvals() -> None:
    """The first of two people who agree, and what was bought from a merchant last."""
    with op.batch_alter_table("approvals") as table:
        table.add_column(sa.Column("first_approved_by", sa.Text(), nullable=True))
        table.add_column(sa.Column("first_approved_at", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("approved_amount", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("known_merchants") as table:
        table.add_column(sa.Column("last_at", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("last_amount", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("last_currency", sa.Text(), nullable=True))


def _approvals_back() -> None:
    with op.batch_alter_table("known_merchants") as table:
        table.drop_column("last_currency")
        table.drop_column("last_amount")
        table.drop_column("last_at")
    with op.batch_alter_table("approvals") as table:
        table.drop_column("approved_amount")
        table.drop_column("first_approved_at")
        table.drop_column("first_approved_by")


def _three_d_secure() -> None:
    """The outcome of 3-D Secure is not known of what was told before."""
    with op.batch_alter_table("authorizations") as table:
        table.add_column(sa.Column("three_d_secure", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("authorizations") as table:
        table.alter_column("three_d_secure", server_default=None)


def _three_d_secure_back() -> None:
    with op.batch_alter_table("authorizations") as table:
        table.drop_column("three_d_secure")


def _receipts() -> None:
    op.create_table(
        "receipts",
        *_text("organization_id id purchase_id agent_id media_type"),
        *_number("size"),
        *_text("sha256"),
        *_number("created_at"),
        sa.PrimaryKeyConstraint("organization_id", "id"),
    )
    op.create_index("receipts_by_purchase", "receipts", ["organization_id", "purchase_id"])
    op.create_index("receipts_by_time", "receipts", ["organization_id", "created_at"])
    op.create_table(
        "receipt_contents",
        *_text("organization_id id"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id"),
    )


def _receipts_back() -> None:
    op.drop_table("receipt_contents")
    op.drop_table("receipts")


def _text(names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names.split()]


def _number(names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names.split()]
