"""Do ledger, rollups, budgets and engines tell the same? Prints a line per comparison, and every number that differs."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, date, datetime

import asyncpg

from litemaas.cli.reconcile_engines import check_engines
from litemaas.cli.wording import describe_database_error
from litemaas.db.connect import connector
from litemaas.db.reconciliation import Check, Difference, Span, check_everything, kept_span
from litemaas.db.rollups import rebuild

EQUAL, DIFFERS, UNKNOWN = 0, 1, 2
_SHOWN = 50
_HEAD = ("what", "where", "unit", "expected", "found", "difference")


def reconcile(
    database_url: str | None, first: str | None, last: str | None, *, with_engines: bool, with_rebuild: bool
) -> int:
    """The exit status: 0 when everything is equal, 1 when something differs, 2 when that cannot be known."""
    if not database_url:
        return _give_up("LITEMAAS_DATABASE_URL must be set")
    try:
        days = _day(first), _day(last)
    except ValueError:
        return _give_up("dates are written like 2026-11-23")
    try:
        checks = asyncio.run(_check(database_url, days, with_engines=with_engines, with_rebuild=with_rebuild))
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return _give_up(f"the database cannot be used: {describe_database_error(error)}")
    return _show(checks)


async def _check(
    database_url: str, days: tuple[date | None, date | None], *, with_engines: bool, with_rebuild: bool
) -> list[Check]:
    connection = await connector(database_url, "litemaas-reconcile")()
    try:
        span = await kept_span(connection, *days)
        print(f"From {span.first} to {span.end} ({span.zone}, out); the records of other days are not compared.")
        if with_rebuild:
            await _rebuild(connection, span)
        checks = await check_everything(connection, span)
        if with_engines:
            checks.append(await check_engines(connection))
        return checks
    finally:
        await connection.close(timeout=5)


async def _rebuild(connection: asyncpg.Connection, span: Span) -> None:
    await rebuild(connection, span.first, span.end)
    print(f"The rollups of {(span.end - span.first).days} days were counted anew.")


def _show(checks: list[Check]) -> int:
    differences = [difference for check in checks for difference in check.differences]
    for check in checks:
        state = f"{len(check.differences)} differ" if check.differences else "equal"
        print(f"  {check.what}: {check.compared} compared, {state}")
        for note in check.notes[:_SHOWN]:
            print(f"    {note}")
        if len(check.notes) > _SHOWN:
            print(f"    and {len(check.notes) - _SHOWN} more")
    if not differences:
        print("Everything is equal.")
        return EQUAL
    print()
    _print_table([_HEAD, *(_row(difference) for difference in differences[:_SHOWN])])
    if len(differences) > _SHOWN:
        print(f"and {len(differences) - _SHOWN} more")
    print(f"{len(differences)} differ.")
    return DIFFERS


def _row(difference: Difference) -> tuple[str, ...]:
    expected, found = difference.expected, difference.found
    return (difference.what, difference.where, difference.unit, f"{expected:,}", f"{found:,}", f"{found - expected:+,}")


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _day(written: str | None) -> date | None:
    return None if written is None else datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC).date()


def _give_up(why: str) -> int:
    print(f"litemaas: {why}", file=sys.stderr)
    return UNKNOWN
