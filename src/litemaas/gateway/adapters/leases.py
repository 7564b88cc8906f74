"""How do workers share budgets through PostgreSQL? They register, draw leases, give them back and sign off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litemaas.gateway.budgets import Grant

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from litemaas.gateway.adapters.postgres import Postgres


class Leases:
    """The leases of the worker ``worker_id``. Every method: ServiceUnavailable when the database does not answer."""

    def __init__(self, postgres: Postgres, worker_id: str) -> None:
        self._postgres = postgres
        self._worker_id = worker_id

    async def register_worker(self, host: str, pid: int) -> None:
        """Tells that this worker lives. Leases of an earlier life come back: its journal has been replayed before."""
        async with self._postgres.connection() as connection, connection.transaction():
            await connection.execute(
                "insert into workers (worker_id, host, pid, started_at, heartbeat_at) values ($1, $2, $3, now(), now()) "
                "on conflict (worker_id) do update set host = $2, pid = $3, started_at = now(), heartbeat_at = now()",
                self._worker_id, host, pid,
            )  # fmt: skip
            await self._return_leases(connection, self._worker_id)

    async def _return_leases(self, connection: asyncpg.Connection, worker_id: str) -> None:
        await connection.execute(
            "select 1 from budget_windows w join leases l using (scope, window_start) where l.worker_id = $1 "
            "order by w.scope, w.window_start for update of w",
            worker_id,
        )
        await connection.execute(
            "with gone as (delete from leases where worker_id = $1 returning scope, window_start, granted_nano) "
            "update budget_windows w set leased_nano = w.leased_nano - g.granted_nano, updated_at = now() "
            "from gone g where w.scope = g.scope and w.window_start = g.window_start",
            worker_id,
        )

    async def heartbeat(self) -> None:
        async with self._postgres.connection() as connection:
            await connection.execute("update workers set heartbeat_at = now() where worker_id = $1", self._worker_id)

    async def sign_off(self) -> None:
        """Returns every lease; only after the last record has been stored."""
        await self.return_leases_of(self._worker_id)

    async def return_leases_of(self, worker_id: str) -> None:
        """Ends a worker that is known to be dead; only after the last record of its journal has been stored."""
        async with self._postgres.connection() as connection, connection.transaction():
            await self._return_leases(connection, worker_id)
            await connection.execute("delete from workers where worker_id = $1", worker_id)

    async def draw(self, scope: str, window_start: datetime, limit_nano: int, want_nano: int) -> Grant:
        async with self._postgres.connection() as connection, connection.transaction():
            await connection.execute(
                "insert into budget_windows (scope, window_start) values ($1, $2) on conflict do nothing",
                scope,
                window_start,
            )
            row = await connection.fetchrow(
                "select settled_nano, leased_nano from budget_windows where scope = $1 and window_start = $2 for update",
                scope, window_start,
            )  # fmt: skip
            settled, leased = row["settled_nano"], row["leased_nano"]
            granted = max(0, min(want_nano, limit_nano - settled - leased))
            if granted:
                await connection.execute(
                    "update budget_windows set leased_nano = leased_nano + $3, updated_at = now() "
                    "where scope = $1 and window_start = $2",
                    scope, window_start, granted,
                )  # fmt: skip
                await connection.execute(
                    "insert into leases as l (worker_id, scope, window_start, granted_nano, updated_at) "
                    "values ($1, $2, $3, $4, now()) on conflict (worker_id, scope, window_start) "
                    "do update set granted_nano = l.granted_nano + excluded.granted_nano, updated_at = now()",
                    self._worker_id, scope, window_start, granted,
                )  # fmt: skip
            return Grant(granted, settled, leased + granted)

    async def give_back(self, scope: str, window_start: datetime, amount_nano: int) -> None:
        async with self._postgres.connection() as connection, connection.transaction():
            await connection.execute(
                "select 1 from budget_windows where scope = $1 and window_start = $2 for update", scope, window_start
            )
            await connection.execute(
                "with l as (update leases set granted_nano = greatest(0, granted_nano - $4), updated_at = now() "
                "where worker_id = $1 and scope = $2 and window_start = $3 and granted_nano >= $4 returning 1) "
                "update budget_windows set leased_nano = leased_nano - $4, updated_at = now() "
                "where scope = $2 and window_start = $3 and exists (select 1 from l)",
                self._worker_id, scope, window_start, amount_nano,
            )  # fmt: skip
