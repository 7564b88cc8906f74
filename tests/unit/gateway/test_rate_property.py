"""Does no limit admit one call too many, whatever happens to workers, messages, clocks and the store?"""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from .rate_world import RULES, World

NAMES = ("a", "b", "c")
numbers = st.integers(0, 1000)
calls = st.tuples(
    st.just("call"), numbers, st.sampled_from([(0,), (1,), (2,), (0, 1), (0, 1, 2), (2, 1)]), st.integers(0, 90)
)
bursts = st.tuples(st.just("burst"), st.integers(1, 12), st.sampled_from([(0,), (1,), (2,)]), st.integers(0, 40))
ends = st.tuples(st.just("end"), numbers, numbers, st.integers(0, 90))
waits = st.tuples(st.just("wait"), st.sampled_from([0.0, 0.25, 1.0, 5.0, 9.0, 31.0, 61.0]))
trouble = st.tuples(
    st.sampled_from(["away", "back", "flush", "restart", "kill", "loses answer", "delays", "thaw"]), numbers
)
steps = st.lists(st.one_of(calls, calls, bursts, ends, waits, trouble), max_size=40)


async def play(world: World, script: list[tuple[Any, ...]]) -> None:
    await world.begin()
    for action, *arguments in script:
        worker = world.workers[arguments[0] % len(world.workers)] if action in {"call", "end", "kill"} else None
        if action == "wait":
            await world.wait(arguments[0])
        elif action == "call" and worker is not None:
            await worker.call(arguments[1], arguments[2])
        elif action == "burst":
            for number in range(arguments[0]):
                await world.workers[number % len(world.workers)].call(arguments[1], arguments[2])
        elif action == "end" and worker is not None:
            if worker.calls:
                worker.end(arguments[1], arguments[2])
        elif action == "kill" and worker is not None:
            if len(world.workers) > 1:
                world.kill(worker)
                await world.add(worker.name if arguments[0] % 2 else f"{worker.name}{len(world.alive)}")
        else:
            trouble_of(world, action, arguments[0])


def trouble_of(world: World, action: str, number: int) -> None:
    wire = world.workers[number % len(world.workers)].wire
    if action == "flush":
        world.store.flush()
    elif action == "restart":
        world.store.flush()
        world.store.away = False
    elif action in {"away", "back"}:
        world.store.away = action == "away"
    elif action == "loses answer":
        wire.loses_answer = True
    elif action == "delays":
        wire.delays = True


@settings(max_examples=150, deadline=None)
@given(seed=numbers, script=steps)
def test_whatever_happens_no_window_admits_more_than_its_limits(seed: int, script: list[tuple[Any, ...]]):
    asyncio.run(play(World(seed, NAMES), script))


@settings(max_examples=60, deadline=None)
@given(seed=numbers, script=st.lists(st.one_of(calls, bursts, ends, waits), max_size=40))
def test_without_trouble_every_caller_sees_the_limit_kept(seed: int, script: list[tuple[Any, ...]]):
    """Counted by nobody's books but by the clock: in each window of the store, from its beginning for a minute."""

    async def watch() -> None:
        world = World(seed, NAMES)
        admitted: list[tuple[float, str]] = []
        check = world.check

        def note(worker: Any, rules: Any) -> None:
            admitted.extend((world.time, rule.scope) for rule in rules)
            check(worker, rules)
            for rule in rules:
                window = world.store.windows.get(rule.scope)
                if window is not None and rule.rpm is not None:
                    began = (window.began - world.ahead_ms) / 1000
                    count = sum(scope == rule.scope and began <= at < began + 60 for at, scope in admitted)
                    assert count <= rule.rpm

        world.check = note  # type: ignore[method-assign]
        await play(world, script)

    asyncio.run(watch())


def test_with_everybody_in_step_all_of_a_limit_is_used():
    async def use() -> None:
        world = World(7, NAMES, patience_s=(0.0, 0.0))
        await world.begin()
        served = 0
        for number in range(60):
            served += await world.workers[number % 3].call((1,), 0)
        assert served == RULES[1].rpm
        await world.wait(61)
        assert await world.workers[0].call((1,), 0)

    asyncio.run(use())
