"""Jobs that run in the background with their progress; a change that means everything.

Revision ID: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE jobs (
        id text PRIMARY KEY,
        kind text NOT NULL,
        only_one text,
        permission text NOT NULL,
        payload jsonb NOT NULL DEFAULT '{}',
        state text NOT NULL DEFAULT 'queued'
            CONSTRAINT jobs_state CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
        progress jsonb NOT NULL DEFAULT '{}',
        result jsonb,
        error text,
        cancel_asked boolean NOT NULL DEFAULT false,
        holder text,
        heartbeat_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        started_at timestamptz,
        ended_at timestamptz
    )
    """,
    "CREATE UNIQUE INDEX jobs_only_one ON jobs (only_one) WHERE state IN ('queued', 'running')",
    "CREATE INDEX jobs_open ON jobs (created_at) WHERE state IN ('queued', 'running')",
    "CREATE INDEX jobs_kind ON jobs (kind, created_at DESC)",
    "ALTER TABLE changes DROP CONSTRAINT changes_kind",
    "ALTER TABLE changes ADD CONSTRAINT changes_kind CHECK (kind IN ('key', 'catalog', 'budget', 'all'))",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
