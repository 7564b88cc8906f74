"""Which cost centre and workshop are calls of? Neither is in records or cells: both follow from who called, and when.

The cost centre is that of the key, else of its team, else of its user, as it was at the moment of the call; the same as in
chargeback. Records are joined by their moment. Cells are cut where somebody's cost centre changed, so that all calls of a
cell have one. A workshop is the pot that its keys pay from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.usage.filters import Change, Values

COST_CENTRE, WORKSHOP = "cost_centre", "workshop"
PAID_BY = (COST_CENTRE, WORKSHOP)
_OWNERS = {"key": "key_hash", "team": "team_id", "user": "user_id"}
"""Whose cost centre goes first, and the column that names them."""
_MOST_CUTS = 50
"""With more hours of changes within a period records are read: each costs its records."""


async def reassignments(connection: AsyncConnection, since: datetime, until: datetime) -> tuple[Change, ...] | None:
    """From when to when cost centres changed of who had called before, by hour; None when that were too many hours.

    Changes of one hour go together, as when somebody gives all people their cost centres: of that while records are read.
    """
    parts = [
        f"""SELECT c.since FROM cost_centres c WHERE c.kind = '{kind}' AND c.since > $1 AND c.since < $2 AND (EXISTS (
            SELECT FROM usage_key_dimensions d JOIN usage_key_days y ON y.dimension_id = d.id AND y.at <= c.since
            WHERE d.{column} = c.id) OR EXISTS (SELECT FROM usage_deltas e WHERE e.{column} = c.id AND e.at <= c.since))"""  # noqa: S608 — names of ours
        for kind, column in _OWNERS.items()
    ]
    query = (
        f"SELECT min(since) AS first, max(since) AS last FROM ({' UNION '.join(parts)}) AS changes"  # noqa: S608
        f" GROUP BY date_trunc('hour', since) ORDER BY 1 LIMIT {_MOST_CUTS + 1}"
    )
    found = tuple((row.first, row.last) for row in await connection.exec_driver_sql(query, (since, until)))
    return None if len(found) > _MOST_CUTS else found


def of_records() -> str:
    """``usage_records`` with who paid at the moment of each call, under its own name."""
    history = "SELECT id, cost_centre, since, lead(since, 1, 'infinity') OVER (PARTITION BY id ORDER BY since) AS until"
    joins = [
        f"LEFT JOIN ({history} FROM cost_centres WHERE kind = '{kind}') AS of_{kind} ON of_{kind}.id = r.{column}"
        f" AND r.started_at >= of_{kind}.since AND r.started_at < of_{kind}.until"
        for kind, column in _OWNERS.items()
    ]
    return _joined("usage_records", joins)


def of_cells(table: str, at: datetime | None, values: Values) -> str:
    """A table with the columns that say who called, with who paid at a moment (None = before all), under its own name."""
    moment = values.place(at)
    in_force = (
        "SELECT DISTINCT ON (id) id, cost_centre FROM cost_centres"  # noqa: S608 — as below
        f" WHERE kind = '{{kind}}' AND since <= {moment}::timestamptz ORDER BY id, since DESC"
    )
    joins = [
        f"LEFT JOIN ({in_force.format(kind=kind)}) AS of_{kind} ON of_{kind}.id = r.{column}"
        for kind, column in _OWNERS.items()
    ]
    return _joined(table, joins)


def _joined(table: str, joins: Sequence[str]) -> str:
    centre = ", ".join(f"of_{kind}.cost_centre" for kind in _OWNERS)
    return (
        f"(SELECT r.*, coalesce({centre}, '') AS {COST_CENTRE}, coalesce(p.pot_id, '') AS {WORKSHOP}"  # noqa: S608 — names of ours
        f" FROM {table} r LEFT JOIN virtual_keys p ON p.key_hash = r.key_hash {' '.join(joins)}) AS {table}"
    )
