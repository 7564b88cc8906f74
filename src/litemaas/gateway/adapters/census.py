"""Which workers are alive, by PostgreSQL? Those that have renewed their row; it does not depend on Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from litemaas.gateway.adapters.postgres import Postgres

_ALIVE_WITHIN_S = 20.0
"""Four heartbeats."""


class WorkerCensus:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def alive(self) -> frozenset[str]:
        """Errors: ServiceUnavailable."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(
                "select worker_id from workers where heartbeat_at > now() - make_interval(secs => $1)", _ALIVE_WITHIN_S
            )
        return frozenset(row["worker_id"] for row in rows)
