"""One cube more: which keys called which model. A filter by model or provider no longer reads the largest cube to find keys.

It is added up from the days, weeks and months that are there, without reading the ledger. Nobody folds meanwhile. A fold of the
version before fails from then on, because deltas have another name for their number, and leaves its deltas to the new one;
reading and storing go on.

Revision ID: 0035
"""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_FOLDING = 0x4C4D_0003
_MEMBERS = ("key_hash", "user_id", "team_id", "model", "provider", "status", "cost_centre", "workshop")
_NAMES = ", ".join(_MEMBERS)
_INDEXED = ("key_hash", "user_id", "team_id", "model", "cost_centre", "workshop")
_TOLD = _NAMES.replace("status", "CASE WHEN status = 'refused' THEN 'refused' ELSE 'called' END AS status")
_IDENTITY = (
    "usage_dimension_id(key_hash, user_id, team_id, model, '', provider, '', '', status, '', cost_centre, workshop)"
)
_GRAINS = ("days", "weeks", "months")
_SUMS = (
    "calls", "estimated_calls", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens", "pages", "cost_nano", "input_cost_nano", "output_cost_nano", "duration_us", "ttft_us", "ttft_calls",
)  # fmt: skip
_BUCKETS = tuple(f"{kind}{number:02}" for kind in "dt" for number in range(33))
_MEASURES = ", ".join([*_SUMS, "last_at", *_BUCKETS])
_ADDED_UP = ", ".join(
    [*(f"usage_sum(r.{n})" for n in _SUMS), "max(r.last_at)", *(f"usage_sum(r.{n})" for n in _BUCKETS)]
)
_COLUMNS = ", ".join(
    [*(f"{n} bigint NOT NULL" for n in _SUMS), "last_at timestamptz NOT NULL", *(f"{n} bigint" for n in _BUCKETS)]
)


def upgrade() -> None:
    op.execute(f"SELECT pg_advisory_xact_lock({_FOLDING})")
    op.execute("SELECT set_config('work_mem', '256MB', true), set_config('maintenance_work_mem', '256MB', true)")
    own = "usage_key_demand_dimensions"
    op.execute(f"CREATE TABLE {own} (id bigint PRIMARY KEY, {', '.join(f'{name} text NOT NULL' for name in _MEMBERS)})")
    op.execute(
        f"INSERT INTO {own} (id, {_NAMES}) SELECT {_IDENTITY}, {_NAMES}"  # noqa: S608 — names of ours, as all below
        f" FROM (SELECT DISTINCT {_TOLD} FROM usage_full_dimensions) AS d"
    )
    for name in _INDEXED:
        op.execute(f"CREATE INDEX {own}_{name} ON {own} USING hash ({name})")
    op.execute(f"ANALYZE {own}")
    op.execute(
        "CREATE TEMP TABLE key_demand_of ON COMMIT DROP AS SELECT s.finer, d.id"  # noqa: S608
        f" FROM (SELECT id AS finer, {_TOLD} FROM usage_full_dimensions) AS s JOIN {own} d USING ({_NAMES})"
    )
    op.execute("ANALYZE key_demand_of")
    for grain in _GRAINS:
        table = f"usage_key_demand_{grain}"
        op.execute(
            f"CREATE TABLE {table} (at timestamptz NOT NULL, dimension_id bigint NOT NULL, {_COLUMNS})"
            " WITH (fillfactor = 85)"
        )
        op.execute(
            f"INSERT INTO {table} (at, dimension_id, {_MEASURES}) SELECT r.at, o.id, {_ADDED_UP}"  # noqa: S608
            f" FROM usage_full_{grain} r JOIN key_demand_of o ON o.finer = r.dimension_id GROUP BY r.at, o.id"
        )
        op.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (at, dimension_id)")
        op.execute(f"CREATE INDEX {table}_dimension ON {table} (dimension_id, at)")
        op.execute(f"ANALYZE {table}")
    # Last, because gateways wait for it.
    op.execute("ALTER TABLE usage_deltas RENAME COLUMN id TO number")


def downgrade() -> None:
    op.execute("ALTER TABLE usage_deltas RENAME COLUMN number TO id")
    for table in ("dimensions", *_GRAINS):
        op.execute(f"DROP TABLE usage_key_demand_{table}")
