"""What happens to a part that ends although nobody asked it to? It is started again, with pauses, and the person is told."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from litemaas.cli.up.errors import PartDidNotStart
from litemaas.cli.up.screen import Screen
from litemaas.db.embedded import EmbeddedServerError
from litemaas.db.embedded.process import until

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _STEADY_AFTER_S = 0.5, 30.0, 60.0
_LOOK_EVERY_S = 0.2


async def keep(
    title: str,
    is_running: Callable[[], bool],
    restart: Callable[[], Awaitable[None]],
    how_it_ended: Callable[[], str],
    screen: Screen,
) -> None:
    """Starts again what ends; the pauses grow while it does not stay. Runs until cancelled."""
    loop = asyncio.get_running_loop()
    pause_s, since = _FIRST_PAUSE_S, loop.time()
    while True:
        await until(lambda: not is_running(), math.inf, step_s=_LOOK_EVERY_S)
        if loop.time() - since > _STEADY_AFTER_S:
            pause_s = _FIRST_PAUSE_S
        screen.warn(f"{title} ended ({how_it_ended()}); starting it again in {pause_s:.1f} s")
        await asyncio.sleep(pause_s)
        pause_s, since = min(pause_s * 2, _LONGEST_PAUSE_S), loop.time()
        try:
            await restart()
        except (PartDidNotStart, EmbeddedServerError) as error:
            screen.fail(str(error))
        else:
            screen.warn(f"{title} is back")


async def together(*works: Coroutine[Any, Any, Any]) -> list[Any]:
    """Runs all at once; when one fails, the others end, too, and its error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
