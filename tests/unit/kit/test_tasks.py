"""Does a background task outlive its own defects, and end when its owner says so?"""

from __future__ import annotations

import asyncio

from litemaas.kit.tasks import Background


async def test_a_task_that_dies_is_told_of_and_begins_anew():
    told: list[tuple[str, str]] = []
    lives, at_work = 0, asyncio.Event()

    async def work() -> None:
        nonlocal lives
        lives += 1
        if lives < 3:
            raise ValueError(str(lives))
        at_work.set()
        await asyncio.Event().wait()

    background = Background(lambda name, error: told.append((name, str(error))), pause_s=0.0)
    background.keep("feed", work)
    async with asyncio.timeout(60):
        await at_work.wait()
        await background.stop()
    assert told == [("feed", "1"), ("feed", "2")]


async def test_a_stopped_owner_leaves_no_task_behind():
    background = Background(lambda *_: None)
    before = asyncio.all_tasks()
    for name in ("one", "two"):
        background.keep(name, asyncio.Event().wait)
    await asyncio.sleep(0)
    assert {task.get_name() for task in asyncio.all_tasks() - before} == {"one", "two"}
    await background.stop()
    assert asyncio.all_tasks() == before


async def test_a_work_that_swallows_a_cancellation_ends_nevertheless():
    swallowed = 0

    async def work() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed > 1:
                    raise

    background = Background(lambda *_: None)
    background.keep("stubborn", work)
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await background.stop()
    assert swallowed == 2
