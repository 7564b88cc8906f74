"""Conversions that clients ask for later.

Revision ID: 0017
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE conversion_tasks (
        task_id text PRIMARY KEY,
        engine_task_id text NOT NULL,
        deployment_id text NOT NULL,
        key_hash text NOT NULL,
        worker_id text NOT NULL,
        record text NOT NULL,
        documents integer NOT NULL,
        hides_json boolean NOT NULL,
        submitted_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        pages integer,
        usage_source text,
        outcome text,
        settled_at timestamptz
    )
    """,
    "CREATE INDEX conversion_tasks_open ON conversion_tasks (worker_id) WHERE settled_at IS NULL",
    "CREATE INDEX conversion_tasks_submitted ON conversion_tasks (submitted_at)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE conversion_tasks")
