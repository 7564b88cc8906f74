"""Sign-ins under way, shared by all replicas. ID tokens are not kept: nothing is asked of a provider with one.

Revision ID: 0011
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE sign_ins (
        state_hash text PRIMARY KEY,
        browser_hash text NOT NULL,
        provider text NOT NULL,
        secrets_sealed bytea NOT NULL,
        return_to text NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX sign_ins_expiry ON sign_ins (expires_at)",
    "ALTER TABLE sessions DROP COLUMN id_token_sealed",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
