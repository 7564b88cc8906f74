"""First light: keys, catalogue, ledger, budgets, change feed, audit.

Revision ID: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE virtual_keys (
        key_hash text PRIMARY KEY,
        key_name text NOT NULL,
        alias text,
        user_id text,
        team_id text,
        models text[] NOT NULL DEFAULT '{}',
        aliases jsonb NOT NULL DEFAULT '{}',
        metadata jsonb NOT NULL DEFAULT '{}',
        max_budget_nano bigint,
        soft_budget_nano bigint,
        budget_duration text,
        budget_set_at timestamptz NOT NULL DEFAULT now(),
        rpm_limit integer,
        tpm_limit bigint,
        max_parallel_requests integer,
        model_limits jsonb NOT NULL DEFAULT '{}',
        blocked boolean NOT NULL DEFAULT false,
        expires_at timestamptz,
        extras jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL,
        deleted_at timestamptz
    )
    """,
    "CREATE UNIQUE INDEX virtual_keys_alias ON virtual_keys (alias) WHERE deleted_at IS NULL",
    "CREATE INDEX virtual_keys_newest ON virtual_keys (created_at DESC, key_hash) WHERE deleted_at IS NULL",
    "CREATE INDEX virtual_keys_user ON virtual_keys (user_id) WHERE deleted_at IS NULL",
    "CREATE INDEX virtual_keys_team ON virtual_keys (team_id) WHERE deleted_at IS NULL",
    """
    CREATE TABLE models (
        name text PRIMARY KEY,
        mode text NOT NULL,
        access_groups text[] NOT NULL DEFAULT '{}',
        description text NOT NULL DEFAULT '',
        simulated boolean NOT NULL DEFAULT false,
        info jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE prices (
        version bigserial PRIMARY KEY,
        deployment_id text NOT NULL,
        input_per_million bigint NOT NULL DEFAULT 0,
        output_per_million bigint NOT NULL DEFAULT 0,
        cached_input_per_million bigint,
        cache_write_per_million bigint,
        reasoning_per_million bigint,
        page_per_million bigint NOT NULL DEFAULT 0,
        request_per_million bigint NOT NULL DEFAULT 0,
        valid_from timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL
    )
    """,
    "CREATE INDEX prices_deployment ON prices (deployment_id, version DESC)",
    """
    CREATE TABLE deployments (
        id text PRIMARY KEY,
        model_name text CONSTRAINT deployments_model REFERENCES models (name) ON DELETE SET NULL,
        provider text NOT NULL,
        engine_model text NOT NULL,
        api_base text NOT NULL,
        api_key_sealed bytea,
        extra_headers jsonb NOT NULL DEFAULT '{}',
        defaults jsonb NOT NULL DEFAULT '{}',
        params jsonb NOT NULL DEFAULT '{}',
        info jsonb NOT NULL DEFAULT '{}',
        weight integer NOT NULL DEFAULT 1,
        timeout_s double precision,
        stream_timeout_s double precision,
        tls_verify boolean NOT NULL DEFAULT true,
        tls_ca text,
        max_output_tokens integer,
        max_context_tokens integer,
        stream_usage boolean NOT NULL DEFAULT true,
        price_version bigint NOT NULL CONSTRAINT deployments_price REFERENCES prices (version),
        enabled boolean NOT NULL DEFAULT true,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL,
        deleted_at timestamptz,
        CONSTRAINT deployments_live_have_a_model CHECK (model_name IS NOT NULL OR deleted_at IS NOT NULL)
    )
    """,
    "CREATE INDEX deployments_of_model ON deployments (model_name, created_at, id) WHERE deleted_at IS NULL",
    """
    CREATE TABLE changes (
        seq bigserial PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now(),
        kind text NOT NULL CONSTRAINT changes_kind CHECK (kind IN ('key', 'catalog', 'budget')),
        refs text[] NOT NULL DEFAULT '{}'
    )
    """,
    "CREATE INDEX changes_at ON changes (at)",
    """
    CREATE TABLE audit (
        id bigserial PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now(),
        actor text NOT NULL,
        action text NOT NULL,
        object_kind text NOT NULL,
        object_id text NOT NULL,
        detail jsonb NOT NULL DEFAULT '{}',
        request_id text
    )
    """,
    "CREATE INDEX audit_object ON audit (object_kind, object_id, id DESC)",
    """
    CREATE TABLE usage_records (
        request_id text NOT NULL,
        started_at timestamptz NOT NULL,
        duration_us bigint NOT NULL,
        ttft_us bigint,
        endpoint text NOT NULL,
        stream boolean NOT NULL,
        status text NOT NULL,
        http_status smallint NOT NULL,
        error_code text,
        error_message text,
        key_hash text NOT NULL,
        key_alias text,
        user_id text,
        team_id text,
        end_user text,
        model text NOT NULL,
        deployment_id text,
        provider text,
        engine_model text,
        api_base text,
        engine_request_id text,
        prompt_tokens integer NOT NULL,
        completion_tokens integer NOT NULL,
        cached_tokens integer NOT NULL,
        cache_write_tokens integer NOT NULL,
        reasoning_tokens integer NOT NULL,
        pages integer NOT NULL,
        usage_source text NOT NULL,
        cost_nano bigint NOT NULL,
        input_cost_nano bigint NOT NULL,
        output_cost_nano bigint NOT NULL,
        price_version bigint,
        attempts integer NOT NULL,
        client_ip text,
        user_agent text,
        tags text[] NOT NULL,
        metadata jsonb NOT NULL,
        PRIMARY KEY (request_id, started_at)
    ) PARTITION BY RANGE (started_at)
    """,
    "CREATE INDEX usage_records_key ON usage_records (key_hash, started_at DESC)",
    "CREATE INDEX usage_records_newest ON usage_records (started_at DESC)",
    "CREATE TABLE usage_records_default PARTITION OF usage_records DEFAULT",
    """
    CREATE TABLE budget_windows (
        scope text NOT NULL,
        window_start timestamptz NOT NULL,
        settled_nano bigint NOT NULL DEFAULT 0,
        leased_nano bigint NOT NULL DEFAULT 0,
        requests bigint NOT NULL DEFAULT 0,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (scope, window_start),
        CONSTRAINT budget_windows_not_negative CHECK (settled_nano >= 0 AND leased_nano >= 0)
    )
    """,
    """
    CREATE TABLE leases (
        worker_id text NOT NULL,
        scope text NOT NULL,
        window_start timestamptz NOT NULL,
        granted_nano bigint NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (worker_id, scope, window_start)
    )
    """,
    "CREATE INDEX leases_scope ON leases (scope, window_start)",
    """
    CREATE TABLE workers (
        worker_id text PRIMARY KEY,
        host text NOT NULL,
        pid integer NOT NULL,
        started_at timestamptz NOT NULL DEFAULT now(),
        heartbeat_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: going back would drop the ledger")
