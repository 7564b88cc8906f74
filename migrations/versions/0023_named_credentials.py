"""Credentials of model servers that have a name.

Revision ID: 0023
"""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE named_credentials (
            name text PRIMARY KEY,
            info jsonb NOT NULL DEFAULT '{}',
            values_sealed bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            created_by text NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT now(),
            updated_by text NOT NULL
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE named_credentials")
