"""Is a rate limit one limit, whatever the number of gateways and whatever happens to Valkey?"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import httpx2
import pytest
import redis.asyncio

from litemaas.db.embedded import EmbeddedValkey
from litemaas.sim.testing import SimulatedServers

from .harness import WITHIN_S, Platform, gateway_settings, running, until

CLIENTS = 40
Gateways = Sequence[Platform]


@pytest.fixture(scope="module")
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedValkey]:
    """A Valkey of the module's own, to be stopped and frozen."""
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    await server.start()
    yield server
    if server.pid is not None:
        os.kill(server.pid, signal.SIGCONT)
    await server.stop()


@pytest.fixture(scope="module")
async def module_gateways(
    module_database: str, module_sim: SimulatedServers, module_platform: Platform, valkey: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Gateways]:  # fmt: skip
    one, two = (
        gateway_settings(module_database, tmp_path_factory.mktemp(name), valkey.url, worker_id=name)
        for name in ("shared-a", "shared-b")
    )
    async with running(one, module_sim) as first, running(two, module_sim) as second:
        yield first, second


@pytest.fixture
async def gateways(module_gateways: Gateways, platform: Platform) -> Gateways:
    """Two gateways in step with one another, and engines that behave."""
    await in_step(module_gateways)
    return module_gateways


async def in_step(gateways: Gateways, members: int = 2) -> None:
    async def all_of_them() -> bool:
        standings = [gateway.gateway.rate_link._standing for gateway in gateways]
        return all(standing.in_step and list(standing.members.values()) == [False] * members for standing in standings)

    await until(all_of_them, 30)


async def flood(gateways: Gateways, key: str, calls: int, **members: object) -> list[httpx2.Response]:
    """So many calls from 40 clients at once, spread over the gateways."""
    numbers = iter(range(calls))

    async def client() -> list[httpx2.Response]:
        return [await gateways[n % len(gateways)].chat(key, **members) for n in numbers]

    return [reply for replies in await asyncio.gather(*(client() for _ in range(CLIENTS))) for reply in replies]


def codes(replies: list[httpx2.Response]) -> Counter[int]:
    return Counter(reply.status_code for reply in replies)


async def test_all_of_the_requests_of_a_minute_are_usable_and_not_one_more(gateways: Gateways):
    key = await gateways[0].ledger.add_key(rpm_limit=60)
    replies = await flood(gateways, key, 160)
    assert codes(replies) == {200: 60, 429: 100}
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert refused.headers["rate_limit_type"] == "requests"
    assert "Current limit: 60, Remaining: 0" in refused.text


async def test_one_caller_at_a_time_finds_every_request_though_slices_lie_at_the_other_gateway(gateways: Gateways):
    key = await gateways[0].ledger.add_key(rpm_limit=30)
    first = [await gateways[0].chat(key) for _ in range(3)]
    second = [await gateways[1].chat(key) for _ in range(40)]
    assert codes(first + second) == {200: 30, 429: 13}
    left = [int(reply.headers["x-ratelimit-api_key-remaining-requests"]) for reply in first]
    assert left == [29, 28, 27]


@pytest.mark.parametrize("kind", ["requests", "places"])
async def test_the_limits_of_a_deployment_hold_for_all_gateways_and_keys(gateways: Gateways, kind: str):
    name = f"limited-{kind}"
    limits = {"rpm_limit": 40} if kind == "requests" else {"max_parallel_requests": 2}
    identity = await gateways[0].ledger.add_model(name, gateways[0].sim.chat.url + "/v1", **limits)
    for gateway in gateways:
        await gateway.catch_up()
    keys = [await gateways[0].ledger.add_key() for _ in range(4)]
    gateways[0].sim.chat.behave(first_token_s=0.02, answer_tokens=3)
    replies = [
        reply
        for replies in await asyncio.gather(*(flood(gateways, key, 30, model=name, max_tokens=4) for key in keys))
        for reply in replies
    ]
    served = codes(replies)[200]
    assert set(codes(replies)) == {200, 429}
    assert served == gateways[0].sim.counters.of("chat").requests
    if kind == "requests":
        assert served == 40
    else:
        assert gateways[0].sim.counters.servers["chat"].peak_running <= 2
    assert all(gateway.gateway.targets.conditions[identity].running == 0 for gateway in gateways)


