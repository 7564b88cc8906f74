"""Is there exactly one record of every call, whatever became of it, and does the ledger say what the engines served?"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from litemaas.core.keys import hash_key
from litemaas.sim.behaviour import Fault
from litemaas.sim.testing import SimulatedServers

from .harness import QUESTION, Platform, chunks_of, gateway_settings, running

TOOLS = [{
    "type": "function",
    "function": {
        "name": "weigh",
        "parameters": {"type": "object", "properties": {"crate": {"type": "string"}}, "required": ["crate"]},
    },
}]  # fmt: skip
CALLS, AT_ONCE = 300, 20
HANGS_UP = "hangs up"

Kind = Callable[[Platform, str, int], Awaitable[str]]
"""Makes one call and returns the status that its record must have."""


async def asked_in_one_piece(platform: Platform, key: str, number: int) -> str:
    assert (await platform.chat(key, max_tokens=5 + number % 30)).status_code == 200
    return "success"


async def asked_for_three_answers(platform: Platform, key: str, number: int) -> str:
    assert (await platform.chat(key, n=3, max_tokens=4)).status_code == 200
    return "success"


async def streamed(platform: Platform, key: str, number: int) -> str:
    asked = {"stream_options": {"include_usage": True}} if number % 2 else {}
    reply = await platform.chat(key, stream=True, **asked)
    assert bool(chunks_of(reply.content)[-1].get("usage")) == bool(asked)
    return "success"


async def given_tools(platform: Platform, key: str, number: int) -> str:
    reply = await platform.chat(key, tools=TOOLS, tool_choice="required", stream=bool(number % 2))
    assert reply.status_code == 200
    assert b"tool_calls" in reply.content
    return "success"


async def embedded(platform: Platform, key: str, number: int) -> str:
    body = {"model": "nomic", "input": ["one", "two " * (number % 40 + 1)]}
    assert (await platform.post("/v1/embeddings", key, body)).status_code == 200
    return "success"


async def completed(platform: Platform, key: str, number: int) -> str:
    body = {"model": "granite", "prompt": ["Once", "upon a time"], "max_tokens": 6}
    assert (await platform.post("/v1/completions", key, body)).status_code == 200
    return "success"


async def refused(platform: Platform, key: str, number: int) -> str:
    assert (await platform.chat(key, model="nobody-knows")).status_code == 400
    return "refused"


async def refused_by_the_engine(platform: Platform, key: str, number: int) -> str:
    assert (await platform.chat(key, max_tokens=1_000_000)).status_code == 400
    return "failure"


async def hung_up_on(platform: Platform, key: str, number: int) -> str:
    """So many tokens that the answer cannot have ended by the time the client leaves."""
    body = {**QUESTION, "stream": True, "max_tokens": 30_000, "ignore_eos": True, "user": HANGS_UP}
    headers = {"Authorization": f"Bearer {key}"}
    async with platform.http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as reply:
        async for _ in reply.aiter_lines():
            break
    return "cancelled"


KINDS: tuple[Kind, ...] = (
    asked_in_one_piece, streamed, given_tools, embedded, completed, asked_for_three_answers, refused, refused_by_the_engine,
    streamed, hung_up_on,
)  # fmt: skip


async def made(platform: Platform, key: str, kinds: list[Kind]) -> list[str]:
    """Makes the calls, some at once, and returns the status that each record must have."""
    waiting = list(enumerate(kinds))
    statuses: list[str] = []

    async def work() -> None:
        while waiting:
            number, kind = waiting.pop()
            statuses.append(await kind(platform, key, number))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    return statuses


@pytest.fixture
async def paced(platform: Platform) -> AsyncIterator[Platform]:
    """A platform whose chat engine takes its time, so that a client can leave in the middle."""
    platform.sim.chat.behave(token_s=0.0005)
    yield platform
    platform.sim.chat.reset_behaviour()


async def test_three_hundred_calls_of_all_kinds_are_three_hundred_records_that_say_what_was_served(paced: Platform):
    key = await paced.ledger.add_key(max_budget_nano=10**13)
    kinds = [KINDS[number % len(KINDS)] for number in range(CALLS)]
    random.shuffle(kinds)

    statuses = await made(paced, key, kinds)

    await paced.sim.until(lambda: all(server.running == 0 for server in paced.sim.counters.servers.values()))
    rows = await paced.records(key, CALLS)
    assert len({row["request_id"] for row in rows}) == CALLS
    assert sorted(row["status"] for row in rows) == sorted(statuses)
    finished = [row for row in rows if row["status"] == "success"]
    served = [entry for entry in paced.sim.counters.entries if entry.outcome == "completed"]
    assert len(finished) == len(served)
    for unit in ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"):
        assert sum(row[unit] for row in finished) == sum(getattr(entry, unit) for entry in served), unit
    assert {row["usage_source"] for row in finished} == {"engine"}
    assert all(row["cost_nano"] == 0 for row in rows if row["status"] in ("refused", "failure"))

    left = [row for row in rows if row["status"] == "cancelled"]
    stopped = {entry.engine_id: entry for entry in paced.sim.counters.entries if entry.outcome == "cancelled"}
    assert len(left) == len(stopped) == kinds.count(hung_up_on)
    for row in left:
        entry = stopped[row["engine_request_id"]]
        assert row["end_user"] == HANGS_UP
        assert row["prompt_tokens"] == entry.prompt_tokens
        assert 0 < row["completion_tokens"] <= entry.completion_tokens < 30_000

    assert await paced.ledger.settled(key) == sum(row["cost_nano"] for row in rows)
    await paced.no_room_is_held(key)


async def test_what_is_settled_in_every_window_of_a_key_is_the_sum_of_its_records(platform: Platform):
    limits = '{"granite": {"max_budget_nano": 1000000000, "budget_duration": "1d"}}'
    key = await platform.ledger.add_key(max_budget_nano=10**12, budget_duration="30d", model_limits=limits)
    for kind in (asked_in_one_piece, streamed, embedded, completed):
        await kind(platform, key, 1)

    rows = await platform.records(key, 4)

    windows = await platform.ledger.connection.fetch(
        "select scope, settled_nano, requests from budget_windows where scope like $1", f"key:{hash_key(key)}%"
    )
    booked = {window["scope"]: (window["settled_nano"], window["requests"]) for window in windows}
    of_granite = [row["cost_nano"] for row in rows if row["model"] == "granite"]
    assert booked == {
        f"key:{hash_key(key)}": (sum(row["cost_nano"] for row in rows), 4),
        f"key:{hash_key(key)}/model:granite": (sum(of_granite), 3),
    }


async def test_a_call_that_was_tried_twice_is_one_record_and_paid_once(platform: Platform, key: str):
    await platform.add_model("spare", platform.sim.chat.url + "/v1")
    await platform.add_model("spare", platform.sim.chat.url + "/v1")
    platform.sim.chat.behave(faults=(Fault("status", status=503, count=1),))

    reply = await platform.chat(key, model="spare")

    row = await platform.record(key)
    assert (reply.status_code, row["status"], row["attempts"]) == (200, "success", 2)
    assert row["completion_tokens"] == platform.sim.counters.of("chat").completion_tokens
    assert row["cost_nano"] == await platform.ledger.settled(key)


async def test_a_gateway_that_stops_stores_its_records_and_gives_its_leases_back(
    module_database: str, module_sim: SimulatedServers, platform: Platform, tmp_path: Path
):
    settings = gateway_settings(module_database, tmp_path, worker_id="gateway-that-stops")
    key = await platform.ledger.add_key(max_budget_nano=10**12)
    platform.sim.chat.behave(first_token_s=0.2)
    async with running(settings, module_sim) as stopping:
        url = f"{stopping.url}/v1/chat/completions"  # by a client that outlives the gateway
        calls = [asyncio.create_task(platform.post(url, key, QUESTION)) for _ in range(5)]
        await platform.sim.until(lambda: platform.sim.counters.servers["chat"].running == 5)
        assert await platform.ledger.leased(key) > 0

    assert [reply.status_code for reply in await asyncio.gather(*calls)] == [200] * 5
    rows = await platform.ledger.records(key)
    assert [row["status"] for row in rows] == ["success"] * 5
    assert await platform.ledger.settled(key) == sum(row["cost_nano"] for row in rows)
    assert await platform.ledger.leased(key) == 0
    assert not await platform.ledger.connection.fetchval(
        "select count(*) from leases where worker_id = 'gateway-that-stops'"
    )
    assert not list((tmp_path / "journal" / "gateway-that-stops").glob("*.log"))


async def test_while_the_disk_takes_no_records_no_call_begins_and_none_is_lost(
    platform: Platform, key: str, monkeypatch: pytest.MonkeyPatch
):
    journal, allocate = platform.gateway.journal, os.posix_fallocate
    assert (await platform.chat(key)).status_code == 200

    def full(descriptor: int, offset: int, length: int) -> None:
        if descriptor == journal._current:
            raise OSError(28, "No space left on device")
        allocate(descriptor, offset, length)

    platform.sim.chat.behave(first_token_s=0.2)
    running_calls = [asyncio.create_task(platform.chat(key, stream=True)) for _ in range(3)]
    await platform.sim.until(lambda: platform.sim.counters.servers["chat"].running == 3)
    monkeypatch.setattr(os, "posix_fallocate", full)
    journal._mapped_to = journal._size  # what is allocated is used up
    ended = await asyncio.gather(*running_calls)
    refused = [await platform.chat(key) for _ in range(3)]
    liveness = await platform.http.get("/health/liveliness")
    monkeypatch.undo()

    assert [reply.status_code for reply in ended] == [200] * 3
    assert [reply.status_code for reply in refused] == [503] * 3
    assert all(reply.json()["error"]["message"] for reply in refused)
    assert liveness.status_code == 200
    assert (await platform.chat(key)).status_code == 200
    rows = await platform.records(key, 5)  # a call that could not be recorded never began
    assert {row["status"] for row in rows} == {"success"}
    served = platform.sim.counters.of("chat")
    assert served.requests == 5
    assert sum(row["completion_tokens"] for row in rows) == served.completion_tokens
