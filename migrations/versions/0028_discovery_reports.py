"""What discovery tells of each cluster.

Revision ID: 0028
"""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE discovery_reports (
            cluster text PRIMARY KEY,
            namespaces text[] NOT NULL DEFAULT '{}'::text[],
            servers jsonb NOT NULL DEFAULT '{}'::jsonb,
            reported_at timestamptz NOT NULL DEFAULT now(),
            reported_by text NOT NULL
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE discovery_reports")