async def test_tokens_of_a_minute_are_never_given_twice_and_those_that_were_not_needed_come_back(gateways: Gateways):
    gateways[0].sim.chat.behave(answer_tokens=3)
    key = await gateways[0].ledger.add_key(tpm_limit=50)
    replies = await flood(gateways, key, 80, messages=[{"role": "user", "content": "a b"}], max_tokens=5)
    used = sum(reply.json()["usage"]["total_tokens"] for reply in replies if reply.status_code == 200)
    assert 0 < used <= 50
    assert set(codes(replies)) == {200, 429}


async def test_no_more_calls_run_at_once_than_allowed_and_places_move_between_gateways(gateways: Gateways):
    key = await gateways[0].ledger.add_key(max_parallel_requests=2)
    counters = gateways[0].sim.counters
    gateways[0].sim.chat.behave(first_token_s=0.05, answer_tokens=3)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, counters.servers["chat"].running)
            await asyncio.sleep(0.001)

    watching = asyncio.create_task(watch())
    try:
        replies = await flood(gateways, key, 400)
    finally:
        watching.cancel()
    assert most == 2
    assert set(codes(replies)) == {200, 429}
    gateways[0].sim.reset()
    for gateway in gateways * 2:

        async def served(gateway: Platform = gateway) -> bool:
            return (await gateway.chat(key)).status_code == 200

        await until(served)


async def test_every_level_is_counted_or_none(gateways: Gateways):
    key = await gateways[0].ledger.add_key(
        rpm_limit=40, max_parallel_requests=40, model_limits='{"granite": {"rpm": 7}}'
    )
    assert codes(await flood(gateways, key, 60)) == {200: 7, 429: 53}
    assert codes(await flood(gateways, key, 60, model="final")) == {200: 33, 429: 27}


async def test_a_flush_of_valkey_gives_nobody_more_and_stops_nobody(gateways: Gateways, valkey: EmbeddedValkey):
    key = await gateways[0].ledger.add_key(rpm_limit=60)
    before = await flood(gateways, key, 20)
    async with redis.asyncio.Redis.from_url(valkey.url, socket_timeout=WITHIN_S) as client:
        await client.flushall()
    after = await flood(gateways, key, 20)
    await in_step(gateways)
    rest = await flood(gateways, key, 80)
    assert codes(before) == {200: 20}
    assert codes(before + after + rest) == {200: 60, 429: 60}


async def test_a_frozen_valkey_stops_nobody_and_gives_nobody_more(gateways: Gateways, valkey: EmbeddedValkey):
    key = await gateways[0].ledger.add_key(rpm_limit=60)
    before = await flood(gateways, key, 10)
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        during = await flood(gateways, key, 100)
        fresh = await gateways[0].ledger.add_key(rpm_limit=60)
        for gateway in gateways:

            async def has_a_share(gateway: Platform = gateway) -> bool:
                return (await gateway.chat(fresh)).status_code == 200

            await until(has_a_share)
        anew = await flood(gateways, fresh, 100)
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    await in_step(gateways)
    after = await flood(gateways, key, 100)
    assert codes(before)[200] == 10
    assert codes(during)[200] > 0, "what lies here may be used"
    assert codes(before + during + after) == {200: 60, 429: 150}
    assert 38 <= codes(anew)[200] <= 58, "nobody used it before: everybody has a share"
    assert codes(anew + await flood(gateways, fresh, 60))[200] <= 58
    assert gateways[0].gateway.metrics.defects == gateways[1].gateway.metrics.defects == 0


async def test_a_killed_and_restarted_valkey_stops_nobody_and_gives_nobody_more(
    gateways: Gateways, valkey: EmbeddedValkey
):
    key = await gateways[0].ledger.add_key(rpm_limit=60)
    before = await flood(gateways, key, 10)
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGKILL)
    await valkey.wait()
    during = await flood(gateways, key, 60)
    await valkey.start()
    await in_step(gateways)
    after = await flood(gateways, key, 60)
    assert codes(before)[200] == 10
    assert codes(during)[200] > 0
    assert codes(before + during + after) == {200: 60, 429: 70}
