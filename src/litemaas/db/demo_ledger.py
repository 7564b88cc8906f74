"""What does a platform in use look like? People, teams, keys and a ledger of three months, made by SQL as large as wanted.

Few keys make most calls, most calls are made by day. No key of it opens anything: nobody knows a secret with such a hash.
Source of the proportions: what a portal must bear (10 million records, 20,000 keys, 5,000 users) at scale 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import asyncpg
import msgspec

from litemaas.core.ledger import COLUMNS
from litemaas.db.rollups import rebuild

DAYS = 90


class Size(msgspec.Struct, frozen=True):
    records: int = 10_000_000
    keys: int = 20_000
    users: int = 5_000
    teams: int = 200
    models: int = 50

    @classmethod
    def scaled(cls, scale: float) -> Size:
        """At least one of each; the catalogue does not grow with the platform."""
        whole = cls()
        records, keys, users, teams = (
            max(1, round(count * scale)) for count in (whole.records, whole.keys, whole.users, whole.teams)
        )
        return cls(records, keys, users, teams, whole.models)


# A key calls four of the models, one of them most of the time; a model has two deployments, and four providers share them.
_TIMEOUT_S = 1_200

_VALUES = {
    "request_id": "$1 || '-' || n",
    "started_at": "$2::timestamptz + hour * interval '1 hour' + random() * interval '1 hour'",
    "duration_us": "(exp(6.5 + 1.1 * noise) * 1000)::bigint",
    "ttft_us": "CASE WHEN NOT ok THEN NULL ELSE (exp(4.5 + 0.9 * noise) * 1000)::bigint END",
    "endpoint": "CASE WHEN m % 10 = 0 THEN '/embeddings' WHEN r3 < 0.1 THEN '/completions' ELSE '/chat/completions' END",
    "stream": "r3 > 0.4",
    "status": "CASE WHEN ok THEN 'success' WHEN r1 < 0.97 THEN 'failure' WHEN r1 < 0.99 THEN 'refused' ELSE 'cancelled' END",
    "http_status": "CASE WHEN ok THEN 200 WHEN r1 < 0.97 THEN 502 WHEN r1 < 0.99 THEN 429 ELSE 499 END",
    "error_code": "CASE WHEN ok THEN NULL WHEN r1 < 0.955 THEN 'upstream_died' WHEN r1 < 0.97 THEN 'upstream_timeout' "
    "WHEN r1 < 0.98 THEN 'rate_limited' WHEN r1 < 0.99 THEN 'budget_exhausted' ELSE 'client_gone' END",
    "error_message": "CASE WHEN NOT ok THEN 'what the client was told' END",
    "key_hash": "encode(sha256(k::text::bytea), 'hex')",
    "key_alias": "'key-' || k",
    "user_id": "'user-' || k % {users}",
    "team_id": "CASE WHEN k % 4 = 0 THEN NULL ELSE 'team-' || k % {teams} END",
    "end_user": "CASE WHEN r3 < 0.1 THEN 'customer-' || floor(random() * 5000) END",
    "model": "'model-' || m",
    "deployment_id": "CASE WHEN ok OR r1 < 0.97 THEN 'deployment-' || m || CASE WHEN r2 < 0.5 THEN 'a' ELSE 'b' END END",
    "provider": "CASE WHEN ok OR r1 < 0.97 THEN (ARRAY['hosted_vllm', 'openai', 'docling', 'openvino'])[1 + m % 4] END",
    "engine_model": "'engine/model-' || m",
    "api_base": "'http://engine-' || m || '.models.svc:8000/v1'",
    "engine_request_id": "'chatcmpl-' || $1 || n",
    "prompt_tokens": "(200 + 3000 * r2)::int",
    "completion_tokens": "CASE WHEN ok AND m % 10 > 0 THEN (20 + 800 * r3)::int ELSE 0 END",
    "cached_tokens": "(100 * r2)::int",
    "cache_write_tokens": "0",
    "reasoning_tokens": "0",
    "pages": "0",
    "usage_source": "CASE WHEN ok THEN 'engine' ELSE 'none' END",
    "cost_nano": "CASE WHEN ok THEN (200 + 3000 * r2)::bigint * 1000 + (20 + 800 * r3)::bigint * 2000 ELSE 0 END",
    "input_cost_nano": "CASE WHEN ok THEN (200 + 3000 * r2)::bigint * 1000 ELSE 0 END",
    "output_cost_nano": "CASE WHEN ok THEN (20 + 800 * r3)::bigint * 2000 ELSE 0 END",
    "price_version": "m",
    "attempts": "1",
    "client_ip": "'10.0.' || k % 200 || '.' || k % 250",
    "user_agent": "'OpenAI/Python 1.60'",
    "tags": "CASE WHEN r2 < 0.2 THEN ARRAY['tag-' || floor(random() * 50)] ELSE '{}' END",
    "metadata": "'{}'",
    "source": "CASE WHEN r3 BETWEEN 0.5 AND 0.53 THEN 'playground' ELSE 'api' END",
}
_CALLS = """
SELECT *, CASE WHEN slot < 0.7 THEN 0 WHEN slot < 0.85 THEN 1 WHEN slot < 0.95 THEN 2 ELSE 3 END AS choice
FROM (
    SELECT n, floor({keys} * power(random(), 2.2))::int AS k, floor(12 * (random() + random()))::int AS hour,
        random() AS slot, random() AS r1, random() AS r2, random() AS r3, random_normal() AS noise
    FROM generate_series(1, $3::int) AS n
) AS drawn
"""
_DAY = f"""
INSERT INTO {{table}} ({", ".join(COLUMNS)})
SELECT {", ".join(_VALUES[column] for column in COLUMNS)}
FROM (
    SELECT *, r1 < 0.94 AS ok,
        floor({{models}} * power((((k * 7919 + choice * 104729) % 9973) / 9973.0), 1.6))::int AS m
    FROM ({_CALLS}) AS calls OFFSET 0
) AS calls
"""  # noqa: S608 — as above


_PEOPLE = """
INSERT INTO users (id, provider, subject, username, email, full_name, granted_roles, groups, cost_centre, created_at,
    created_by, updated_by)
