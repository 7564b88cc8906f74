"""Rollups by user and by team alone: with many keys, those by key are too many to add up while somebody waits.

Revision ID: 0026
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_CUBES = {"user": "user_id", "team": "team_id"}
_ENDED = ("status", "error_code")
_DIMENSIONS = (
    "key_hash", "user_id", "team_id", "model", "deployment_id", "provider", "engine_model", "endpoint", *_ENDED,
)  # fmt: skip
_SUMS = (
    "calls", "estimated_calls", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens", "pages", "cost_nano", "input_cost_nano", "output_cost_nano", "duration_us", "ttft_us", "ttft_calls",
)  # fmt: skip
_BUCKETS = tuple(f"{kind}{number:02}" for kind in "dt" for number in range(33))
_MEASURES = ", ".join([*_SUMS, "last_at", *_BUCKETS])
_ADDED_UP = ", ".join([*(f"sum({name})" for name in _SUMS), "max(last_at)", *(f"sum({name})" for name in _BUCKETS)])
_MEASURE_COLUMNS = ", ".join(
    [
        *(f"{name} bigint NOT NULL" for name in _SUMS),
        "last_at timestamptz NOT NULL",
        *(f"{name} bigint" for name in _BUCKETS),
    ]
)


def _made(cube: str, member: str) -> list[str]:
    """Empty tables of one cube, then filled from the one by key, which tells the same calls further apart."""
    members = ", ".join((member, *_ENDED))
    identity = ", ".join(name if name in (member, *_ENDED) else "''" for name in _DIMENSIONS)
    own = f"usage_{cube}_dimensions"
    statements = [
        f"CREATE TABLE {own} (id bigint PRIMARY KEY, {', '.join(f'{name} text NOT NULL' for name in (member, *_ENDED))})",
        f"CREATE INDEX {own}_{member} ON {own} USING hash ({member})",
        f"""
        INSERT INTO {own} SELECT usage_dimension_id({identity}), {members} FROM usage_key_dimensions GROUP BY {members}
        """,  # noqa: S608 — names of ours, as below
    ]
    for grain in ("hour", "day", "week", "month"):
        table = f"usage_{cube}_{grain}s"
        statements += [
            f"""
            CREATE TABLE {table} (at timestamptz NOT NULL, dimension_id bigint NOT NULL, {_MEASURE_COLUMNS})
            WITH (fillfactor = 85)
            """,
            f"""
            INSERT INTO {table} (at, dimension_id, {_MEASURES})
            SELECT r.at, d.id, {_ADDED_UP} FROM usage_key_{grain}s r JOIN usage_key_dimensions k ON k.id = r.dimension_id
            JOIN {own} d USING ({members}) GROUP BY r.at, d.id
            """,  # noqa: S608
            f"ALTER TABLE {table} ADD PRIMARY KEY (at, dimension_id)",
            f"CREATE INDEX {table}_dimension ON {table} (dimension_id, at)",
        ]
    return statements


def upgrade() -> None:
    for cube, member in _CUBES.items():
        for statement in _made(cube, member):
            op.execute(statement)


def downgrade() -> None:
    for cube in _CUBES:
        for table in ("dimensions", "hours", "days", "weeks", "months"):
            op.execute(f"DROP TABLE usage_{cube}_{table}")
