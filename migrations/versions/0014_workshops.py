"""Workshops: many keys by one call, and credentials that may make them within bounds.

Revision ID: 0014
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE provisioning_keys (
        id text PRIMARY KEY,
        secret_hash text NOT NULL,
        hint text NOT NULL,
        name text NOT NULL,
        models text[] NOT NULL DEFAULT '{}',
        pot_id text NOT NULL,
        max_keys integer NOT NULL,
        max_budget_nano bigint,
        max_rpm_limit integer,
        max_tpm_limit bigint,
        valid_from timestamptz,
        valid_until timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        revoked_at timestamptz
    )
    """,
    "CREATE UNIQUE INDEX provisioning_keys_secret ON provisioning_keys (secret_hash)",
    """
    CREATE TABLE workshops (
        guid text PRIMARY KEY,
        pot_id text NOT NULL,
        models text[] NOT NULL DEFAULT '{}',
        duration text,
        expires_at timestamptz,
        limits jsonb NOT NULL DEFAULT '{}',
        metadata jsonb NOT NULL DEFAULT '{}',
        made_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX workshops_maker ON workshops (made_by)",
    "CREATE INDEX workshops_newest ON workshops (created_at DESC, guid)",
    """
    CREATE TABLE workshop_keys (
        guid text NOT NULL CONSTRAINT workshop_keys_workshop REFERENCES workshops (guid) ON DELETE CASCADE,
        user_name text NOT NULL,
        key_hash text NOT NULL,
        place integer NOT NULL,
        PRIMARY KEY (guid, user_name)
    )
    """,
    "CREATE INDEX workshop_keys_hash ON workshop_keys (key_hash)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: going back would drop workshops")
