"""Requests and tokens per minute of a member inside a team.

Revision ID: 0019
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE team_members ADD COLUMN rpm_limit bigint, ADD COLUMN tpm_limit bigint")


def downgrade() -> None:
    op.execute("ALTER TABLE team_members DROP COLUMN rpm_limit, DROP COLUMN tpm_limit")
