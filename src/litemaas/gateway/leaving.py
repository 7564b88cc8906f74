"""How does a worker stop taking calls without one of them failing? It is out of sight first, and then lets everybody finish.

1. ``/health/readiness`` says 503; whoever has connected is taken in, then nobody else.
2. Each answer is the last one of its connection, and says so. Kept connections get a moment: a call may be on its way.
3. Idle connections are closed, running calls and streams end by themselves. What is left at the deadline is cut off, and
   settled as what it has cost by then.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from litemaas.gateway.http.server import Server

_LAST_CALL_S = 1.0
_LOOK_EVERY_S = 0.02


async def leave(server: Server, timeout_s: float, hurry: asyncio.Event) -> bool:
    """Returns whether every call ended by itself. ``hurry``: nobody waits for calls any more."""
    leaving = asyncio.create_task(_leave(server, monotonic() + timeout_s), name="leaving")
    hurried = asyncio.create_task(hurry.wait(), name="hurried")
    await asyncio.wait({leaving, hurried}, return_when=asyncio.FIRST_COMPLETED)
    in_time = not hurried.done() or leaving.done()
    hurried.cancel()
    if not in_time:
        await server.drain(0.0)
    return await leaving and in_time


async def _leave(server: Server, deadline: float) -> bool:
    await server.stop_listening()
    server.is_draining = True
    last_call = min(deadline, monotonic() + _LAST_CALL_S)
    while server.connection_count and monotonic() < last_call:  # noqa: ASYNC110 - connections that go set no event before the drain
        await asyncio.sleep(_LOOK_EVERY_S)
    return await server.drain(max(0.0, deadline - monotonic()))
