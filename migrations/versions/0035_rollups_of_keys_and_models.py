"""One cube more: which keys called which model. A filter by model or provider no longer reads the largest cube to find keys.

It is added up from the days, weeks and months that are there, without reading the ledger. Cubes that do not know how calls
ended have no latencies of good ones: those of callers had, for nobody. Nobody folds meanwhile. A fold of the version before
fails from then on, because deltas have another name for their number, and leaves its deltas to the new one; storing goes on,
and reading until the last part.

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
_MEASURES = ", ".join([*_SUMS, "last_at"])
_ADDED_UP = ", ".join([*(f"usage_sum(r.{name})" for name in _SUMS), "max(r.last_at)"])
_COLUMNS = ", ".join([*(f"{name} bigint NOT NULL" for name in _SUMS), "last_at timestamptz NOT NULL"])


def upgrade() -> None:
    op.execute(f"SELECT pg_advisory_xact_lock({_FOLDING})")
    op.execute("SELECT set_config('work_mem', '256MB', true), set_config('maintenance_work_mem', '256MB', true)")
    _add_up()
    for grain in _GRAINS:
        _make_narrow(f"usage_caller_{grain}")
    # Last, because gateways wait for it.
    op.execute("ALTER TABLE usage_deltas RENAME COLUMN id TO number")


def _add_up() -> None:
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
        _index(table)


def _make_narrow(table: str) -> None:
    """Anew, because cells keep the room of a dropped column for ever."""
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
    op.execute(
        f"CREATE TABLE {table} (at timestamptz NOT NULL, dimension_id bigint NOT NULL, {_COLUMNS}) WITH (fillfactor = 85)"
    )
    columns = f"at, dimension_id, {_MEASURES}"
    op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_before ORDER BY at")  # noqa: S608 — as above
    op.execute(f"DROP TABLE {table}_before")
    _index(table)


def _index(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (at, dimension_id)")
    op.execute(f"CREATE INDEX {table}_dimension ON {table} (dimension_id, at)")
    op.execute(f"ANALYZE {table}")


def downgrade() -> None:
    for grain in _GRAINS:
        for name in _BUCKETS:
            op.execute(f"ALTER TABLE usage_caller_{grain} ADD COLUMN {name} bigint")
    op.execute("ALTER TABLE usage_deltas RENAME COLUMN number TO id")
    for table in ("dimensions", *_GRAINS):
        op.execute(f"DROP TABLE usage_key_demand_{table}")