SELECT 'user-' || n, 'demo', n::text, 'demo-user-' || n, 'user-' || n || '@example.org', 'Demo User ' || n,
    CASE WHEN n = 0 THEN '{admin,user}'::text[] ELSE '{user}' END, ARRAY['group-' || n % 50], 'centre-' || n % 20,
    now() - n * interval '1 hour', 'demo-data', 'demo-data'
FROM generate_series(0, {users} - 1) AS n;
INSERT INTO teams (id, name, description, cost_centre, created_by, updated_by)
SELECT 'team-' || n, 'demo-team-' || n, 'Made by litemaas demo-data', 'centre-' || n % 20, 'demo-data', 'demo-data'
FROM generate_series(0, {teams} - 1) AS n;
UPDATE cost_centres SET since = now() - interval '400 days' WHERE id ~ '^(user|team)-[0-9]+$';
INSERT INTO team_members (team_id, user_id, role, added_by)
SELECT 'team-' || n % {teams}, 'user-' || n, CASE WHEN n < {teams} THEN 'admin' WHEN n % 7 = 0 THEN 'viewer' ELSE 'member' END,
    'demo-data'
FROM generate_series(0, {users} - 1) AS n;
INSERT INTO models (name, mode, provider, tags, restricted_access)
SELECT 'model-' || n, CASE WHEN n % 10 = 0 THEN 'embedding' ELSE 'chat' END, 'Demo ' || n % 4, ARRAY['tag-' || n % 5], n % 3 = 0
FROM generate_series(0, {models} - 1) AS n;
INSERT INTO subscriptions (id, user_id, model_name, status, status_changed_at, status_changed_by, justification, quota_requests,
    quota_tokens, created_at, created_by, updated_by)
SELECT gen_random_uuid()::text, 'user-' || n, 'model-' || (n + choice * 13) % {models},
    CASE (n + choice) % 20 WHEN 0 THEN 'pending' WHEN 1 THEN 'denied' WHEN 2 THEN 'cancelled' ELSE 'active' END,
    now() - n * interval '11 minutes', 'user-0', 'For the course number ' || n % 40, 10000, 1000000,
    now() - n * interval '1 hour', 'demo-data', 'demo-data'
FROM generate_series(0, {users} - 1) AS n, generate_series(0, 3) AS choice;
INSERT INTO subscription_history (subscription_id, event, new_status, actor, actor_kind, actor_name, at)
SELECT id, 'subscribe', status, user_id, 'user', user_id, created_at FROM subscriptions WHERE created_by = 'demo-data';
INSERT INTO notices (id, user_id, event, subject, once, facts, at, read_at)
SELECT 'demo-' || n || '-' || number, 'user-' || n, 'subscription.approved', 'subscription:demo-' || n, number::text,
    jsonb_build_object('model', 'model-' || number), now() - number * interval '1 day',
    CASE WHEN number > 3 THEN now() END
