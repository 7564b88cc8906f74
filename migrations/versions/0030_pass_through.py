"""Routes of an installation's own.

Revision ID: 0030
"""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE pass_through_routes (
            id text PRIMARY KEY,
            path text NOT NULL,
            target text NOT NULL,
            secrets_sealed bytea NOT NULL,
            methods text[] NOT NULL DEFAULT '{}',
            include_subpath boolean NOT NULL DEFAULT false,
            needs_key boolean NOT NULL DEFAULT true,
            price_version bigint NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            created_by text NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT now(),
            updated_by text NOT NULL,
            CONSTRAINT pass_through_price FOREIGN KEY (price_version) REFERENCES prices (version)
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX pass_through_paths ON pass_through_routes (path)")


def downgrade() -> None:
    op.execute("DROP TABLE pass_through_routes")
