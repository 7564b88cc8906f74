"""Rollups tell apart who paid: cost centre and workshop at the moment of the call. Cubes more, of payers, callers and demand.

What is there is told apart without reading the ledger, of which old days may be gone: each hour's cells go to whoever paid at
the hour's end. Nobody folds meanwhile, and gateways are held up only at the end. A fold of the version before fails from then
on and leaves its deltas to the new one.

Revision ID: 0029
"""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_FOLDING = 0x4C4D_0003
_ZONE = "(SELECT timezone FROM installation)"
_ASKED = ("key_hash", "user_id", "team_id")
_ENDED = ("status", "error_code")
_PAID = ("cost_centre", "workshop")
_BEFORE = (*_ASKED, "model", "deployment_id", "provider", "engine_model", "endpoint", *_ENDED)
_OPTIONAL = {"user_id", "team_id", "deployment_id", "provider", "engine_model", "error_code"}
_OWNERS = {"key": "key_hash", "team": "team_id", "user": "user_id"}
_TOLD_APART = {"full": _BEFORE, "key": (*_ASKED, *_ENDED)}
_MADE = {
    "user": ("key", ("user_id", *_ENDED, *_PAID), ("hour", "day", "week", "month")),
    "team": ("key", ("team_id", *_ENDED, *_PAID), ("hour", "day", "week", "month")),
    "caller": ("key", (*_ASKED, "status", *_PAID), ("day", "week", "month")),
    "demand": ("full", ("user_id", "team_id", "model", "provider", *_ENDED, *_PAID), ("day", "week", "month")),
    "payer": ("demand", ("model", "provider", *_ENDED, *_PAID), ("day", "week", "month")),
}
"""New cubes, or those made anew, and a finer one that they are added up from."""
_TOLD = {("caller", "status"): "CASE WHEN status = 'refused' THEN 'refused' ELSE 'called' END"}
_INDEXED = {"key_hash", "user_id", "team_id", "model", "cost_centre", "workshop"}
_SUMS = (
    "calls", "estimated_calls", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens", "pages", "cost_nano", "input_cost_nano", "output_cost_nano", "duration_us", "ttft_us", "ttft_calls",
)  # fmt: skip
_OF_RECORDS = {
    **{name: f"sum({name})" for name in _SUMS},
    "calls": "count(*)",
    "estimated_calls": "count(*) FILTER (WHERE usage_source IN ('tokenizer', 'estimate'))",
    "ttft_us": "coalesce(sum(ttft_us), 0)",
    "ttft_calls": "count(ttft_us)",
    "last_at": "max(started_at)",
}
_BUCKETS = tuple(f"{kind}{number:02}" for kind in "dt" for number in range(33))
_BOUNDS_US = ", ".join(str(round(2_000 * 1.5**step)) for step in range(32))
_MEASURES = ", ".join([*_SUMS, "last_at", *_BUCKETS])
_ADDED_UP = ", ".join([*(f"sum(r.{n})" for n in _SUMS), "max(r.last_at)", *(f"sum(r.{n})" for n in _BUCKETS)])
_MEASURE_COLUMNS = ", ".join(
    [*(f"{n} bigint NOT NULL" for n in _SUMS), "last_at timestamptz NOT NULL", *(f"{n} bigint" for n in _BUCKETS)]
)


def _cost_centre(record: str, at: str) -> str:
    """Of the key, else the team, else the user, as it was."""
    found = (
        f"(SELECT h.cost_centre FROM cost_centres h WHERE h.kind = '{kind}' AND h.id = {record}.{column}"  # noqa: S608 — names of ours, as all below
        f" AND h.since <= {at} ORDER BY h.since DESC LIMIT 1)"
        for kind, column in _OWNERS.items()
    )
    return f"coalesce({', '.join(found)}, '')"


def _workshop(record: str) -> str:
    return f"coalesce((SELECT k.pot_id FROM virtual_keys k WHERE k.key_hash = {record}.key_hash), '')"  # noqa: S608


def _identity(members: tuple[str, ...], source: str) -> str:
    """As in ``db/rollups.py``."""
    known = [f"{source}.{name}" if name in members else "''" for name in _BEFORE]
    return f"usage_dimension_id({', '.join([*known, *(f'{source}.{name}' for name in _PAID)])})"


_HOURS = (
    "r.dimension_id = {0}.old_id AND r.at > {0}.since - interval '1 hour' AND r.at <= {0}.until - interval '1 hour'"
)
"""Which hours' cells are of an era of their combination."""


