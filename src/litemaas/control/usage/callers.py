"""Who called? Keys, users and teams, counted and put in order; all are found in one go through the cells of keys."""

from __future__ import annotations

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.usage.cells import (
    Question,
    by_cube,
    cell_rows,
    cells_in,
    delta_source,
    narrowed,
    record_source,
    spans_in,
)
from litemaas.control.usage.figures import ask
from litemaas.control.usage.filters import UsageFilter, Values, where
from litemaas.core.rollups import dimension_table


class Callers(msgspec.Struct, frozen=True):
    """Keys, users or teams. ``active``: how many made a call that was not refused; those without a name do not count.

    ``dearest``: what those that cost most have cost, in nano-USD; ``busiest``: those with most calls, refused ones included.
    """

    active: int
    dearest: list[tuple[str, int]]
    busiest: list[str]


_EACH = {"keys": "key_hash", "users": "user_id", "teams": "team_id"}
_COUNTED = ("keys", "users")


async def callers(
    connection: AsyncConnection, wanted: UsageFilter, *, dearest: tuple[int, int, int] = (0, 0, 0), busiest: int = 0
) -> tuple[Callers, Callers, Callers]:
    """Keys, users and teams. ``dearest``: how many of each kind at most; ``busiest``: how many of every kind."""
    values = Values()
    question = Question(wanted, tuple(_EACH.values()), None, ("cost_nano", "requests"), None, values)
    ragged, whole = spans_in(question)
    rows = [
        "SELECT key_hash, coalesce(user_id, '') AS user_id, coalesce(team_id, '') AS team_id, status,"  # noqa: S608 — as all below: names of ours, values apart
        f" usage_sum(cost_nano) AS cost_nano, count(*) AS calls FROM {record_source(question, span)} GROUP BY 1, 2, 3, 4"
        for span in ragged
    ]
    rows += cell_rows(question, whole) if whole else []
    places = {kind: (values.place(most), values.place(busiest)) for kind, most in zip(_EACH, dearest, strict=True)}
    added = ", ".join(_added_up(kind, name) for kind, name in _EACH.items())
    answers = " UNION ALL ".join(_answers(kind, *places[kind]) for kind in _EACH)
    query = f"WITH calling AS MATERIALIZED ({' UNION ALL '.join(rows)}), {added} {answers}"
    found: dict[str, list[tuple[str, int]]] = {}
    for row in await ask(connection, query, values):
        found.setdefault(row.what, []).append((row.name, row.amount))
    keys, users, teams = (_told(found, kind) for kind in _EACH)
    return keys, users, teams


def _added_up(kind: str, name: str) -> str:
    return f"""
        {kind} AS MATERIALIZED (
            SELECT {name} AS name, usage_sum(cost_nano) AS cost_nano, usage_sum(calls) AS calls,
                usage_sum(calls) FILTER (WHERE status <> 'refused') AS called
            FROM calling GROUP BY 1
        )
    """  # noqa: S608


def _answers(kind: str, most_dearest: str, most_busiest: str) -> str:
    return f"""
        (SELECT '{kind} active' AS what, '' AS name, count(*) AS amount FROM {kind} WHERE called > 0 AND name <> '')
        UNION ALL (
            SELECT '{kind} dearest', name, cost_nano FROM {kind} ORDER BY cost_nano DESC, name
            LIMIT {most_dearest}::bigint
        )
        UNION ALL (
            SELECT '{kind} busiest', name, calls FROM {kind} WHERE name <> '' ORDER BY calls DESC, name
            LIMIT {most_busiest}::bigint
        )
    """  # noqa: S608


def _told(found: dict[str, list[tuple[str, int]]], kind: str) -> Callers:
    dearest, busiest = (
        sorted(found.get(f"{kind} {what}", []), key=lambda group: (-group[1], group[0]))
        for what in ("dearest", "busiest")
    )
    return Callers(found[f"{kind} active"][0][1], dearest, [name for name, _ in busiest])


async def count_active(connection: AsyncConnection, wanted: UsageFilter) -> tuple[int, int]:
    """How many keys, and users, made a call that reached a model or failed on the way; those without a name do not count.

    Nothing is added up: for most of it, the index of the cells is enough.
    """
    values = Values()
    each = {kind: _EACH[kind] for kind in _COUNTED}
    names = ", ".join(each.values())
    question = Question(wanted, tuple(each.values()), None, (), None, values)
    ragged, whole = spans_in(question)
    called = "status <> 'refused'"
    rows = [
        f"SELECT DISTINCT key_hash, coalesce(user_id, '') AS user_id FROM {record_source(question, span, [called])}"  # noqa: S608
        for span in ragged
    ]
    if whole:
        rows.append(f"SELECT {names} FROM {delta_source(question, whole, [called])}")  # noqa: S608
    for cube, spans in by_cube(question, whole):
        cells = " UNION ALL ".join(cells_in(question, cube, span, "dimension_id") for span in spans)
        named = where([*narrowed(question), called, f"id IN ({cells})"])
        rows.append(f"SELECT {names} FROM {dimension_table(cube)}{named}")  # noqa: S608
    keys, users = (
        f"(SELECT count(*) FROM (SELECT DISTINCT {name} FROM calling WHERE {name} <> '') AS who) AS {kind}"  # noqa: S608
        for kind, name in each.items()
    )
    query = f"WITH calling AS MATERIALIZED ({' UNION ALL '.join(rows)}) SELECT {keys}, {users}"
    found = (await ask(connection, query, values))[0]
    return found.keys, found.users
