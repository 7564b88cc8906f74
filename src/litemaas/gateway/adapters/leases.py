"""How do workers share budgets through PostgreSQL? They draw leases, give them back, and call back what others do not need.

Whoever changes a lease holds the lock on its window's row, and locks the rows of several windows in their order.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from litemaas.gateway.leasing import Grant, Lease

if TYPE_CHECKING:
    import asyncpg

    from litemaas.gateway.adapters.postgres import Postgres

CHANNEL = "litemaas_leases"
_WINDOW = (
    "select settled_nano, leased_nano, recalled_at > now() - interval '10 seconds' as recalled from budget_windows \
where scope = $1 and window_start = $2 for update"
)
_OWN = "select granted_nano, drawn_nano, life, serial from leases where worker_id = $1 and scope = $2 and window_start = $3"
_OTHERS = """
select l.worker_id from leases l join workers w using (worker_id)
where l.scope = $1 and l.window_start = $2 and l.granted_nano > 0 and l.worker_id <> $3
  and w.heartbeat_at > now() - interval '15 seconds'
"""


_LOCK_WINDOWS = """
select 1 from budget_windows w join leases l using (scope, window_start) where l.worker_id = $1
order by w.scope, w.window_start for update of w
"""
_RETURN_ALL = """
with gone as (delete from leases where worker_id = $1 returning scope, window_start, granted_nano)
update budget_windows w set leased_nano = w.leased_nano - g.granted_nano, updated_at = now()
from gone g where w.scope = g.scope and w.window_start = g.window_start
"""


class LeaseNews(msgspec.Struct, frozen=True, array_like=True):
    """What workers tell one another. ``kind``: ``recall`` or ``back``. ``nano``: what has come back, in nano-USD."""

    kind: str
    scope: str
    window_start: datetime
    worker_id: str
    nano: int = 0


def read_news(payload: str) -> LeaseNews | None:
    try:
        return msgspec.json.decode(payload, type=LeaseNews)
    except msgspec.MsgspecError:
        return None


async def lock_windows_of(connection: asyncpg.Connection, worker_id: str) -> None:
    """Locks the windows that a worker has leases on, in their order."""
    await connection.execute(_LOCK_WINDOWS, worker_id)


async def return_all(connection: asyncpg.Connection, worker_id: str) -> None:
    """Returns every lease of a worker of whom it is known what it has spent."""
    await lock_windows_of(connection, worker_id)
    await connection.execute(_RETURN_ALL, worker_id)


class Leases:
    """The leases of the worker ``worker_id``. Every method: ServiceUnavailable when the database does not answer."""

    def __init__(self, postgres: Postgres, worker_id: str) -> None:
        self._postgres = postgres
        self._worker_id = worker_id

    async def draw(self, lease: Lease, limit_nano: int, want_nano: int, need_nano: int, free_nano: int) -> Grant:
        place = lease.scope, lease.window_start
        async with self._postgres.connection() as connection, connection.transaction():
            await connection.execute(
                "insert into budget_windows (scope, window_start) values ($1, $2) on conflict do nothing", *place
            )
            window = await connection.fetchrow(_WINDOW, *place)
            own = await connection.fetchrow(_OWN, self._worker_id, *place)
            settled, leased = window["settled_nano"], window["leased_nano"]
            if _is_late(lease, own):
                return Grant(0, settled, leased, own["drawn_nano"])
            kept, drawn = (own["granted_nano"], own["drawn_nano"]) if own is not None else (0, 0)
            surplus = 0
            if own is not None and own["life"] != lease.life:  # a life ends when all it spent is settled
                surplus, kept, drawn = kept, 0, 0
            free = max(0, free_nano - max(0, lease.drawn - drawn))
            granted = max(0, min(want_nano, limit_nano - settled - leased + surplus))
            leased += granted - surplus
            if granted or own is not None or lease.serial > 1:
                await connection.execute(
                    "insert into leases as l "
                    "(worker_id, scope, window_start, granted_nano, drawn_nano, free_nano, life, serial) "
                    "values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (worker_id, scope, window_start) do update set "
                    "granted_nano = $4, drawn_nano = $5, free_nano = $6, life = $7, serial = $8, "
                    "updated_at = now()",
                    self._worker_id, *place, kept + granted, drawn + granted, free + granted, lease.life, lease.serial,
                )  # fmt: skip
            if granted != surplus:
                await connection.execute(
                    "update budget_windows set leased_nano = $3, updated_at = now() where scope = $1 and window_start = $2",
                    *place, leased,
                )  # fmt: skip
            others: tuple[str, ...] = ()
            if granted < need_nano:
                others = await self._recall(connection, place)
            return Grant(granted, settled, leased, drawn + granted, others)

    async def _recall(self, connection: asyncpg.Connection, place: tuple[str, datetime]) -> tuple[str, ...]:
        """Tells the workers that have leases; those that miss it see it in the window's row at their next heartbeat."""
        rows = await connection.fetch(_OTHERS, *place, self._worker_id)
        if rows:
            await connection.execute(
                "update budget_windows set recalled_at = now() where scope = $1 and window_start = $2", *place
            )
            await self._tell(connection, "recall", place)
        return tuple(row["worker_id"] for row in rows)

    async def give_back(self, lease: Lease, amount_nano: int, *, answers: bool) -> Grant:
        place = lease.scope, lease.window_start
        async with self._postgres.connection() as connection, connection.transaction():
            window = await connection.fetchrow(_WINDOW, *place)
            own = await connection.fetchrow(_OWN, self._worker_id, *place)
            settled, leased = (window["settled_nano"], window["leased_nano"]) if window is not None else (0, 0)
            back = drawn = 0
            if own is not None and own["life"] == lease.life:
                drawn = own["drawn_nano"]
                if not _is_late(lease, own):
                    back = max(0, min(amount_nano - max(0, lease.drawn - drawn), own["granted_nano"]))
                    await connection.execute(
                        "update leases set granted_nano = granted_nano - $4, drawn_nano = drawn_nano - $4, free_nano = 0, "
                        "serial = $5, updated_at = now() where worker_id = $1 and scope = $2 and window_start = $3",
                        self._worker_id, *place, back, lease.serial,
                    )  # fmt: skip
            if back:
                await connection.execute(
                    "update budget_windows set leased_nano = leased_nano - $3, updated_at = now() "
                    "where scope = $1 and window_start = $2",
                    *place, back,
                )  # fmt: skip
            if answers or (back and window["recalled"]):
                await self._tell(connection, "back", place, back)
            return Grant(-back, settled, leased - back, drawn - back)

    async def end(self, lease: Lease) -> None:
        place = lease.scope, lease.window_start
        async with self._postgres.connection() as connection, connection.transaction():
            window = await connection.fetchrow(_WINDOW, *place)
            own = await connection.fetchrow(_OWN, self._worker_id, *place)
            if own is None or _is_late(lease, own):
                return
            await connection.execute(
                "delete from leases where worker_id = $1 and scope = $2 and window_start = $3", self._worker_id, *place
            )
            if own["granted_nano"]:
                await connection.execute(
                    "update budget_windows set leased_nano = leased_nano - $3, updated_at = now() "
                    "where scope = $1 and window_start = $2",
                    *place, own["granted_nano"],
                )  # fmt: skip
                if window["recalled"]:
                    await self._tell(connection, "back", place, own["granted_nano"])

    async def answer(self, scope: str, window_start: datetime) -> None:
        async with self._postgres.connection() as connection:
            await self._tell(connection, "back", (scope, window_start))

    async def return_leases_of(self, worker_id: str) -> None:
        """Ends a worker that is known to be dead; only after the last record of its journal has been stored."""
        async with self._postgres.connection() as connection, connection.transaction():
            await connection.execute("delete from workers where worker_id = $1", worker_id)
            await return_all(connection, worker_id)

    async def _tell(
        self, connection: asyncpg.Connection, kind: str, place: tuple[str, datetime], nano: int = 0
    ) -> None:
        news = LeaseNews(kind, *place, self._worker_id, nano)
        await connection.execute("select pg_notify($1, $2)", CHANNEL, msgspec.json.encode(news).decode())


def _is_late(lease: Lease, own: Any) -> bool:
    """Whether a later request has been answered already: then nobody waits for this one any more."""
    return own is not None and (own["life"], own["serial"]) >= (lease.life, lease.serial)
