"""Does the database agree with itself? The ledger's sums beside the rollups', and the rollups' beside the budgets'.

Everything is read at one moment, so that records which arrive meanwhile make no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo

import asyncpg

from litemaas.core.keys import MASTER_KEY_HASH
from litemaas.core.rollups import CUBES, EVERY_ROLLUP, dimension_table, rollup_table
from litemaas.core.windows import day_of, midnight
from litemaas.db.partitions import first_kept_day
from litemaas.db.payers import payer_columns, with_payers
from litemaas.db.zones import ZONE, zone_kept

UNITS = ("calls", "prompt_tokens", "completion_tokens", "pages", "cost_nano")
_TIMEOUT_S = 600
_SUMS = ", ".join(f"coalesce(sum({unit}), 0)::bigint" for unit in UNITS)
_BETWEEN = "at >= $1 AND at < $2"
Sums = tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """One number that two places tell differently."""

    what: str
    where: str
    unit: str
    expected: int
    found: int


@dataclass
class Check:
    """One comparison: how many numbers were compared, which differ, and what could not be compared."""

    what: str
    compared: int = 0
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def compare(self, where: str, units: Iterable[str], expected: Iterable[int], found: Iterable[int]) -> None:
        for unit, wanted, there in zip(units, expected, found, strict=True):
            self.compared += 1
            if wanted != there:
                self.differences.append(Difference(self.what, where, unit, wanted, there))


@dataclass(frozen=True)
class Span:
    """Whole days in the installation's zone; ``end`` is out."""

    first: date
    end: date
    zone: tzinfo = UTC

    @property
    def last(self) -> date:
        return self.end - timedelta(days=1)

    @property
    def moments(self) -> tuple[datetime, datetime]:
        return midnight(self.first, self.zone), midnight(self.end, self.zone)


async def kept_span(connection: asyncpg.Connection, first: date | None, last: date | None) -> Span:
    """The days of which the records are still there, within those asked for (both in; None = no bound)."""
    zone = await zone_kept(connection)
    now = datetime.now(UTC)
    kept = await first_kept_day(connection)
    early = await connection.fetchval("SELECT min(started_at) FROM usage_records_default")
    whole = [_first_whole_day(kept, zone)] if kept is not None else []
    oldest = min(*whole, *([day_of(early, zone)] if early is not None else []), day_of(now, zone))
    newest = day_of(now, zone) + timedelta(days=1)
    return Span(max(first or oldest, oldest), min(last + timedelta(days=1) if last else newest, newest), zone)


def _first_whole_day(kept: date, zone: tzinfo) -> date:
    """The first day in a zone of which nothing was before ``kept``, the ledger's first day in UTC."""
    return kept if midnight(kept, zone) >= midnight(kept, UTC) else kept + timedelta(days=1)


