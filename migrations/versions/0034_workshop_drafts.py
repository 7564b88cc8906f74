"""Drafts of workshops that people keep while they plan.

Revision ID: 0034
"""

from __future__ import annotations

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE workshop_drafts (
        id text PRIMARY KEY,
        user_id text NOT NULL CONSTRAINT workshop_drafts_user REFERENCES users (id) ON DELETE CASCADE,
        title text NOT NULL DEFAULT '',
        content jsonb NOT NULL DEFAULT '{}'::jsonb,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX workshop_drafts_newest ON workshop_drafts (user_id, updated_at DESC)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE workshop_drafts")
