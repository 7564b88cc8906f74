"""How does a server fail, and what happens around it? One scene for PostgreSQL and Valkey: load before, during and after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

from litemaas.sim.faults import FaultProxy

from .audit import all_is_well, resident_mib
from .load import TIGHT_CALLS, Load
from .stage import Stage

PLENTY = 10**12
TIGHT = 4_000_000
"""Nano-USD: some dozens of calls, fewer than are asked for."""
RPM = 20
KINDS = ("away", "cut", "slow", "frozen")


@asynccontextmanager
async def failing(proxy: FaultProxy, kind: str) -> AsyncIterator[None]:
    """The server behind the proxy fails in this way until the block is left."""
    cutting: asyncio.Task[None] | None = None
    match kind:
        case "away":
            await proxy.refuse()
            proxy.reset()
        case "cut":
            cutting = asyncio.create_task(_again_and_again(proxy.cut))
        case "slow":
            proxy.delay(0.3)
        case "frozen":
            proxy.freeze()
    try:
        yield
    finally:
        if cutting is not None:
            cutting.cancel()
        await proxy.heal()


async def _again_and_again(cut: Callable[[], None]) -> None:
    while True:
        cut()
        await asyncio.sleep(0.25)  # the fault's own rhythm


async def outage(stage: Stage, proxy: FaultProxy, kind: str, seconds: float) -> None:
    rich = [await stage.known_key(max_budget_nano=PLENTY) for _ in range(3)]
    rich.append(await stage.known_key(max_budget_nano=PLENTY, budget_duration="30d", rpm_limit=100_000))
    tight = await stage.known_key("tight", max_budget_nano=TIGHT)
    slow = await stage.known_key(rpm_limit=RPM)
    began = monotonic()
    load = Load(stage, 0.3 if seconds > 10 else 0.05)
    for key in rich:
        load.add(key, 2)
    load.add(tight, 2, TIGHT_CALLS)
    load.add(slow, 2)

    async with load.running():
        await load.more(40)
        memory_before = resident_mib()
        async with failing(proxy, kind):
            await stage.lasts(seconds)
        await stage.is_ready()
        await load.more(40)

    for key in rich:
        assert set(load.outcomes(key)) == {"ok"}, (load.outcomes(key), load.words(key))
    assert set(load.outcomes(tight)) <= {"ok", "400", "503"}, load.outcomes(tight)
    assert load.outcomes(tight)["ok"] > 0
    assert set(load.outcomes(slow)) <= {"ok", "429"}, load.outcomes(slow)
    minutes = 1 + (monotonic() - began) // 60
    assert 0 < load.outcomes(slow)["ok"] < RPM * minutes  # its first call was made before
    await all_is_well(stage, load, before=6)
    assert resident_mib() - memory_before < 60
