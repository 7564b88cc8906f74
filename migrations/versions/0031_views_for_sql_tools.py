"""Views under LiteLLM's names, for tools that read the store by SQL (gateway-api contract 3.9).

Nothing in them is secret: keys stand there as hashes, models without credentials. They belong to whoever migrates; others read
them once they are granted to. None of them can be written through: each joins something, which PostgreSQL does not update.
Where LiteLLM's own tables are in the same schema, they stay, and the views of their names are not made.

Revision ID: 0031
"""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_WINDOW = r"""
CREATE FUNCTION budget_window_start(duration text, at timestamptz, set_at timestamptz, zone text) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
DECLARE
    calendar text := CASE
        WHEN duration IN ('daily', '1d', '24h') THEN 'day' WHEN duration IN ('weekly', '7d', '1w') THEN 'week'
        WHEN duration IN ('monthly', '30d', '1mo') THEN 'month' WHEN duration IN ('yearly', '1y') THEN 'year' END;
    count bigint := nullif(substring(duration from '^[0-9]+')::bigint, 0);
    unit text := substring(duration from '[a-z]+$');
    anchor timestamp := date_trunc('day', set_at AT TIME ZONE zone);
    here timestamp := at AT TIME ZONE zone;
    step bigint;
    gone bigint;
BEGIN
    IF calendar IS NOT NULL THEN
        RETURN date_trunc(calendar, at, zone);
    ELSIF count IS NULL THEN
        RETURN 'epoch'::timestamptz;
    ELSIF unit IN ('mo', 'y') THEN
        step := count * CASE unit WHEN 'y' THEN 12 ELSE 1 END;
        gone := (extract(year from here) - extract(year from anchor)) * 12
            + extract(month from here) - extract(month from anchor);
        RETURN (date_trunc('month', anchor) + floor(gone / step::numeric) * step * interval '1 month') AT TIME ZONE zone;
    ELSIF unit IN ('d', 'w') THEN
        step := count * CASE unit WHEN 'w' THEN 7 ELSE 1 END;
        gone := here::date - anchor::date;
        RETURN (anchor + floor(gone / step::numeric) * step * interval '1 day') AT TIME ZONE zone;
    END IF;
    step := count * CASE unit WHEN 'h' THEN 3600 WHEN 'm' THEN 60 ELSE 1 END;
    RETURN (anchor AT TIME ZONE zone)
        + floor(extract(epoch from at - (anchor AT TIME ZONE zone)) / step) * step * interval '1 second';
END $$
"""
_SPENT = """
coalesce((SELECT w.settled_nano FROM budget_windows w WHERE w.scope = {scope}
          AND w.window_start = budget_window_start({of}.budget_duration, now(), {of}.budget_set_at, i.timezone)), 0)
    / 1e9::double precision
"""
_VIEWS = {
    "LiteLLM_VerificationToken": """
        SELECT k.key_hash AS token, coalesce(k.alias, k.name) AS key_alias,
               KEY_SPENT AS spend,
               k.max_budget_nano / 1e9::double precision AS max_budget, k.budget_duration, k.models,
               k.expires_at AS expires, k.created_at
        FROM virtual_keys k CROSS JOIN installation i WHERE k.deleted_at IS NULL
    """,
    "LiteLLM_UserTable": """
        SELECT u.id AS user_id, u.email AS user_email, USER_SPENT AS spend,
               b.max_budget_nano / 1e9::double precision AS max_budget, b.budget_duration, b.tpm_limit, b.rpm_limit,
               u.created_at
        FROM users u CROSS JOIN installation i LEFT JOIN budgets b ON b.scope = 'user:' || u.id
    """,
    "LiteLLM_ProxyModelTable": """
        SELECT d.id AS model_id, d.model_name,
               jsonb_strip_nulls(jsonb_build_object(
                   'model', d.provider || '/' || d.engine_model, 'api_base', d.api_base,
                   'api_version', d.params -> 'api_version', 'tpm', d.tpm_limit, 'rpm', d.rpm_limit, 'weight', d.weight,
                   'timeout', d.timeout_s, 'stream_timeout', d.stream_timeout_s,
                   'input_cost_per_token', p.input_per_million / 1e15::double precision,
                   'output_cost_per_token', p.output_per_million / 1e15::double precision
               )) AS litellm_params,
               (d.info - 'discovery') || jsonb_build_object('id', d.id, 'mode', m.mode, 'db_model', true) AS model_info
        FROM deployments d JOIN models m ON m.name = d.model_name JOIN prices p ON p.version = d.price_version
        WHERE d.deleted_at IS NULL
    """,
    "LiteLLM_SpendLogs": """
        SELECT coalesce(r.engine_request_id, r.request_id) AS request_id,
               coalesce(r.provider || '/' || r.engine_model, r.model) AS model, coalesce(r.user_id, '') AS "user",
               r.cost_nano / 1e9::double precision AS spend, r.prompt_tokens + r.completion_tokens AS total_tokens,
               r.prompt_tokens, r.completion_tokens,
               CASE r.status WHEN 'success' THEN 'success' ELSE 'failure' END AS status, r.started_at AS "startTime"
        FROM usage_records r CROSS JOIN installation i
    """,
}
"""A view's name and what it shows: spend of the window that is now, money in USD, times with their zone."""


def _unless_taken(name: str, statement: str) -> str:
    """``statement``, unless something that is no view has the name."""
    return f"""
        DO $do$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('"{name}"') AND relkind <> 'v') THEN
                EXECUTE $statement${statement}$statement$;
            END IF;
        END $do$
    """


def upgrade() -> None:
    op.execute(_WINDOW)
    spent = {
        "KEY_SPENT": _SPENT.format(scope="'key:' || k.key_hash", of="k"),
        "USER_SPENT": _SPENT.format(scope="'user:' || u.id", of="b"),
    }
    for name, query in _VIEWS.items():
        for place, words in spent.items():
            query = query.replace(place, words)
        op.execute(_unless_taken(name, f'CREATE VIEW "{name}" AS {query}'))


def downgrade() -> None:
    for name in _VIEWS:
        op.execute(_unless_taken(name, f'DROP VIEW IF EXISTS "{name}"'))
    op.execute("DROP FUNCTION budget_window_start(text, timestamptz, timestamptz, text)")
