"""What is one request's transaction? Opened by the first query, committed before the response leaves, or rolled back.

Services add their changes and never commit. Database failures become the domain's errors here, in one place.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any

import asyncpg
import structlog
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy import exc, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import QueuePool
from starlette.exceptions import HTTPException

from litemaas.control.http.feed import ChangeKind, Publisher, append_changes
from litemaas.control.http.once import GivenAnswer, keep_answer
from litemaas.core.errors import InvalidField, LiteMaaSError, ServiceUnavailable, Unexpected
from litemaas.core.principals import NOBODY, SYSTEM, Principal
from litemaas.db.tables import audit
from litemaas.kit.clock import Clock
from litemaas.kit.crypto import Vault
from litemaas.kit.defects import named_with_frames

CHANGE_HEADER = "x-litemaas-change"


class Plane:
    """What the composition root hands to every request; ``app.state.plane``."""

    def __init__(
        self, engine: AsyncEngine, publisher: Publisher, vault: Vault, clock: Clock, zone: tzinfo = UTC
    ) -> None:  # fmt: skip
        self.engine = engine
        self.publisher = publisher
        self.vault = vault
        self.clock = clock
        self.zone = zone

    @asynccontextmanager
    async def work(self, principal: Principal = SYSTEM) -> AsyncIterator[Work]:
        """A unit of work outside a request: committed at the end of the block, rolled back when it raises."""
        work = Work(self, None, principal)
        try:
            yield work
            seq = await work.commit()
        finally:
            await work.close()
        if seq is not None:
            await self.publisher.publish(seq)


class Work:
    """One request's unit of work: its transaction, who asked, and what the gateways must hear of."""

    def __init__(
        self, plane: Plane, request_id: str | None, principal: Principal = NOBODY,
        *, address: str | None = None, user_agent: str | None = None,
    ) -> None:  # fmt: skip
        self.vault = plane.vault
        self.request_id = request_id
        self.address = address
        self.user_agent = user_agent
        self.principal = principal
        self.actor = principal.id
        self.now: datetime = plane.clock.now()
        self.zone = plane.zone
        """In which days, weeks and months begin."""
        self.once: tuple[str, str] | None = None
        """Asker and key under which the answer is kept, where the request has an ``Idempotency-Key``."""
        self.refusals: list[Mapping[str, Any]] = []
        """Audit records that must stay although the request is refused and rolled back."""
        self._engine = plane.engine
        self._connection: AsyncConnection | None = None
        self._others: list[AsyncConnection] = []
        self._pending: dict[ChangeKind, dict[str, None]] = {}
        self._paused_at: int | None = None

    def act_as(self, principal: Principal) -> None:
        self.principal = principal
        self.actor = principal.id

    async def connection(self) -> AsyncConnection:
        if self._connection is None:
            self._connection = await self._engine.connect().start()
        return self._connection

    @property
    def has_spare_connection(self) -> bool:
        """Whether half of the pool stays free if one is lent. So nobody who holds a connection ever waits for a second one."""
        pool = self._engine.pool
        return isinstance(pool, QueuePool) and (pool.checkedout() + 1) * 2 <= pool.size()

    async def spare_connection(self) -> AsyncConnection | None:
        """Another connection, for reading beside the first, given back with it; None if there is none to spare."""
        if not self.has_spare_connection:
            return None
        connection = await self._engine.connect().start()
        self._others.append(connection)
        return connection

    def changed(self, kind: ChangeKind, *refs: str) -> None:
        """Notes for the change feed what became different; written as the last thing before the commit."""
        self._pending.setdefault(kind, {}).update(dict.fromkeys(refs))

    async def commit(self) -> int | None:
        """Returns the number of the change, if anything changed."""
        seq = await append_changes(await self.connection(), self._pending) if self._pending else self._paused_at
        if self._connection is not None:
            await self._connection.commit()
        return seq

    async def pause(self) -> None:
        """Commits what was done so far and gives the connection back: no transaction waits for the network.

        What follows is another transaction, which a later failure rolls back alone.
        """
        self._paused_at = await self.commit() or self._paused_at
        self._pending = {}
        await self.close()
        self._connection = None

    async def undo(self) -> None:
        """Rolls back what was done since the start or the last pause; the request itself goes on and is answered."""
        self._pending = {}
        await self.close()
        self._connection = None

    async def close(self) -> None:
        """Rolls back what is not committed and gives the connections back."""
        while self._others:
            await self._others.pop().close()
        if self._connection is not None:
            await self._connection.close()


