"""Where are limits and spend of users and teams read and written? ``budgets`` and ``budget_windows``, always many at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Column, Row, Text, any_, case, func, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import budget_windows, budgets

Place = tuple[str, datetime]
"""A scope and the start of one of its windows."""


async def limits_of(connection: AsyncConnection, scopes: Collection[str], *, lock: bool = False) -> dict[str, Row[Any]]:
    if not scopes:
        return {}
    found = select(budgets).where(budgets.c.scope == any_(literal(list(scopes), ARRAY(Text)))).order_by(budgets.c.scope)
    return {row.scope: row for row in await connection.execute(found.with_for_update() if lock else found)}


async def put_limits(
    connection: AsyncConnection, scopes: Collection[str], values: Mapping[str, Any], actor: str, now: datetime
) -> list[str]:
    """Sets the named members of all these scopes in one statement; returns the scopes that are different now."""
    stamps = {"updated_at": now, "updated_by": actor}
    made = {"budget_set_at": now, "created_at": now, "created_by": actor, **stamps, **values}
    wanted = func.unnest(literal(list(scopes), ARRAY(Text)))
    rows = select(wanted, *(literal(value, budgets.c[name].type) for name, value in made.items()))
    statement = insert(budgets).from_select(["scope", *made], rows)
    new = statement.excluded
    changes: dict[str, Any] = {name: new[name] for name in (*values, *stamps)}
    if "budget_duration" in values:
        differs = budgets.c.budget_duration.is_distinct_from(new.budget_duration)
        changes["budget_set_at"] = case((differs, new.budget_set_at), else_=budgets.c.budget_set_at)
    put = statement.on_conflict_do_update(
        index_elements=["scope"], set_=changes,
        where=or_(*(_distinct(budgets.c[name], new[name]) for name in values)),
    ).returning(budgets.c.scope)  # fmt: skip
    return list((await connection.execute(put)).scalars())


def _distinct(old: Column[Any], new: Any) -> Any:
    return old.is_distinct_from(new)


async def settled(connection: AsyncConnection, places: Sequence[Place]) -> dict[Place, int]:
    """What is booked; windows without bookings are missing. Units: nano-USD."""
    if not places:
        return {}
    names, starts = _split(places)
    starts_of = literal(starts, ARRAY(budget_windows.c.window_start.type))
    asked = select(func.unnest(literal(names, ARRAY(Text))), func.unnest(starts_of))
    found = select(budget_windows).where(tuple_(budget_windows.c.scope, budget_windows.c.window_start).in_(asked))
    return {(row.scope, row.window_start): row.settled_nano for row in await connection.execute(found)}


async def put_settled(connection: AsyncConnection, booked: Mapping[Place, int]) -> None:
    """Units: nano-USD. What workers have leased stays theirs."""
    if not booked:
        return
    names, starts = _split(list(booked))
    rows = select(
        func.unnest(literal(names, ARRAY(Text))),
        func.unnest(literal(starts, ARRAY(budget_windows.c.window_start.type))),
        func.unnest(literal(list(booked.values()), ARRAY(budget_windows.c.settled_nano.type))),
    )
    statement = insert(budget_windows).from_select(["scope", "window_start", "settled_nano"], rows)
    new = {"settled_nano": statement.excluded.settled_nano, "updated_at": func.now()}
    await connection.execute(statement.on_conflict_do_update(index_elements=["scope", "window_start"], set_=new))


def _split(places: Sequence[Place]) -> tuple[list[str], list[datetime]]:
    return [scope for scope, _ in places], [start for _, start in places]
