"""Growing: tables for what is archived, indexes by which what is over is found and forgotten, and leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UNFINISHED = sa.text("status <> 'applied'")
ENDED = sa.text("finished_at IS NOT NULL")
ENDS = (
    ("start_tickets_by_end", "start_tickets", "expires_at"),
    ("oauth_states_by_end", "oauth_states", "expires_at"),
    ("reveal_links_by_end", "reveal_links", "expires_at"),
    ("velocities_by_hour", "velocities", "hour"),
)


def upgrade() -> None:
    """One function for each noun."""
    _add_archives()
    _add_ends()
    _add_leases()


def downgrade() -> None:
    """The same from the end."""
    _drop_leases()
    _drop_ends()
    _drop_archives()


def _text(names: str, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=nullable) for name in names.split()]


def _number(names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names.split()]


def _add_archives() -> None:
    """Entries and Stripe events, in the shape of the tables they come from; `roony archive` fills them."""
    op.create_table(
        "entries_archive",
        *_text("organization_id purchase_id"),
        *_number("sequence"),
        *_text("hold_id kind"),
        *_number("held spent at"),
        sa.PrimaryKeyConstraint("organization_id", "purchase_id", "sequence"),
    )
    op.create_table(
        "inbox_archive",
        *_text("id"),
        *_text("account", nullable=True),
        *_number("livemode"),
        *_text("type"),
        *_text("organization_id object_id", nullable=True),
        *_text("status"),
        *_text("reason", nullable=True),
        *_number("failures due_at lease_until generation created received_at"),
        *_number("finished_at", nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("inbox_archive_by_time", "inbox_archive", ["organization_id", "received_at"])
    op.create_index(
        "inbox_archive_unfinished", "inbox_archive", ["organization_id", "status", "received_at"],
        sqlite_where=UNFINISHED, postgresql_where=UNFINISHED,
    )  # fmt: skip


def _drop_archives() -> None:
    """Everything goes back to where an older Roony looks for it. Of an event that came again, the first row counts."""
    op.execute("DELETE FROM inbox WHERE id IN (SELECT id FROM inbox_archive)")
    for table in ("inbox", "entries"):
        columns = ", ".join(column["name"] for column in sa.inspect(op.get_bind()).get_columns(table))
        op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_archive")
        op.drop_table(f"{table}_archive")


def _add_ends() -> None:
    op.create_index("outbox_ended", "outbox", ["finished_at"], sqlite_where=ENDED, postgresql_where=ENDED)
    for index, table, column in ENDS:
        op.create_index(index, table, [column])


def _drop_ends() -> None:
    for index, table, _ in ENDS:
        op.drop_index(index, table)
    op.drop_index("outbox_ended", "outbox")


def _add_leases() -> None:
    """Nobody holds one yet."""
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
    )


def _drop_leases() -> None:
    """An older Roony knows none."""
    op.drop_table("leases")
