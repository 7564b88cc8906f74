"""Does a stepped coroutine wait, wake, get interrupted and end exactly as promised?"""

from __future__ import annotations

import asyncio
import gc
import time

import pytest
import uvloop
from tests.unit.gateway.http.dialogue import Story, left_behind

from litemaas.gateway.http.stepping import Run, Wake, outside, stepped


class Interruption(Exception):
    pass


class Other(Exception):
    pass


def test_a_coroutine_that_never_waits_ends_at_once() -> None:
    async def three() -> int:
        return 3

    assert Story(three()).outcome() == 3


def test_a_wake_resumes_its_waiter_within_the_call() -> None:
    wake, log = Wake(), []

    async def waiter() -> None:
        await wake
        log.append("resumed")

    story = Story(waiter())
    assert not story.is_over
    wake.fire()
    assert log == ["resumed"]
    assert story.ends == 1


def test_a_wake_fired_without_a_waiter_is_forgotten() -> None:
    wake = Wake()
    wake.fire()

    async def waiter() -> None:
        await wake

    story = Story(waiter())
    assert not story.is_over
    wake.fire()
    wake.fire()
    assert story.ends == 1


def test_a_wake_fired_by_the_waiter_itself_does_not_resume_it_twice() -> None:
    first, second = Wake(), Wake()

    async def waiter() -> None:
        await first
        first.fire()
        await second

    story = Story(waiter())
    first.fire()
    assert not story.is_over
    first.fire()
    assert not story.is_over
    second.fire()
    assert story.ends == 1


def test_an_interruption_is_raised_where_the_coroutine_waits() -> None:
    async def waiter() -> str:
        try:
            await Wake()
        except Interruption:
            return "caught"
        return "woken"

    story = Story(waiter())
    story.run.interrupt(Interruption())
    assert story.outcome() == "caught"


def test_an_interruption_while_running_is_raised_at_the_next_wait() -> None:
    log: list[str] = []
    story: list[Story] = []
    wake = Wake()

    async def waiter() -> None:
        await wake
        story[0].run.interrupt(Interruption())
        log.append("still running")
        try:
            await Wake()
        except Interruption:
            log.append("interrupted")
        await Wake()

    story.append(Story(waiter()))
    wake.fire()
    assert log == ["still running", "interrupted"]
    assert not story[0].is_over


def test_of_two_interruptions_while_running_one_is_raised() -> None:
    log: list[str] = []
    story: list[Story] = []
    wake = Wake()

    async def waiter() -> None:
        await wake
        story[0].run.interrupt(Interruption())
        story[0].run.interrupt(Other())
        try:
            await Wake()
        except (Interruption, Other) as error:
            log.append(type(error).__name__)
        await Wake()
        log.append("never")

    story.append(Story(waiter()))
    wake.fire()
    assert log == ["Other"]


def test_a_second_interruption_finds_the_coroutine_at_its_next_wait() -> None:
    log: list[str] = []

    async def waiter() -> None:
        for _ in range(2):
            try:
                await Wake()
            except (Interruption, Other) as error:
                log.append(type(error).__name__)

    story = Story(waiter())
    story.run.interrupt(Interruption())
    story.run.interrupt(Other())
    assert log == ["Interruption", "Other"]
    assert story.ends == 1


def test_an_interruption_before_the_start_or_after_the_end_does_nothing() -> None:
    ends: list[BaseException | None] = []

    async def waiter() -> None:
        return None

    run = Run(waiter(), ends.append)
    run.interrupt(Interruption())
    run.start()
    run.interrupt(Interruption())
    assert ends == [None]


def test_a_wake_that_was_left_by_an_interruption_resumes_nobody() -> None:
    left, next_one = Wake(), Wake()

    async def waiter() -> None:
        try:
            await left
        except Interruption:
            await next_one

    story = Story(waiter())
    story.run.interrupt(Interruption())
    left.fire()
    assert not story.is_over
    next_one.fire()
    assert story.ends == 1


@pytest.mark.parametrize("error", [ValueError("x"), asyncio.CancelledError(), SystemExit(1)])
def test_the_owner_is_told_the_error_nobody_caught(error: BaseException) -> None:
    async def failing() -> None:
        raise error

    story = Story(failing())
    assert story.ends == 1
    assert story.error is error


