"""Discounts and margins that a version of a price is charged with.

Revision ID: 0032
"""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE prices
            ADD COLUMN discount_millionths integer NOT NULL DEFAULT 0,
            ADD COLUMN margin_millionths integer NOT NULL DEFAULT 0,
            ADD COLUMN margin_per_million_requests bigint NOT NULL DEFAULT 0
        """
    )


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE prices DROP COLUMN discount_millionths, DROP COLUMN margin_millionths,
            DROP COLUMN margin_per_million_requests
        """
    )