def _eras(cube: str) -> list[str]:
    """From one change of a combination's payer to the next, those that have cells. The longest one stays where it is: that is
    all there is to do for those whose payer has never changed, or changed before they called."""
    own = f"usage_{cube}_dimensions"
    owners = " UNION ".join(
        f"SELECT d.id AS old_id, h.since FROM {own} d JOIN cost_centres h ON h.kind = '{kind}' AND h.id = d.{column}"  # noqa: S608
        for kind, column in _OWNERS.items()
    )
    return [
        f"""
        CREATE TEMP TABLE {cube}_eras ON COMMIT DROP AS
        SELECT *, NULL::bigint AS new_id, row_number() OVER (PARTITION BY old_id ORDER BY hours DESC, since) = 1 AS stays
        FROM (
            SELECT c.*, {_cost_centre("d", "c.since")} AS cost_centre, {_workshop("d")} AS workshop,
                least(c.until, now()) - greatest(
                    c.since, (SELECT min(r.at) FROM usage_{cube}_hours r WHERE r.dimension_id = d.id)
                ) AS hours
            FROM (
                SELECT old_id, since, lead(since, 1, 'infinity') OVER (PARTITION BY old_id ORDER BY since) AS until
                FROM ({owners} UNION SELECT id, '-infinity' FROM {own}) AS changes
            ) AS c JOIN {own} d ON d.id = c.old_id
            WHERE EXISTS (SELECT FROM usage_{cube}_hours r WHERE {_HOURS.format("c")})
        ) AS with_cells
        """,  # noqa: S608
        f"ANALYZE {cube}_eras",
    ]


def _tell_apart(cube: str, members: tuple[str, ...]) -> list[str]:
    """Who paid for each combination; where that changed, its cells are divided.

    Combinations keep their numbers although these are hashes of the members: the next fold names them anew, and two numbers of
    one combination add up like any others.
    """
    own = f"usage_{cube}_dimensions"
    return [
        *(f"ALTER TABLE {own} ADD COLUMN {name} text NOT NULL DEFAULT ''" for name in _PAID),
        *_eras(cube),
        f"""
        UPDATE {own} d SET cost_centre = e.cost_centre, workshop = e.workshop FROM {cube}_eras e
        WHERE e.old_id = d.id AND e.stays AND (e.cost_centre <> '' OR e.workshop <> '')
        """,  # noqa: S608
        # Others of the same payer stay, too.
        f"""
        DELETE FROM {cube}_eras e USING {own} d
        WHERE d.id = e.old_id AND NOT e.stays AND e.cost_centre = d.cost_centre AND e.workshop = d.workshop
        """,  # noqa: S608
        *_divided(cube, members),
        *(f"ALTER TABLE {own} ALTER COLUMN {name} DROP DEFAULT" for name in _PAID),
        *_hashed(cube, _PAID),
        f"ANALYZE {own}",
    ]


def _divided(cube: str, members: tuple[str, ...]) -> list[str]:
    """Eras that do not stay get combinations of their own; their hours move there, and all longer cells are added up again."""
    own, eras, names = f"usage_{cube}_dimensions", f"{cube}_eras", ", ".join(members)
    theirs = ", ".join(f"d.{name}" for name in members)
    statements = [
        f"""
        UPDATE {eras} e SET new_id = {_identity(members, "n")}
        FROM (
            SELECT d.id, p.since, {theirs}, p.cost_centre, p.workshop
            FROM {eras} p JOIN {own} d ON d.id = p.old_id WHERE NOT p.stays
        ) AS n WHERE n.id = e.old_id AND n.since = e.since
        """,  # noqa: S608
        f"""
        INSERT INTO {own} (id, {names}, cost_centre, workshop) SELECT e.new_id, {theirs}, e.cost_centre, e.workshop
        FROM {eras} e JOIN {own} d ON d.id = e.old_id WHERE NOT e.stays
        ON CONFLICT DO NOTHING
        """,  # noqa: S608
        f"""
        UPDATE usage_{cube}_hours r SET dimension_id = e.new_id FROM {eras} e WHERE NOT e.stays AND {_HOURS.format("e")}
        """,  # noqa: S608
    ]
    divided = f"SELECT old_id FROM {eras} WHERE NOT stays"  # noqa: S608
    for grain in ("day", "week", "month"):
        table = f"usage_{cube}_{grain}s"
        statements += [
            f"DELETE FROM {table} WHERE dimension_id IN ({divided})",  # noqa: S608
            f"""
            INSERT INTO {table} (at, dimension_id, {_MEASURES})
            SELECT date_trunc('{grain}', r.at, {_ZONE}), r.dimension_id, {_ADDED_UP} FROM usage_{cube}_hours r
            WHERE r.dimension_id IN ({divided} UNION SELECT new_id FROM {eras} WHERE NOT stays) GROUP BY 1, 2
            """,  # noqa: S608
        ]
    return statements


def _hashed(cube: str, members: tuple[str, ...]) -> list[str]:
    own = f"usage_{cube}_dimensions"
    return [f"CREATE INDEX {own}_{name} ON {own} USING hash ({name})" for name in members if name in _INDEXED]