def test_an_interruption_that_nobody_caught_leaves_no_cycle_behind() -> None:
    class Marked(Exception):
        pass

    def scene() -> None:
        async def waiter() -> None:
            await Wake()

        ends: list[bool] = []
        run = Run(waiter(), lambda error: ends.append(isinstance(error, Marked)))
        run.start()
        run.interrupt(Marked())
        assert ends == [True]

    assert left_behind(scene, Run, Marked) == []


# -- asyncio on the other side ----------------------------------------------------------------------------------------------


async def _loop_turns(story: Story) -> None:
    for _ in range(10):
        await asyncio.sleep(0)
    assert story.is_over


async def test_outside_brings_back_what_a_task_returned() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await stepped(outside(work(), 5.0)) == 7


async def test_outside_raises_what_a_task_raised() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise Other

    with pytest.raises(Other):
        await stepped(outside(work(), 5.0))


async def test_outside_gives_up_after_its_time_out_and_cancels() -> None:
    log: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    with pytest.raises(TimeoutError):
        await stepped(outside(work(), 0.001))
    assert log == ["cancelled"]


async def test_two_limits_that_pass_in_the_same_turn_as_an_answer_are_a_time_out() -> None:
    loop = asyncio.get_running_loop()
    arrived = loop.create_future()

    async def work() -> None:
        async with asyncio.timeout(0.03):
            await arrived
            await asyncio.Event().wait()

    loop.call_later(0.005, time.sleep, 0.1)  # a busy loop: all that follows is due at once
    loop.call_later(0.01, arrived.set_result, None)
    with pytest.raises(TimeoutError):
        await stepped(outside(work(), 0.02))


async def test_an_interruption_cancels_what_runs_outside() -> None:
    log: list[str] = []
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    story = Story(outside(work(), 5.0))
    async with asyncio.timeout(60):
        await began.wait()
    story.run.interrupt(Interruption())
    assert isinstance(story.error, Interruption)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert log == ["cancelled"]


async def test_an_interruption_before_the_task_took_its_first_step_warns_of_nothing() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    story = Story(outside(work(), 5.0))
    story.run.interrupt(Interruption())  # "coroutine was never awaited" would fail this test: warnings are errors
    assert isinstance(story.error, Interruption)
    for _ in range(3):
        await asyncio.sleep(0)
    del story
    gc.collect()


async def test_the_error_of_a_task_that_nobody_waits_for_any_more_is_not_reported_as_lost() -> None:
    reports: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reports.append(context))
    try:

        async def work() -> None:
            raise Other

        story = Story(outside(work(), 5.0))
        # runs in the turn in which the task ends, before its news arrives
        loop.call_soon(story.run.interrupt, Interruption())
        for _ in range(3):
            await asyncio.sleep(0)
        assert isinstance(story.error, Interruption)
        del story
        gc.collect()
        assert reports == []
    finally:
        loop.set_exception_handler(None)


def test_a_failed_task_leaves_no_cycle_behind() -> None:
    class Marked(Exception):
        pass

    async def work() -> None:
        raise Marked

    async def scene() -> None:
        ends: list[bool] = []
        Run(outside(work(), 5.0), lambda error: ends.append(isinstance(error, Marked))).start()
        for _ in range(4):
            await asyncio.sleep(0)
        assert ends == [True]

    assert left_behind(lambda: uvloop.run(scene()), Marked) == []


async def test_a_cancelled_task_interrupts_the_stepped_coroutine_it_waits_for() -> None:
    log: list[str] = []

    async def waiter() -> None:
        try:
            await Wake()
        except asyncio.CancelledError:
            log.append("interrupted")
            raise

    task = asyncio.create_task(stepped(waiter()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["interrupted"]


async def test_a_stepped_coroutine_may_survive_the_cancellation_of_its_task() -> None:
    log: list[str] = []

    async def waiter() -> int:
        try:
            await Wake()
        except asyncio.CancelledError:
            log.append("survived")
        return 1

    task = asyncio.create_task(stepped(waiter()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["survived"]


async def test_a_cancellation_from_elsewhere_is_not_taken_for_a_time_out() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    story = Story(outside(work(), 5.0))
    await _loop_turns(story)
    assert isinstance(story.error, asyncio.CancelledError)
