"""Who pays how much for a month? Out of the rollups' cells of that month, which know who paid, and of what was frozen.

The same sums as those of the lines (``repository``), which only files and closing need: of these there are as many as of days,
keys, models and price versions. Calls without a known key are in the rollups, too, but nobody is billed for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.chargeback.repository import AMOUNTS, COST, MIDNIGHT, UNASSIGNED, after
from litemaas.core.rollups import dimension_table, rollup_table
from litemaas.db.payers import with_payers

_SHOWN = {
    "cost_centre": ("cost_centre",),
    "team": ("cost_centre", "team_id", "team_name"),
    "user": ("cost_centre", "user_id", "user_name"),
    "key": ("cost_centre", "team_name", "user_name", "key_id", "key_name"),
    "model": ("cost_centre", "model"),
}
_TOLD_BY: dict[str, tuple[str, tuple[str, ...]]] = {
    "cost_centre": ("payer", ()),
    "team": ("team", ("team_id",)),
    "user": ("user", ("user_id",)),
    "key": ("key", ("team_id", "user_id", "key_hash")),
    "model": ("payer", ("model",)),
}
"""The smallest cube that tells a group, and what it is told by beside the cost centre."""
_NAMES = {
    "team_name": "coalesce(teams.name, moved.team_id)",
    "user_name": "coalesce(users.username, moved.user_id)",
    "key_name": "coalesce(k.alias, k.key_name, CASE moved.key_hash WHEN 'master' THEN 'master key' ELSE moved.key_hash END)",
    "key_id": "moved.key_hash",
}
"""As they are called now; deleted ones by their ids."""
_NAMED_IN = {
    "team_id": "LEFT JOIN teams ON teams.id = moved.team_id",
    "user_id": "LEFT JOIN users ON users.id = moved.user_id",
    "key_hash": "LEFT JOIN virtual_keys k ON k.key_hash = moved.key_hash",
}
_OF_CELLS = {
    "requests": "CASE WHEN status <> 'refused' THEN calls ELSE 0 END",
    "prompt_tokens": "prompt_tokens",
    "completion_tokens": "completion_tokens",
    "pages": "pages",
    "input_cost_nano": "input_cost_nano",
    "output_cost_nano": "output_cost_nano",
    "other_cost_nano": "cost_nano - input_cost_nano - output_cost_nano",
}
_SUMS = ", ".join(f"sum({amount})::bigint AS {amount}" for amount in AMOUNTS)


def _ledger(group: str, month: str) -> str:
    """What cells say of a month (``month``, ``month_after``: bound dates), not yet added up."""
    cube, members = _TOLD_BY[group]
    start, end = MIDNIGHT.format(f":{month}"), MIDNIGHT.format(f":{month}_after")
    columns = ", ".join([f"coalesce(nullif(cost_centre, ''), '{UNASSIGNED}') AS cost_centre", *members])
    counted = ", ".join(f"{value} AS {amount}" for amount, value in _OF_CELLS.items())
    less = ", ".join(f"-({value})" for value in _OF_CELLS.values())
    # Strangers are told apart by key only; what they wrote as a model is nowhere in the cells.
    of_strangers = columns.replace("model", "''")
    return f"""
        SELECT {columns}, {counted} FROM {rollup_table(cube, "month")} JOIN {dimension_table(cube)} ON id = dimension_id
        WHERE at = {start}
        UNION ALL
        SELECT {columns}, {counted} FROM {with_payers("usage_deltas")} WHERE at >= {start} AND at < {end} AND key_hash <> ''
        UNION ALL
        SELECT {of_strangers}, {less} FROM {rollup_table("key", "month")} JOIN {dimension_table("key")} ON id = dimension_id
        WHERE at = {start} AND key_hash = ''
    """  # noqa: S608 — names of ours, values apart


def _billed(group: str, month: str) -> str:
    """What was billed for a month that is closed, in whichever month, taken away."""
    members = ", ".join("key_id AS key_hash" if name == "key_hash" else name for name in _TOLD_BY[group][1])
    less = ", ".join(f"-{amount} AS {amount}" for amount in AMOUNTS)
    return f"""
        SELECT cost_centre{", " if members else ""}{members}, {less} FROM chargeback_lines
        WHERE day >= CAST(:{month} AS date) AND day < CAST(:{month}_after AS date)
    """  # noqa: S608 — as above


def _dates(name: str, month: date) -> dict[str, date]:
    return {name: month, f"{name}_after": after(month)}


async def open_month(
    connection: AsyncConnection, month: date, corrected: Sequence[date], group: str, cost_centre: str | None
) -> Sequence[Row[Any]]:
    """Sums by a group, the dearest first. ``corrected``: closed months whose ledger has changed since."""
    members = ", ".join(("cost_centre", *_TOLD_BY[group][1]))
    values: dict[str, Any] = {"cost_centre": cost_centre, **_dates("own", month)}
    parts = [f"SELECT {members}, false AS correction, {_SUMS} FROM ({_ledger(group, 'own')}) AS own GROUP BY {members}"]  # noqa: S608 — as above
    for place, earlier in enumerate(corrected):
        values |= _dates(name := f"closed{place}", earlier)
        difference = f"{_ledger(group, name)} UNION ALL {_billed(group, name)}"
        parts.append(f"SELECT {members}, true AS correction, {_SUMS} FROM ({difference}) AS late GROUP BY {members}")  # noqa: S608 — as above
    shown = ", ".join(f"{_NAMES.get(name, f'moved.{name}')} AS {name}" for name in _SHOWN[group])
    amounts = ", ".join(f"moved.{amount}" for amount in AMOUNTS)
    named = " ".join(_NAMED_IN[member] for member in _TOLD_BY[group][1] if member in _NAMED_IN)
    lines = f"SELECT {shown}, correction, {amounts} FROM ({' UNION ALL '.join(parts)}) AS moved {named}"  # noqa: S608 — as above
    return await _statement(connection, lines, values, group)


async def closed_month(
    connection: AsyncConnection, month: date, group: str, cost_centre: str | None
) -> Sequence[Row[Any]]:
    """As it was billed, with the names of then."""
    lines = "SELECT * FROM chargeback_lines WHERE month = CAST(:month AS date)"
    return await _statement(connection, lines, {"month": month, "cost_centre": cost_centre}, group)


async def _statement(connection: AsyncConnection, lines: str, values: dict[str, Any], group: str) -> Sequence[Row[Any]]:
    columns = ", ".join(_SHOWN[group])
    if values["cost_centre"] is None:
        del values["cost_centre"]
    chosen = "WHERE cost_centre = :cost_centre" if "cost_centre" in values else ""
    asked = f"""
        SELECT {columns}, {_SUMS}, sum{COST}::bigint AS cost_nano,
            coalesce(sum{COST} FILTER (WHERE correction), 0)::bigint AS corrections_nano
        FROM ({lines}) AS lines {chosen} GROUP BY {columns}
        HAVING {" OR ".join(f"sum({amount}) <> 0" for amount in AMOUNTS)} ORDER BY cost_nano DESC, {columns}
    """  # noqa: S608 — as above
    return (await connection.execute(text(asked), values)).all()


async def changed_since_closing(connection: AsyncConnection, before: date) -> list[date]:
    """Closed months before ``before`` of which the ledger does not say any more what was billed."""
    closed = await connection.execute(
        text("SELECT month FROM closed_months WHERE month < :before ORDER BY month"), {"before": before}
    )
    months = [row.month for row in closed]
    if not months:
        return []
    values: dict[str, Any] = {}
    parts = []
    for place, month in enumerate(months):
        values |= _dates(name := f"closed{place}", month)
        difference = f"{_ledger('cost_centre', name)} UNION ALL {_billed('cost_centre', name)}"
        changed = f"sum{COST} <> 0 OR sum(requests) <> 0"
        parts.append(f"SELECT {place} AS place FROM ({difference}) AS late HAVING {changed}")  # noqa: S608 — as above
    found = await connection.execute(text(f"{' UNION ALL '.join(parts)} ORDER BY place"), values)
    return [months[row.place] for row in found]
