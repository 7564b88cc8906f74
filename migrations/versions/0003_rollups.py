"""Rollups of the ledger: a trigger notes what was stored, upkeep folds it into cells per hour, day, week and month.

Revision ID: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_DIMENSIONS = (
    "key_hash", "user_id", "team_id", "model", "deployment_id", "provider", "engine_model", "endpoint", "status", "error_code",
)  # fmt: skip
_CUBES = {
    "total": _DIMENSIONS[8:],
    "model": _DIMENSIONS[3:],
    "key": (*_DIMENSIONS[:3], *_DIMENSIONS[8:]),
    "full": _DIMENSIONS,
}
_OPTIONAL = {"user_id", "team_id", "deployment_id", "provider", "engine_model", "error_code"}
_SUMS = {
    "calls": "count(*)",
    "estimated_calls": "count(*) FILTER (WHERE usage_source IN ('tokenizer', 'estimate'))",
    **{
        name: f"sum({name})"
        for name in (
            "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "pages",
            "cost_nano", "input_cost_nano", "output_cost_nano", "duration_us",
        )
    },
    "ttft_us": "coalesce(sum(ttft_us), 0)",
    "ttft_calls": "count(ttft_us)",
    "last_at": "max(started_at)",
}  # fmt: skip
_BOUNDS_US = ", ".join(str(round(2_000 * 1.5**step)) for step in range(32))
_BUCKETS = [(kind, f"{kind}{number:02}", number) for kind in "dt" for number in range(33)]

_DIMENSION_COLUMNS = ", ".join(f"{name} text NOT NULL" for name in _DIMENSIONS)
_MEASURE_COLUMNS = ", ".join(
    [f"{name} {'timestamptz' if name == 'last_at' else 'bigint'} NOT NULL" for name in _SUMS]
    + [f"{column} bigint" for _, column, _ in _BUCKETS]
)
_COLUMNS = ", ".join(["at", *_DIMENSIONS, *_SUMS, *(column for _, column, _ in _BUCKETS)])


def _cells_of(records: str) -> str:
    """The cells of records, per hour. OFFSET 0 has each record's buckets looked up once instead of once per bucket."""
    dimensions = [f"coalesce({name}, '')" if name in _OPTIONAL else name for name in _DIMENSIONS]
    dimensions[_DIMENSIONS.index("model")] = "CASE WHEN key_hash = '' THEN '' ELSE model END"
    counts = [f"nullif(count(*) FILTER (WHERE {kind} = {number}), 0)" for kind, _, number in _BUCKETS]
    columns = ", ".join(["date_trunc('hour', started_at, 'UTC')", *dimensions, *_SUMS.values(), *counts])
    places = ", ".join(str(place) for place in range(1, len(_DIMENSIONS) + 2))
    return f"""
        SELECT {columns}
        FROM (
            SELECT *,
                CASE WHEN status = 'success' THEN width_bucket(duration_us, '{{{_BOUNDS_US}}}'::bigint[]) END AS d,
                CASE WHEN status = 'success' THEN width_bucket(ttft_us, '{{{_BOUNDS_US}}}'::bigint[]) END AS t
            FROM {records} OFFSET 0
        ) AS r
        GROUP BY {places}
    """  # noqa: S608 — names of ours


def _rollup(name: str) -> tuple[str, ...]:
    return (
        f"""
        CREATE TABLE {name} (at timestamptz NOT NULL, dimension_id bigint NOT NULL, {_MEASURE_COLUMNS},
            PRIMARY KEY (at, dimension_id)) WITH (fillfactor = 85)
        """,
        f"CREATE INDEX {name}_dimension ON {name} (dimension_id, at)",
    )


_STATEMENTS = (
    *(
        statement
        for cube, members in _CUBES.items()
        for statement in (
            f"CREATE TABLE usage_{cube}_dimensions (id bigint PRIMARY KEY, {', '.join(f'{m} text NOT NULL' for m in members)})",
            *(
                f"CREATE INDEX usage_{cube}_dimensions_{member} ON usage_{cube}_dimensions USING hash ({member})"
                for member in ("key_hash", "user_id", "team_id", "model")
                if member in members
            ),
        )
    ),
    # For the request log; the parts are small where members are rarely set.
    "CREATE INDEX usage_records_user ON usage_records (user_id, started_at DESC) WHERE user_id IS NOT NULL",
    "CREATE INDEX usage_records_team ON usage_records (team_id, started_at DESC) WHERE team_id IS NOT NULL",
    "CREATE INDEX usage_records_end_user ON usage_records (end_user, started_at DESC) WHERE end_user IS NOT NULL",
    "CREATE INDEX usage_records_engine ON usage_records (engine_request_id) WHERE engine_request_id IS NOT NULL",
    "CREATE INDEX usage_records_unsuccessful ON usage_records (started_at DESC) WHERE status <> 'success'",
    "CREATE INDEX usage_records_slow ON usage_records (started_at DESC, duration_us) WHERE duration_us >= 10000000",
    "CREATE INDEX usage_records_tags ON usage_records USING gin (tags) WHERE tags <> '{}'",
    f"""
    CREATE TABLE usage_deltas (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL,
        {_DIMENSION_COLUMNS}, {_MEASURE_COLUMNS})
    """,
    *(
        statement
        for cube in _CUBES
        for grain in ("hour", "day", "week", "month")
        for statement in _rollup(f"usage_{cube}_{grain}s")
    ),
    # The first 64 bits of SHA-256 of the members as JSON; no member can look like two. PL/pgSQL, because a function in SQL that
    # cannot be inlined costs several times as much per call.
    """
    CREATE FUNCTION usage_dimension_id(VARIADIC members text[]) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    BEGIN
        RETURN ('x' || encode(substr(sha256(convert_to(array_to_json(members)::text, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint;
    END $$
    """,
    f"""
    CREATE FUNCTION usage_records_to_deltas() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO usage_deltas ({_COLUMNS}) {_cells_of("stored")};
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER usage_records_to_deltas AFTER INSERT ON usage_records
    REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION usage_records_to_deltas()
    """,
    f"INSERT INTO usage_deltas ({_COLUMNS}) {_cells_of('usage_records')}",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: rollups may be older than the records they came from")
