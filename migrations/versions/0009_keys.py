"""Keys of the portal: ids that survive rotation, two secrets at most, names, permissions, and who may reveal them.

Revision ID: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    ALTER TABLE virtual_keys
        ADD COLUMN public_id text,
        ADD COLUMN governed boolean NOT NULL DEFAULT false,
        ADD COLUMN name text,
        ADD COLUMN description text NOT NULL DEFAULT '',
        ADD COLUMN permissions text[],
        ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
        ADD COLUMN cost_centre text,
        ADD COLUMN prefix text,
        ADD COLUMN last4 text,
        ADD COLUMN secret_hash text,
        ADD COLUMN secret_sealed bytea,
        ADD COLUMN old_secret_hash text,
        ADD COLUMN old_secret_until timestamptz,
        ADD COLUMN revoked_at timestamptz,
        ADD COLUMN status_reason text
    """,
    "CREATE UNIQUE INDEX virtual_keys_public_id ON virtual_keys (public_id) WHERE public_id IS NOT NULL",
    "CREATE UNIQUE INDEX virtual_keys_secret ON virtual_keys (secret_hash) WHERE secret_hash IS NOT NULL",
    "CREATE UNIQUE INDEX virtual_keys_old_secret ON virtual_keys (old_secret_hash) WHERE old_secret_hash IS NOT NULL",
    """
    CREATE INDEX virtual_keys_expiry ON virtual_keys (expires_at) WHERE expires_at IS NOT NULL AND deleted_at IS NULL
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: going back would drop the secrets of rotated keys")
