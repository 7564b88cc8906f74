"""What was used in a month, line by line, for files and for closing it?

As the ledger has it while the month is open, as it was frozen once it is closed.

A line is one day of one key, model, price version and cost centre. The cost centre of a call is that of its key, else of its
team, else of its user, as it was at the moment of the call. Records that come in for a month that is closed are lines of
the first open month after it, marked as corrections. Statements take their sums from the rollups (``statements``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.zones import ZONE

UNASSIGNED = "unassigned"
_KEYS = (
    "day", "cost_centre", "team_id", "team_name", "user_id", "user_name", "key_id", "key_name", "model", "price_version"
)  # fmt: skip
AMOUNTS = (
    "requests", "prompt_tokens", "completion_tokens", "pages", "input_cost_nano", "output_cost_nano", "other_cost_nano"
)  # fmt: skip
COST = "(input_cost_nano + output_cost_nano + other_cost_nano)"
MIDNIGHT = f"(CAST({{}} AS date)::timestamp AT TIME ZONE {ZONE})"

_LEDGER = f"""
    WITH owned AS (
        SELECT kind, id, cost_centre, since, lead(since, 1, 'infinity') OVER (PARTITION BY kind, id ORDER BY since) AS until
        FROM cost_centres
    ), calls AS (
        SELECT (r.started_at AT TIME ZONE {ZONE})::date AS day,
            coalesce(k.cost_centre, t.cost_centre, u.cost_centre, '{UNASSIGNED}') AS cost_centre,
            coalesce(r.team_id, '') AS team_id, coalesce(r.user_id, '') AS user_id, r.key_hash AS key_id, r.model,
            coalesce(r.price_version, 0) AS price_version,
            count(*) FILTER (WHERE r.status <> 'refused') AS requests, sum(r.prompt_tokens) AS prompt_tokens,
            sum(r.completion_tokens) AS completion_tokens, sum(r.pages) AS pages,
            sum(r.input_cost_nano)::bigint AS input_cost_nano, sum(r.output_cost_nano)::bigint AS output_cost_nano,
            sum(r.cost_nano - r.input_cost_nano - r.output_cost_nano)::bigint AS other_cost_nano
        FROM usage_records r
        LEFT JOIN owned k ON k.kind = 'key' AND k.id = r.key_hash AND r.started_at >= k.since AND r.started_at < k.until
        LEFT JOIN owned t ON t.kind = 'team' AND t.id = r.team_id AND r.started_at >= t.since AND r.started_at < t.until
        LEFT JOIN owned u ON u.kind = 'user' AND u.id = r.user_id AND r.started_at >= u.since AND r.started_at < u.until
        WHERE r.started_at >= {MIDNIGHT.format(":first")} AND r.started_at < {MIDNIGHT.format(":after")} AND r.key_hash <> ''
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    )
    SELECT day, calls.cost_centre, calls.team_id, coalesce(teams.name, calls.team_id) AS team_name, calls.user_id,
        coalesce(users.username, calls.user_id) AS user_name, key_id,
        coalesce(keys.alias, keys.key_name, CASE key_id WHEN 'master' THEN 'master key' ELSE key_id END) AS key_name,
        calls.model, calls.price_version, {", ".join(f"calls.{amount}" for amount in AMOUNTS)}
    FROM calls LEFT JOIN teams ON teams.id = calls.team_id LEFT JOIN users ON users.id = calls.user_id
    LEFT JOIN virtual_keys keys ON keys.key_hash = calls.key_id
"""  # noqa: S608 — names of ours, values apart
_BILLED = "day, cost_centre, team_id, user_id, key_id, model, price_version"
_CORRECTIONS = f"""
    SELECT {", ".join(f"max({name}) AS {name}" if name.endswith("_name") else name for name in _KEYS)}, true AS correction,
        {", ".join(f"sum({amount})::bigint AS {amount}" for amount in AMOUNTS)}
    FROM (
        SELECT {", ".join((*_KEYS, *AMOUNTS))} FROM ({_LEDGER}) AS now
        UNION ALL
        SELECT {", ".join((*_KEYS, *(f"-{amount}" for amount in AMOUNTS)))} FROM chargeback_lines
        WHERE day >= CAST(:first AS date) AND day < CAST(:after AS date)
    ) AS difference
    GROUP BY {_BILLED} HAVING {" OR ".join(f"sum({amount}) <> 0" for amount in AMOUNTS)}
"""  # noqa: S608 — as above
_COLUMNS = (*_KEYS, "correction", *AMOUNTS)


def lines(month: date, corrected: Sequence[date], *, closed: bool) -> tuple[str, dict[str, Any]]:
    """The lines of a month as SQL, with its values. ``corrected``: closed months whose ledger has changed since."""
    if closed:
        columns = ", ".join(_COLUMNS)
        return f"SELECT {columns} FROM chargeback_lines WHERE month = CAST(:month AS date)", {"month": month}  # noqa: S608
    values: dict[str, Any] = {"first": month, "after": after(month)}
    own = f"SELECT {', '.join(_KEYS)}, false AS correction, {', '.join(AMOUNTS)} FROM ({_LEDGER}) AS own"  # noqa: S608
    parts = [own]
    for place, earlier in enumerate(corrected):
        parts.append(_CORRECTIONS.replace(":first", f":first{place}").replace(":after", f":after{place}"))
        values |= {f"first{place}": earlier, f"after{place}": after(earlier)}
    return " UNION ALL ".join(f"({part})" for part in parts), values


def after(month: date) -> date:
    """The first day of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


async def closed_month(connection: AsyncConnection, month: date) -> Row[Any] | None:
    found = await connection.execute(
        text("SELECT * FROM closed_months WHERE month = CAST(:month AS date)"), {"month": month}
    )
    return found.first()


async def closed_months(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(text("SELECT * FROM closed_months ORDER BY month DESC"))).all()


def ordered(source: tuple[str, Mapping[str, Any]], cost_centre: str | None) -> TextClause:
    """All lines in an order that is always the same; with the price that each was charged with."""
    query, values = source
    chosen = "WHERE cost_centre = :cost_centre" if cost_centre is not None else ""
    asked = f"""
        SELECT lines.*, prices.input_per_million, prices.output_per_million, prices.page_per_million,
            prices.discount_millionths, prices.margin_millionths
        FROM ({query}) AS lines LEFT JOIN prices ON prices.version = lines.price_version {chosen}
        ORDER BY day, cost_centre, key_id, model, price_version, correction, team_id, user_id
    """  # noqa: S608 — as above
    return text(asked).bindparams(**values, **({"cost_centre": cost_centre} if cost_centre is not None else {}))


async def freeze(
    connection: AsyncConnection, month: date, source: tuple[str, Mapping[str, Any]], currency: str, actor: str
) -> int:
    """Writes the month's lines for good; returns how many."""
    await connection.execute(
        text("INSERT INTO closed_months (month, currency, closed_by) VALUES (:month, :currency, :actor)"),
        {"month": month, "currency": currency, "actor": actor},
    )
    query, values = source
    columns = ", ".join(_COLUMNS)
    insert = f"INSERT INTO chargeback_lines (month, {columns}) SELECT :closing, {columns} FROM ({query}) AS lines"  # noqa: S608
    return (await connection.execute(text(insert), {**values, "closing": month})).rowcount