FROM generate_series(0, {users} - 1) AS n, generate_series(1, 20) AS number;
INSERT INTO virtual_keys (key_hash, key_name, alias, user_id, team_id, models, max_budget_nano, budget_duration, expires_at,
    created_at, created_by, updated_by)
SELECT encode(sha256(n::text::bytea), 'hex'), 'sk-...' || lpad(n::text, 4, '0'), 'key-' || n, 'user-' || n % {users},
    CASE WHEN n % 4 = 0 THEN NULL ELSE 'team-' || n % {teams} END, ARRAY['model-' || n % {models}], 10000000000, 'monthly',
    CASE WHEN n % 5 = 0 THEN now() + (n % 100 - 20) * interval '1 day' END, now() - n * interval '7 minutes', 'demo-data',
    'demo-data'
FROM generate_series(0, {keys} - 1) AS n;
INSERT INTO budget_windows (scope, window_start, settled_nano, requests)
SELECT 'key:' || encode(sha256(n::text::bytea), 'hex'), date_trunc('month', now(), 'UTC'), n::bigint * 1000003 % 10000000000,
    n % 977
FROM generate_series(0, {keys} - 1) AS n;
INSERT INTO audit (at, actor, actor_kind, actor_name, action, object_kind, object_id, object_name)
SELECT now() - n * interval '3 minutes', 'user-' || n % {users}, 'user', 'demo-user-' || n % {users},
    (ARRAY['key.create', 'key.update', 'auth.login', 'subscription.created'])[1 + n % 4],
    (ARRAY['key', 'key', 'session', 'subscription'])[1 + n % 4], 'object-' || n, 'Demo object ' || n
FROM generate_series(0, {keys} * 5 - 1) AS n;
"""


async def people(connection: asyncpg.Connection, size: Size, tell: Callable[[str], None]) -> None:
    """Stores users, teams with their members, a catalogue without servers, subscriptions, notices, an audit trail, and keys
    with what they have spent this month."""
    async with connection.transaction():
        await connection.execute(_sized(_PEOPLE, size), timeout=_TIMEOUT_S)
    tell(f"{size.users} users, {size.teams} teams, {size.keys} keys, {size.users * 4} subscriptions")


def _sized(statement: str, size: Size) -> str:
    for name in ("keys", "users", "teams", "models"):
        statement = statement.replace(f"{{{name}}}", str(getattr(size, name)))
    return statement


async def fill(
    connection: asyncpg.Connection, today: datetime, size: Size, tell: Callable[[str], None]
) -> dict[str, float]:
    """Stores calls of the last DAYS days, today included, and counts the rollups; returns the seconds of each.

    Partitions of these days must be empty: they are made anew.
    """
    insert = _sized(_DAY, size)
    began_at = time.monotonic()
    await connection.execute("SELECT setseed(0.5)")
    for number in range(DAYS):
        day = today - timedelta(days=number)
        table = f"usage_records_{day:%Y%m%d}"
        await connection.execute(f"DROP TABLE IF EXISTS {table}")
        # Filled before it is attached: its indexes are then built once, and no delta is written.
        await connection.execute(f"CREATE TABLE {table} (LIKE usage_records INCLUDING DEFAULTS)")
        count = size.records // DAYS + (1 if number < size.records % DAYS else 0)
        await connection.execute(insert.replace("{table}", table), f"{day:%y%m%d}", day, count, timeout=_TIMEOUT_S)
        await connection.execute(
            f"ALTER TABLE usage_records ATTACH PARTITION {table} FOR VALUES "
            f"FROM ('{day:%Y-%m-%d} 00:00+00') TO ('{day + timedelta(days=1):%Y-%m-%d} 00:00+00')",
            timeout=_TIMEOUT_S,
        )
        if number % 10 == 9:
            tell(f"{number + 1} of {DAYS} days")
    stored_s = time.monotonic() - began_at
    await rebuild(connection, (today - timedelta(days=DAYS - 1)).date(), (today + timedelta(days=1)).date())
    rebuilt_s = time.monotonic() - began_at - stored_s
    tell(f"rollups counted in {rebuilt_s:.0f} s")
    await connection.execute("VACUUM ANALYZE", timeout=_TIMEOUT_S)
    return {"store_s": round(stored_s, 1), "rebuild_s": round(rebuilt_s, 1)}
