"""How do workers know of one another through PostgreSQL? Each has a row and a heartbeat; a silent one's leases come back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from litemaas.gateway.adapters.leases import lock_windows_of, return_all
from litemaas.gateway.heartbeat import Answer, Report, Silent

if TYPE_CHECKING:
    from litemaas.gateway.adapters.postgres import Postgres

_REGISTER = """
insert into workers (worker_id, host, pid, epoch, lost_after_s) values ($1, $2, $3, $4, $5)
on conflict (worker_id) do update
set host = $2, pid = $3, epoch = $4, lost_after_s = $5, started_at = now(), heartbeat_at = now()
"""
_RETURN_FREE = """
with free as (
    select scope, window_start, least(granted_nano, free_nano) as nano from leases where worker_id = $1
), taken as (
    update leases l set granted_nano = l.granted_nano - f.nano, drawn_nano = l.drawn_nano - f.nano, free_nano = 0
    from free f where l.worker_id = $1 and l.scope = f.scope and l.window_start = f.window_start
)
update budget_windows w set leased_nano = w.leased_nano - f.nano, updated_at = now()
from free f where w.scope = f.scope and w.window_start = f.window_start and f.nano > 0
"""
_BEAT = "update workers set heartbeat_at = now() where worker_id = $1 and epoch = $2 returning heartbeat_at"
# Rows that a settlement has locked are reported at the next beat: waiting for them could end in a deadlock.
_REPORT = """
with mine as (
    select l.scope, l.window_start, r.free_nano
    from unnest($2::text[], $3::timestamptz[], $4::bigint[]) as r (scope, window_start, free_nano)
    join leases l using (scope, window_start) where l.worker_id = $1 for update of l skip locked
)
update leases l set free_nano = m.free_nano from mine m
where l.worker_id = $1 and l.scope = m.scope and l.window_start = m.window_start
"""
_RECALLED = """
select l.scope, l.window_start from leases l join budget_windows w using (scope, window_start)
where l.worker_id = $1 and l.free_nano > 0 and w.recalled_at > now() - interval '15 seconds'
"""
_SILENT = """
select worker_id, epoch, heartbeat_at from workers
where worker_id <> $1 and heartbeat_at < now() - make_interval(secs => lost_after_s)
"""


_LOADS = "update workers set loads = $2::jsonb where worker_id = $1"


class Workers:
    """The row of the worker ``worker_id`` and the others'. Every method: ServiceUnavailable."""

    def __init__(self, postgres: Postgres, worker_id: str) -> None:
        self._postgres = postgres
        self._worker_id = worker_id

    async def register_worker(
        self, host: str, pid: int, epoch: int, lost_after_s: float, *, keeps_leases: bool = False
    ) -> None:
        """Tells that this worker lives. Leases of an earlier life come back: its journal has been replayed before."""
        async with self._postgres.connection() as connection, connection.transaction():
            await connection.execute(_REGISTER, self._worker_id, host, pid, epoch, lost_after_s)
            if not keeps_leases:
                await return_all(connection, self._worker_id)

    async def sign_off(self, epoch: int) -> None:
        """Returns every lease; only after the last record has been stored. Another process's of this name stay."""
        async with self._postgres.connection() as connection, connection.transaction():
            now = await connection.fetchval(
                "select epoch from workers where worker_id = $1 for update", self._worker_id
            )
            if now is None or now == epoch:
                await return_all(connection, self._worker_id)
                await connection.execute("delete from workers where worker_id = $1", self._worker_id)

    async def beat(self, epoch: int, reports: Sequence[Report]) -> Answer:
        async with self._postgres.connection() as connection:
            alive = await connection.fetchval(_BEAT, self._worker_id, epoch) is not None
            if alive and reports:
                columns = ([getattr(report, name) for report in reports] for name in Report.__struct_fields__)
                await connection.execute(_REPORT, self._worker_id, *columns)
            recalled = await connection.fetch(_RECALLED, self._worker_id)
            silent = await connection.fetch(_SILENT, self._worker_id)
        return Answer(
            alive=alive,
            recalled=[(row["scope"], row["window_start"]) for row in recalled],
            silent=[Silent(row["worker_id"], row["epoch"], row["heartbeat_at"]) for row in silent],
        )

    async def tell_loads(self, loads: bytes) -> None:
        """``loads``: a JSON array of :class:`litemaas.gateway.loads.Load`."""
        async with self._postgres.connection() as connection:
            await connection.execute(_LOADS, self._worker_id, loads.decode())

    async def take_back(self, lost: Silent) -> bool:
        """Ends a silent worker: what it had neither held nor spent at its last heartbeat comes back.

        The rest stays leased to it, because nobody can prove that it is unspent, until it registers again. False when it has
        been heard of, or somebody else was faster.
        """
        async with self._postgres.connection() as connection, connection.transaction():
            gone = await connection.fetchval(
                "delete from workers where worker_id = $1 and epoch = $2 and heartbeat_at = $3 returning true",
                lost.worker_id, lost.epoch, lost.heartbeat_at,
            )  # fmt: skip
            if gone:
                await lock_windows_of(connection, lost.worker_id)
                await connection.execute(_RETURN_FREE, lost.worker_id)
                await connection.execute("delete from leases where worker_id = $1 and granted_nano = 0", lost.worker_id)
            return bool(gone)