@asynccontextmanager
async def apart(work: Work, plane: Plane) -> AsyncIterator[Work]:
    """A transaction of its own for the same request: what it does stays, whatever becomes of the rest."""
    async with plane.work(work.principal) as item:
        item.request_id, item.address, item.user_agent = work.request_id, work.address, work.user_agent
        yield item


class WorkRoute(APIRoute):
    """A route whose handler runs in one transaction; a refused or failed request leaves nothing behind."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def in_one_transaction(request: Request) -> Response:
            plane: Plane = request.app.state.plane
            async with _domain_errors():
                work = Work(
                    plane, request.state.request_id,
                    address=request.state.address, user_agent=(request.headers.get("user-agent") or "")[:512] or None,
                )  # fmt: skip
                request.state.work = work
                try:
                    response = await handle(request)
                    if work.once is not None:
                        await keep_answer(await work.connection(), work.vault, work.once, response)
                    seq = await work.commit()
                except GivenAnswer as given:
                    return given.response()
                finally:
                    await work.close()
                    if work.refusals:
                        await _keep_refusals(plane, work)
            if seq is not None:
                response.headers[CHANGE_HEADER] = str(seq)
                await plane.publisher.publish(seq)
            return response

        return in_one_transaction


async def _keep_refusals(plane: Plane, work: Work) -> None:
    """Fails: open. A refusal stands, whether or not it can be audited."""
    try:
        async with plane.engine.begin() as connection:
            for refusal in work.refusals:
                await connection.execute(insert(audit).values(**refusal))
    except Exception as error:  # noqa: BLE001 — the answer is the refusal, whatever happens to its record
        structlog.get_logger("control.work").warning("a refusal is not audited", error=type(error).__name__)


def current_work(request: Request) -> Work:
    work: Work = request.state.work
    return work


WorkOf = Annotated[Work, Depends(current_work)]


@asynccontextmanager
async def _domain_errors() -> AsyncIterator[None]:
    try:
        yield
    except (LiteMaaSError, HTTPException, RequestValidationError):
        raise
    except Exception as error:  # noqa: BLE001 — becomes one of the domain's errors
        if is_unstorable(error):
            raise InvalidField("a value cannot be stored: it is too large or holds characters like NUL") from None
        if is_database_away(error):
            structlog.get_logger("control.work").warning("database unavailable", error=type(error).__name__)
            raise ServiceUnavailable("The database cannot be reached. Try again in a moment.") from None
        structlog.get_logger("control.work").error("unexpected error", **named_with_frames(error))
        raise Unexpected("Something went wrong on our side. Quote the request id when you report it.") from None


def is_database_away(error: Exception) -> bool:
    if isinstance(error, exc.DBAPIError):
        return error.connection_invalidated or isinstance(error, exc.InterfaceError) or _sqlstate(error)[:2] in _AWAY
    return isinstance(error, exc.TimeoutError | OSError | asyncpg.PostgresError | asyncpg.InterfaceError | TimeoutError)


_AWAY = ("08", "53", "57", "55")
"""SQLSTATE classes: connection, resources, operator intervention, lock not available (PostgreSQL 16, appendix A)."""


def is_unstorable(error: Exception) -> bool:
    if not isinstance(error, exc.DBAPIError):
        return False
    # Values that asyncpg itself cannot encode never reach the server and carry no SQLSTATE.
    return _sqlstate(error).startswith("22") or isinstance(error.orig and error.orig.__cause__, asyncpg.DataError)


def _sqlstate(error: exc.DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""
