"""What is used of quotas is counted in budget windows alone.

Revision ID: 0013
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE subscriptions DROP COLUMN waived_month, DROP COLUMN waived_requests, DROP COLUMN waived_tokens"
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: what was waived is not known any more")