def _made(cube: str, source: str, members: tuple[str, ...], grains: tuple[str, ...]) -> list[str]:
    own, names = f"usage_{cube}_dimensions", ", ".join(members)
    told = ", ".join(f"{_TOLD.get((cube, name), name)} AS {name}" for name in members)
    statements = [
        f"CREATE TABLE {own} (id bigint PRIMARY KEY, {', '.join(f'{name} text NOT NULL' for name in members)})",
        f"""
        INSERT INTO {own} (id, {names}) SELECT {_identity(members, "d")}, {names}
        FROM (SELECT DISTINCT {told} FROM usage_{source}_dimensions) AS d
        """,  # noqa: S608
        *_hashed(cube, members),
        f"ANALYZE {own}",
        f"""
        CREATE TEMP TABLE {cube}_of ON COMMIT DROP AS
        SELECT s.finer, d.id AS id FROM (SELECT id AS finer, {told} FROM usage_{source}_dimensions) AS s
        JOIN {own} d USING ({names})
        """,  # noqa: S608
        f"ANALYZE {cube}_of",
    ]
    for grain in grains:
        table = f"usage_{cube}_{grain}s"
        statements += [
            f"""
            CREATE TABLE {table} (at timestamptz NOT NULL, dimension_id bigint NOT NULL, {_MEASURE_COLUMNS})
            WITH (fillfactor = 85)
            """,
            f"""
            INSERT INTO {table} (at, dimension_id, {_MEASURES})
            SELECT r.at, o.id, {_ADDED_UP} FROM usage_{source}_{grain}s r JOIN {cube}_of o ON o.finer = r.dimension_id
            GROUP BY r.at, o.id
            """,  # noqa: S608
            f"ALTER TABLE {table} ADD PRIMARY KEY (at, dimension_id)",
            f"CREATE INDEX {table}_dimension ON {table} (dimension_id, at)",
            f"ANALYZE {table}",
        ]
    return statements


def _forgotten(cube: str) -> list[str]:
    return [f"DROP TABLE usage_{cube}_{table}" for table in ("dimensions", "hours", "days", "weeks", "months")]


def _trigger() -> str:
    """The trigger of 0003 and 0024; deltas say of when their payers are, so that whoever folds finds these, not the gateway."""
    dimensions = [f"coalesce({name}, '')" if name in _OPTIONAL else name for name in _BEFORE]
    dimensions[_BEFORE.index("model")] = "CASE WHEN key_hash = '' THEN '' ELSE model END"
    counts = [f"nullif(count(*) FILTER (WHERE {name[0]} = {int(name[1:])}), 0)" for name in _BUCKETS]
    keys = [f"date_trunc('hour', started_at, {_ZONE})", "payers_at", *dimensions]
    places = ", ".join(str(place) for place in range(1, len(keys) + 1))
    return f"""
        CREATE OR REPLACE FUNCTION usage_records_to_deltas() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            newest timestamptz := coalesce((SELECT max(since) FROM cost_centres), '-infinity');
        BEGIN
            INSERT INTO usage_deltas ({", ".join(["at", "payers_at", *_BEFORE, *_OF_RECORDS, *_BUCKETS])})
            SELECT {", ".join([*keys, *_OF_RECORDS.values(), *counts])}
            FROM (
                SELECT *,
                    CASE WHEN started_at >= newest THEN newest ELSE
                        coalesce((SELECT max(since) FROM cost_centres WHERE since <= started_at), '-infinity')
                    END AS payers_at,
                    CASE WHEN status = 'success' THEN width_bucket(duration_us, '{{{_BOUNDS_US}}}'::bigint[]) END AS d,
                    CASE WHEN status = 'success' THEN width_bucket(ttft_us, '{{{_BOUNDS_US}}}'::bigint[]) END AS t
                FROM stored OFFSET 0
            ) AS r
            GROUP BY {places};
            RETURN NULL;
        END $$
    """  # noqa: S608


def upgrade() -> None:
    op.execute(f"SELECT pg_advisory_xact_lock({_FOLDING})")
    op.execute("SELECT set_config('work_mem', '256MB', true), set_config('maintenance_work_mem', '256MB', true)")
    for cube in ("user", "team"):
        for statement in _forgotten(cube):
            op.execute(statement)
    for cube, members in _TOLD_APART.items():
        for statement in _tell_apart(cube, members):
            op.execute(statement)
    for cube, (source, members, grains) in _MADE.items():
        for statement in _made(cube, source, members, grains):
            op.execute(statement)
    op.execute("CREATE INDEX cost_centres_since ON cost_centres (since)")
    # Last, because gateways wait for it.
    op.execute("ALTER TABLE usage_deltas ADD COLUMN payers_at timestamptz")
    op.execute("UPDATE usage_deltas SET payers_at = last_at")
    op.execute("ALTER TABLE usage_deltas ALTER COLUMN payers_at SET NOT NULL")
    op.execute(_trigger())


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: combinations would no longer have numbers of their own")
