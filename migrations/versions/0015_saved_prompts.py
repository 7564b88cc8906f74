"""Prompts that people keep for the playground.

Revision ID: 0015
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE saved_prompts (
        id text PRIMARY KEY,
        user_id text NOT NULL CONSTRAINT saved_prompts_user REFERENCES users (id) ON DELETE CASCADE,
        name text NOT NULL,
        category text NOT NULL DEFAULT '',
        system text NOT NULL DEFAULT '',
        text text NOT NULL DEFAULT '',
        parameters jsonb,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX saved_prompts_user_name ON saved_prompts (user_id, name)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE saved_prompts")