async def check_everything(connection: asyncpg.Connection, span: Span) -> list[Check]:
    """The ledger beside every rollup within ``span``, and the budgets beside the rollups of all times."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return [
            *(await _days(connection, span)),
            *(await _coarse(connection, span)),
            await _names(connection, span, "full", "key_hash"),
            await _names(connection, span, "full", "model"),
            await _names(connection, span, "key", "user_id"),
            await _names(connection, span, "model", "deployment_id"),
            await _names(connection, span, "payer", "cost_centre"),
            await _names(connection, span, "demand", "user_id"),
            await _names(connection, span, "key_demand", "model"),
            await _leases(connection),
            await _budgets(connection),
        ]


# -- the ledger and its rollups -------------------------------------------------------------------------------------------


async def _ledger(connection: asyncpg.Connection, group: str, span: Span) -> dict[object, Sums]:
    sums = ["count(*)", *(f"coalesce(sum({unit}), 0)::bigint" for unit in UNITS[1:])]
    query = f"""
        SELECT {group}, {", ".join(sums)} FROM usage_records WHERE started_at >= $1 AND started_at < $2 GROUP BY 1
    """  # noqa: S608 — names of ours
    return await _grouped(connection, query, span)


async def _grouped(connection: asyncpg.Connection, query: str, span: Span) -> dict[object, Sums]:
    rows = await connection.fetch(query, *span.moments, timeout=_TIMEOUT_S)
    return {row[0]: tuple(row[1:]) for row in rows}


async def _rollup(connection: asyncpg.Connection, cube: str, grain: str, group: str, span: Span) -> dict[object, Sums]:
    """The cells of a rollup and those that wait to be folded into it. ``group``: over ``at`` and the dimensions."""
    units = ", ".join(UNITS)
    table = rollup_table(cube, grain)
    columns = ", ".join(["at", *CUBES[cube]])
    query = f"""
        SELECT {group}, {_SUMS} FROM (
            SELECT {columns}, {units} FROM {table} JOIN {dimension_table(cube)} AS d ON d.id = dimension_id WHERE {_BETWEEN}
            UNION ALL SELECT {columns}, {units} FROM {with_payers("usage_deltas")} WHERE {_BETWEEN}
        ) AS c GROUP BY 1
    """  # noqa: S608 — names of ours
    return await _grouped(connection, query, span)


def _compare(check: Check, ledger: Mapping[object, Sums], rollup: Mapping[object, Sums], zone: tzinfo = UTC) -> Check:
    nothing = (0,) * len(UNITS)
    for group in sorted({*ledger, *rollup}, key=str):
        where = f"{group.astimezone(zone):%Y-%m-%d}" if isinstance(group, datetime) else str(group) or "(none)"
        check.compare(where, UNITS, ledger.get(group, nothing), rollup.get(group, nothing))
    return check


async def _days(connection: asyncpg.Connection, span: Span) -> list[Check]:
    ledger = await _ledger(connection, f"date_trunc('day', started_at, {ZONE})", span)
    day = f"date_trunc('day', at, {ZONE})"
    return [
        _compare(
            Check(f"ledger = {rollup_table(cube, grain)}, per day"),
            ledger,
            await _rollup(connection, cube, grain, day, span),
            span.zone,
        )
        for cube, grain in EVERY_ROLLUP
        if grain in ("hour", "day")
    ]


async def _coarse(connection: asyncpg.Connection, span: Span) -> list[Check]:
    """Weeks and months beside their days, which may be kept longer than the records."""
    week = span.first - timedelta(days=span.first.weekday())
    spans = {
        "week": Span(week, span.end + timedelta(days=(7 - span.end.weekday()) % 7), span.zone),
        "month": Span(span.first.replace(day=1), (span.end + timedelta(days=31)).replace(day=1), span.zone),
    }
    checks = []
    for cube in CUBES:
        for grain, whole in spans.items():
            group = f"date_trunc('{grain}', at, {ZONE})"
            days = await _rollup(connection, cube, "day", group, whole)
            cells = await _rollup(connection, cube, grain, group, whole)
            check = Check(f"{rollup_table(cube, 'day')} = {rollup_table(cube, grain)}, per {grain}")
            checks.append(_compare(check, days, cells, span.zone))
    return checks


async def _names(connection: asyncpg.Connection, span: Span, cube: str, column: str) -> Check:
    named = {
        "model": "CASE WHEN key_hash = '' THEN '' ELSE model END",
        "cost_centre": payer_columns("usage_records")["cost_centre"],
    }.get(column, f"coalesce({column}, '')")
    ledger = await _ledger(connection, named, span)
    rollup = await _rollup(connection, cube, "day", column, span)
    return _compare(Check(f"ledger = {rollup_table(cube, 'day')}, per {column}"), ledger, rollup)


# -- the budgets ----------------------------------------------------------------------------------------------------------


async def _leases(connection: asyncpg.Connection) -> Check:
    check = Check("leases = leased in budget windows")
    rows = await connection.fetch(
        "WITH l AS (SELECT scope, window_start, sum(granted_nano)::bigint AS granted FROM leases GROUP BY 1, 2) "
        "SELECT scope, window_start, coalesce(w.leased_nano, 0) AS leased, coalesce(granted, 0) AS granted "
        "FROM budget_windows w FULL JOIN l USING (scope, window_start)",
        timeout=_TIMEOUT_S,
    )
    for row in rows:
        where = f"{row['scope']} from {row['window_start']:%Y-%m-%d}"
        check.compare(where, ["leased_nano"], [row["granted"]], [row["leased"]])
    return check


_BOOKED = f"""
WITH cells AS (
    SELECT d.key_hash, d.user_id, d.team_id, d.status, c.calls, c.cost_nano
    FROM {rollup_table("key", "month")} c JOIN {dimension_table("key")} d ON d.id = c.dimension_id
    UNION ALL SELECT key_hash, user_id, team_id, status, calls, cost_nano FROM usage_deltas
), spent AS (
    SELECT s.scope, sum(cost_nano)::bigint AS cost, coalesce(sum(calls) FILTER (WHERE status <> 'refused'), 0)::bigint AS calls
    FROM cells CROSS JOIN LATERAL (VALUES
        (CASE WHEN key_hash NOT IN ('', '{MASTER_KEY_HASH}') THEN 'key:' || key_hash END),
        (CASE WHEN user_id <> '' AND team_id = '' THEN 'user:' || user_id END),
        (CASE WHEN team_id <> '' THEN 'team:' || team_id END)
    ) AS s (scope)
    WHERE s.scope IS NOT NULL GROUP BY 1
), settled AS (
    SELECT scope, sum(settled_nano)::bigint AS settled, sum(requests)::bigint AS requests
    FROM budget_windows WHERE scope ~ '^(key:[^/]*|user:.*|team:.*)$' GROUP BY 1
)
SELECT scope, coalesce(cost, 0) AS cost, coalesce(calls, 0) AS calls, coalesce(settled, 0) AS settled,
    coalesce(requests, 0) AS requests
FROM spent FULL JOIN settled USING (scope) ORDER BY scope
"""  # noqa: S608 — names of ours
_BY_HAND = """
SELECT coalesce(detail ->> 'ledger_id', object_id) AS object_id FROM audit WHERE object_kind = 'key'
GROUP BY 1 HAVING count(*) FILTER (
        WHERE detail ?| ARRAY['spent_nano', 'budget_duration'] AND action NOT IN ('key.create', 'key.created')
    ) > 0
    OR count(*) FILTER (WHERE action = 'key.create' AND detail ? 'spent_nano') > 0
    OR count(*) FILTER (WHERE action = 'key.create') > 1
"""


async def _budgets(connection: asyncpg.Connection) -> Check:
    """What is settled on a scope in all its windows beside the cost of its calls.

    Left out: keys whose spend somebody has set or carried into another window, and scopes on which only a part of the calls was
    booked, as they had no budget before.
    """
    check = Check("rollups = settled in budget windows, per key, user and team")
    by_hand = {f"key:{row['object_id']}" for row in await connection.fetch(_BY_HAND, timeout=_TIMEOUT_S)}
    for row in await connection.fetch(_BOOKED, timeout=_TIMEOUT_S):
        if row["scope"] in by_hand:
            check.notes.append(f"{row['scope']}: its spend was set by hand")
        elif row["requests"] < row["calls"] and row["settled"] <= row["cost"] and not row["scope"].startswith("key:"):
            check.notes.append(f"{row['scope']}: booked for {row['requests']} of {row['calls']} calls")
        else:
            check.compare(row["scope"], ["cost_nano"], [row["cost"]], [row["settled"]])
    return check
