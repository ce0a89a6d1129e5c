"""Messages to people, and what keeps the records of deliveries small."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what is new; nothing of it is known yet."""
    _people()
    _freezes()
    _deliveries()
    _message_recipients()


def downgrade() -> None:
    """Forgets what is new."""
    _message_recipients_back()
    _deliveries_back()
    _freezes_back()
    _people_back()


def _people() -> None:
    """What the rules said to a yes is known from now on; every yes so far counts while its user may say it."""
    with op.batch_alter_table("users") as table:
        table.add_column(sa.Column("approves_since", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("users") as table:
        table.alter_column("approves_since", server_default=None)
    with op.batch_alter_table("approvals") as table:
        table.add_column(sa.Column("decision", sa.Text(), nullable=True))
    op.create_index("access_keys_by_agent", "access_keys", ["organization_id", "agent_id"])


def _people_back() -> None:
    op.drop_index("access_keys_by_agent", "access_keys")
    with op.batch_alter_table("approvals") as table:
        table.drop_column("decision")
    with op.batch_alter_table("users") as table:
        table.drop_column("approves_since")


def _freezes() -> None:
    """Whatever is frozen is brought to Stripe once more: used cards were left out in earlier releases."""
    for scope, table in (("organization", "organizations"), ("project", "projects"), ("agent", "agents")):
        of = "id" if scope == "organization" else "organization_id"
        op.execute(
            "INSERT INTO outbox (organization_id, id, kind, subject, params, key, attempt, status, tries, due_at,"
            " lease_until, generation, created_at)"
            f" SELECT {of}, 'out_refreeze_' || id, 'freeze_cards', '{scope}:' || id, '{{}}',"
            f" 'out_refreeze_' || id || '\\:1', 1, 'promised', 0, 0, 0, 0, frozen_at FROM {table}"
            " WHERE frozen_at IS NOT NULL"
        )


def _freezes_back() -> None:
    op.execute("DELETE FROM outbox WHERE substr(id, 1, 13) = 'out_refreeze_'")


def _deliveries() -> None:
    """What ended long ago is found without reading the rest."""
    ended = sa.text("finished_at IS NOT NULL")
    op.create_index(
        "notice_deliveries_ended", "notice_deliveries", ["status", "finished_at"], sqlite_where=ended,
        postgresql_where=ended,
    )  # fmt: skip


def _deliveries_back() -> None:
    op.drop_index("notice_deliveries_ended", "notice_deliveries")


def _message_recipients() -> None:
    op.create_table(
        "message_recipients",
        *_text("organization_id id name masked types status"),
        *_number("since"),
        *_text("sealed"),
        *_number("created_at updated_at"),
        sa.PrimaryKeyConstraint("organization_id", "id"),
    )


def _message_recipients_back() -> None:
    op.drop_table("message_recipients")


def _text(names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names.split()]


def _number(names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names.split()]
