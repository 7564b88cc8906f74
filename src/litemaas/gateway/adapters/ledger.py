"""How do usage records get into the ledger? By COPY in batches, settled in the same transaction, each at most once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg

from litemaas.core.ledger import COLUMNS
from litemaas.core.sources import Source
from litemaas.gateway.accountant import RecordsRejected
from litemaas.gateway.adapters.budget_events import note_events
from litemaas.gateway.records import JOURNAL_COLUMNS
from litemaas.gateway.sources import BETWEEN

if TYPE_CHECKING:
    from litemaas.gateway.adapters.postgres import Postgres

# Temporary tables live as long as the connection: made once, they cost the catalogue nothing per batch.
PREPARE = f"""
create temp table if not exists incoming (
    {", ".join(f"{name} {kind}" for name, kind in JOURNAL_COLUMNS)}
) on commit delete rows;
create temp table if not exists fresh (
    scope text, window_start timestamptz, cost bigint, requests bigint, leased bigint
) on commit delete rows
"""
_LED = f"starts_with(endpoint, '{Source.PLAYGROUND}{BETWEEN}')"
_READ = {
    "tags": "array(select left(t, 256) from jsonb_array_elements_text(tags) as t)",
    "endpoint": f"case when {_LED} then substr(endpoint, {len(Source.PLAYGROUND + BETWEEN) + 1}) else endpoint end",
    "source": f"case when {_LED} then '{Source.PLAYGROUND}' else '{Source.API}' end",
}
"""Columns that are not in the journal as they are in the ledger."""
_QUOTA = "starts_with(b.booking ->> 0, 'quota:')"
_USED = f"""case when not {_QUOTA} then i.cost_nano when i.status = 'refused' then 0
    when b.booking ->> 0 like '%/tokens' then (i.prompt_tokens + i.completion_tokens)::bigint else 1 end"""
"""What a record adds to a scope: nano-USD, or of a quota the request or its tokens (:mod:`~litemaas.gateway.quotas`)."""
_HELD = f"case when {_QUOTA} then {2**62} else i.held_nano end"
"""What of it is paid from the lease; what the lease does not have is taken off later."""
_STORE = f"""
with stored as (
    insert into usage_records ({", ".join(COLUMNS)})
    select {", ".join(_READ.get(column, column) for column in COLUMNS)} from incoming
    on conflict do nothing
    returning request_id, started_at
)
insert into fresh (scope, window_start, cost, requests, leased)
select b.booking ->> 0, (b.booking ->> 1)::timestamptz, sum(used), count(*), sum(least(used, held))
from stored s join incoming i using (request_id, started_at) cross join lateral jsonb_array_elements(i.bookings) as b(booking)
cross join lateral (select {_USED}, {_HELD}) as u(used, held)
group by 1, 2
"""  # noqa: S608 - column names of ours
_LOCK = """
with present as (
    insert into budget_windows (scope, window_start)
    select scope, window_start from fresh order by scope, window_start on conflict do nothing
)
select 1 from budget_windows w join fresh using (scope, window_start) order by w.scope, w.window_start for update of w
"""
_UNLEASE = """
update fresh f set leased = least(f.leased, coalesce(
    (select l.granted_nano from leases l where l.worker_id = $1 and l.scope = f.scope and l.window_start = f.window_start), 0
))
"""
_SETTLE = """
with returned as (
    update leases l set granted_nano = l.granted_nano - f.leased, updated_at = now()
    from fresh f where l.worker_id = $1 and l.scope = f.scope and l.window_start = f.window_start and f.leased > 0
)
update budget_windows w
set settled_nano = w.settled_nano + f.cost, leased_nano = w.leased_nano - f.leased, requests = w.requests + f.requests,
    updated_at = now()
from fresh f where w.scope = f.scope and w.window_start = f.window_start
"""

_NEVER_STORED = (asyncpg.DataError, asyncpg.NotNullViolationError, asyncpg.ProgramLimitExceededError)
"""What PostgreSQL says of values, however often they are sent: of a wrong kind, missing, or too large for an index."""


class Ledger:
    """Where the records of the worker ``worker_id`` go. ``customers_plan``: as in ``budget_events``."""

    def __init__(self, postgres: Postgres, worker_id: str, *, customers_plan: str | None = None) -> None:
        self._customers_plan = customers_plan
        self._postgres = postgres
        self._worker_id = worker_id

    async def store(self, lines: bytes) -> None:
        """Takes usage records and settles their cost, in one transaction; records that are there already change nothing.

        Errors: ServiceUnavailable; RecordsRejected when a line cannot be read.
        """
        async with self._postgres.connection() as connection:
            try:
                async with connection.transaction():
                    await connection.copy_to_table("incoming", source=_in_one_piece(lines), format="text")
                    await connection.execute(_STORE)
                    await connection.execute(_LOCK)
                    await connection.execute(_UNLEASE, self._worker_id)
                    await connection.execute(_SETTLE, self._worker_id)
                    await note_events(connection, self._customers_plan)
            except _NEVER_STORED as error:
                raise RecordsRejected(type(error).__name__) from error


async def _in_one_piece(lines: bytes) -> AsyncIterator[bytes]:
    """A source for COPY; of a file-like one asyncpg would read in a thread."""
    yield lines
