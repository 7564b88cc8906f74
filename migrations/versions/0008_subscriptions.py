"""Catalogue for people, subscriptions with their history, access policies.

Revision ID: 0008
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_STATEMENTS = (
    # Models that are there can be called, and stay so.
    """
    ALTER TABLE models
        ADD COLUMN id text NOT NULL DEFAULT gen_random_uuid()::text,
        ADD COLUMN display_name text,
        ADD COLUMN provider text,
        ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
        ADD COLUMN capabilities text[] NOT NULL DEFAULT '{}',
        ADD COLUMN context_length integer,
        ADD COLUMN max_output_tokens integer,
        ADD COLUMN pricing jsonb,
        ADD COLUMN restricted_access boolean NOT NULL DEFAULT false,
        ADD COLUMN status text NOT NULL DEFAULT 'available',
        ADD COLUMN status_changed_at timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN retires_at timestamptz,
        ADD COLUMN successor_id text,
        ADD COLUMN rpm_limit integer,
        ADD COLUMN tpm_limit bigint,
        ADD CONSTRAINT models_status CHECK (status IN ('draft', 'available', 'deprecated', 'retired'))
    """,
    "CREATE UNIQUE INDEX models_id ON models (id)",
    "CREATE INDEX models_retirement ON models (retires_at) WHERE status = 'deprecated'",
    """
    ALTER TABLE models ADD CONSTRAINT models_successor
        FOREIGN KEY (successor_id) REFERENCES models (id) ON DELETE SET NULL
    """,
    """
    ALTER TABLE deployments
        ADD COLUMN health text NOT NULL DEFAULT 'unknown',
        ADD COLUMN health_at timestamptz,
        ADD COLUMN health_detail text,
        ADD CONSTRAINT deployments_health CHECK (health IN ('healthy', 'degraded', 'unavailable', 'unknown')),
        DROP CONSTRAINT deployments_model
    """,
    """
    ALTER TABLE deployments ADD CONSTRAINT deployments_model
        FOREIGN KEY (model_name) REFERENCES models (name) ON DELETE SET NULL ON UPDATE CASCADE
    """,
    """
    CREATE TABLE subscriptions (
        id text PRIMARY KEY,
        user_id text,
        team_id text,
        model_name text NOT NULL CONSTRAINT subscriptions_model REFERENCES models (name) ON UPDATE CASCADE,
        status text NOT NULL,
        status_reason text,
        status_changed_at timestamptz NOT NULL DEFAULT now(),
        status_changed_by text NOT NULL,
        status_before text,
        needs_approval boolean NOT NULL DEFAULT false,
        justification text,
        quota_requests bigint,
        quota_tokens bigint,
        waived_month timestamptz,
        waived_requests bigint NOT NULL DEFAULT 0,
        waived_tokens bigint NOT NULL DEFAULT 0,
        expires_at timestamptz,
        expiry_by_admin boolean NOT NULL DEFAULT false,
        archived_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL,
        CONSTRAINT subscriptions_one_holder CHECK ((user_id IS NULL) <> (team_id IS NULL)),
        CONSTRAINT subscriptions_status CHECK (
            status IN ('pending', 'active', 'denied', 'suspended', 'expired', 'cancelled', 'inactive')
        )
    )
    """,
    "CREATE UNIQUE INDEX subscriptions_of_user ON subscriptions (user_id, model_name) WHERE archived_at IS NULL",
    "CREATE UNIQUE INDEX subscriptions_of_team ON subscriptions (team_id, model_name) WHERE archived_at IS NULL",
    "CREATE INDEX subscriptions_of_model ON subscriptions (model_name, status) WHERE archived_at IS NULL",
    "CREATE INDEX subscriptions_queue ON subscriptions (status, status_changed_at, id) WHERE archived_at IS NULL",
    """
    CREATE INDEX subscriptions_expiry ON subscriptions (expires_at)
        WHERE expires_at IS NOT NULL AND status IN ('pending', 'active', 'suspended')
    """,
    """
    CREATE TABLE subscription_history (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        subscription_id text NOT NULL
            CONSTRAINT subscription_history_of REFERENCES subscriptions (id) ON DELETE CASCADE,
        event text NOT NULL,
        old_status text,
        new_status text,
        reason text,
        actor text NOT NULL,
        actor_kind text NOT NULL,
        actor_name text,
        at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX subscription_history_order ON subscription_history (subscription_id, id)",
    """
    CREATE TABLE access_policies (
        id text PRIMARY KEY,
        name text NOT NULL,
        description text NOT NULL DEFAULT '',
        effect text NOT NULL,
        all_models boolean NOT NULL DEFAULT false,
        models text[] NOT NULL DEFAULT '{}',
        tags text[] NOT NULL DEFAULT '{}',
        everyone boolean NOT NULL DEFAULT false,
        groups text[] NOT NULL DEFAULT '{}',
        teams text[] NOT NULL DEFAULT '{}',
        users text[] NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL,
        CONSTRAINT access_policies_effect CHECK (
            effect IN ('deny', 'allow', 'require_approval', 'auto_approve')
        )
    )
    """,
    "CREATE UNIQUE INDEX access_policies_name ON access_policies (lower(name))",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: going back would drop subscriptions and their history")
