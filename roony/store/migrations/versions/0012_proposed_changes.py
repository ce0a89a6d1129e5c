"""Changes that loosen rules and wait for a second person, where an organization wants two."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody wants two people yet, and nothing waits."""
    texts = ("organization_id", "id", "status", "proposed_by", "permission", "change", "base", "differences")
    op.create_table(
        "proposed_changes",
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_at", sa.BigInteger()),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("expires_at", "created_at")),
        sa.PrimaryKeyConstraint("organization_id", "id"),
    )
    op.create_index("proposed_changes_by_time", "proposed_changes", ["organization_id", "created_at"])
    op.create_index("proposed_changes_by_status", "proposed_changes", ["organization_id", "status", "created_at"])


def downgrade() -> None:
    """An older Roony asks no second person: what waits is lost."""
    op.drop_index("proposed_changes_by_status", "proposed_changes")
    op.drop_index("proposed_changes_by_time", "proposed_changes")
    op.drop_table("proposed_changes")
