"""Signed checkpoints of the audit chains, and the installation's keys that sign them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is signed yet; the worker begins with the first record of every chain."""
    op.create_table(
        "audit_checkpoints",
        sa.Column("organization_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("number", "first_sequence", "sequence")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("hash", "root", "previous")),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("public_key", "signature")),
        sa.PrimaryKeyConstraint("organization_id", "number"),
    )
    op.create_index("audit_checkpoints_by_record", "audit_checkpoints", ["organization_id", "sequence"])
    op.create_table(
        "signing_keys",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("organization_id", "id", "public_key", "sealed")),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id"),
    )


def downgrade() -> None:
    """An older Roony signs nothing: keep the public key and the newest checkpoints elsewhere before."""
    op.drop_table("signing_keys")
    op.drop_index("audit_checkpoints_by_record", "audit_checkpoints")
    op.drop_table("audit_checkpoints")
