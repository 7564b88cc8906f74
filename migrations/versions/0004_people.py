"""People and what they sign in with; teams; settings; duties; answers that are given once; a richer audit trail.

Revision ID: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE users (
        id text PRIMARY KEY,
        provider text,
        subject text,
        username text NOT NULL,
        email text,
        email_verified boolean NOT NULL DEFAULT false,
        full_name text,
        language text,
        granted_roles text[] NOT NULL DEFAULT '{}',
        derived_roles text[] NOT NULL DEFAULT '{}',
        groups text[] NOT NULL DEFAULT '{}',
        is_active boolean NOT NULL DEFAULT true,
        cost_centre text,
        metadata jsonb NOT NULL DEFAULT '{}',
        preferences jsonb NOT NULL DEFAULT '{}',
        last_sign_in_at timestamptz,
        anonymised_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL,
        CONSTRAINT users_identity CHECK ((provider IS NULL) = (subject IS NULL))
    )
    """,
    "CREATE UNIQUE INDEX users_username ON users (lower(username))",
    "CREATE UNIQUE INDEX users_subject ON users (provider, subject)",
    "CREATE INDEX users_email ON users (lower(email))",
    "CREATE INDEX users_newest ON users (created_at DESC, id)",
    "CREATE INDEX users_groups ON users USING gin (groups)",
    """
    CREATE TABLE sessions (
        id_hash text PRIMARY KEY,
        id text NOT NULL,
        user_id text NOT NULL CONSTRAINT sessions_user REFERENCES users (id) ON DELETE CASCADE,
        provider text NOT NULL,
        authenticated_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        address text,
        user_agent text,
        id_token_sealed bytea,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE UNIQUE INDEX sessions_id ON sessions (id)",
    "CREATE INDEX sessions_user ON sessions (user_id, created_at DESC)",
    "CREATE INDEX sessions_expiry ON sessions (expires_at)",
    """
    CREATE TABLE tokens (
        id text PRIMARY KEY,
        secret_hash text NOT NULL,
        kind text NOT NULL CONSTRAINT tokens_kind CHECK (kind IN ('personal', 'service')),
        user_id text CONSTRAINT tokens_user REFERENCES users (id) ON DELETE CASCADE,
        name text NOT NULL,
        hint text NOT NULL,
        permissions text[] NOT NULL DEFAULT '{}',
        expires_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        CONSTRAINT tokens_owner CHECK ((kind = 'personal') = (user_id IS NOT NULL))
    )
    """,
    "CREATE UNIQUE INDEX tokens_secret ON tokens (secret_hash)",
    "CREATE INDEX tokens_user ON tokens (user_id, created_at DESC)",
    """
    CREATE TABLE teams (
        id text PRIMARY KEY,
        name text NOT NULL,
        alias text,
        description text NOT NULL DEFAULT '',
        cost_centre text,
        metadata jsonb NOT NULL DEFAULT '{}',
        allowed_models text[],
        member_default_budget_nano bigint,
        members_may_create_keys boolean NOT NULL DEFAULT true,
        group_binding text,
        is_active boolean NOT NULL DEFAULT true,
        archived_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX teams_name ON teams (lower(name)) WHERE archived_at IS NULL",
    "CREATE INDEX teams_group ON teams (group_binding) WHERE group_binding IS NOT NULL AND archived_at IS NULL",
    """
    CREATE TABLE team_members (
        team_id text NOT NULL CONSTRAINT team_members_team REFERENCES teams (id) ON DELETE CASCADE,
        user_id text NOT NULL CONSTRAINT team_members_user REFERENCES users (id) ON DELETE CASCADE,
        role text NOT NULL CONSTRAINT team_members_role CHECK (role IN ('admin', 'member', 'viewer')),
        max_budget_nano bigint,
        by_group boolean NOT NULL DEFAULT false,
        joined_at timestamptz NOT NULL DEFAULT now(),
        added_by text NOT NULL,
        PRIMARY KEY (team_id, user_id)
    )
    """,
    "CREATE INDEX team_members_user ON team_members (user_id)",
    """
    CREATE TABLE settings (
        name text PRIMARY KEY,
        value jsonb NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL
    )
    """,
    """
    CREATE TABLE duties (
        name text PRIMARY KEY,
        next_at timestamptz NOT NULL DEFAULT now(),
        held_until timestamptz,
        holder text,
        last_began_at timestamptz,
        last_ended_at timestamptz,
        last_error text
    )
    """,
    """
    CREATE TABLE given_answers (
        asker text NOT NULL,
        key text NOT NULL,
        request_hash text NOT NULL,
        status smallint NOT NULL DEFAULT 0,
        body_sealed bytea,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (asker, key)
    )
    """,
    "CREATE INDEX given_answers_at ON given_answers (at)",
    """
    ALTER TABLE audit
        ADD COLUMN actor_kind text NOT NULL DEFAULT 'service',
        ADD COLUMN actor_name text,
        ADD COLUMN object_name text,
        ADD COLUMN success boolean NOT NULL DEFAULT true,
        ADD COLUMN error_code text,
        ADD COLUMN address text,
        ADD COLUMN user_agent text
    """,
    "CREATE INDEX audit_newest ON audit (at DESC, id DESC)",
    "CREATE INDEX audit_actor ON audit (actor, id DESC)",
    "CREATE INDEX audit_action ON audit (action, id DESC)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: going back would drop people, teams and settings")
