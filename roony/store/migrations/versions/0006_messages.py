"""Messages to people, and what keeps the records of deliveries small."""

from __future__ import annotations

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what is new; nothing of it is known yet."""


def downgrade() -> None:
    """Forgets what is new."""
