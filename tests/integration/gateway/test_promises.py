"""Does the gateway keep its promises about money when everything happens at once?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import httpx2
import pytest

from litemaas.core.keys import hash_key
from litemaas.sim.behaviour import Fault

from .harness import QUESTION, WITHIN_S, Platform, until

BUDGET_FOR_ONE = 30_000  # nano-USD: the call costs 7 prompt tokens at 1,000 and at most 9 completion tokens at 2,000


@pytest.mark.parametrize("engine_s", [0.0, 0.3])
@pytest.mark.parametrize("has_tokenizer", [True, False])
async def test_forty_parallel_calls_on_a_budget_for_one_admit_exactly_one(
    platform: Platform, engine_s: float, has_tokenizer: bool
) -> None:
    key = await platform.ledger.add_key(max_budget_nano=BUDGET_FOR_ONE)
    platform.sim.chat.behave(json_s=engine_s)
    if not has_tokenizer:
        platform.sim.chat.behave(faults=(Fault("status", status=404, path="/tokenize"),))

    answers = await asyncio.gather(*(platform.chat(key, max_tokens=9) for _ in range(40)))

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [400] * 39
    refusal = next(answer for answer in answers if answer.status_code == 400).json()["error"]
    assert refusal["type"] == "budget_exceeded"
    await platform.records(key, 40)
    assert await platform.ledger.settled(key) <= BUDGET_FOR_ONE
    await platform.no_room_is_held(key)


async def test_an_answer_is_cut_to_what_the_budget_covers(platform: Platform) -> None:
    key = await platform.ledger.add_key(max_budget_nano=BUDGET_FOR_ONE)

    answer = await platform.chat(key)

    assert answer.status_code == 200
    assert answer.json()["choices"][0]["finish_reason"] == "length"
    sent = next(request for request in reversed(platform.sim.chat.received) if "chat" in request.path).json()
    assert sent["max_tokens"] * 2_000 + answer.json()["usage"]["prompt_tokens"] * 1_000 <= BUDGET_FOR_ONE
    await platform.records(key)
    assert 0 < await platform.ledger.settled(key) <= BUDGET_FOR_ONE


async def test_a_budget_of_nothing_refuses_and_a_free_model_does_not_care(platform: Platform) -> None:
    key = await platform.ledger.add_key(max_budget_nano=0)

    assert (await platform.chat(key)).status_code == 400
    assert (await platform.chat(key, model="free")).status_code == 200
    assert await platform.ledger.settled(key) == 0


async def test_requests_per_minute_are_never_one_too_many_and_refusals_do_not_count(platform: Platform) -> None:
    key = await platform.ledger.add_key(rpm_limit=5)

    answers = await asyncio.gather(*(platform.chat(key) for _ in range(40)))

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 35
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["rate_limit_type"] == "requests"


async def test_tokens_per_minute_are_never_exceeded(platform: Platform) -> None:
    key = await platform.ledger.add_key(tpm_limit=50)

    answers = await asyncio.gather(*(platform.chat(key, max_tokens=11) for _ in range(40)))

    good = [answer.json()["usage"]["total_tokens"] for answer in answers if answer.status_code == 200]
    assert len(good) >= 1
    assert sum(good) <= 50


async def test_no_more_calls_run_in_parallel_than_allowed(platform: Platform) -> None:
    key = await platform.ledger.add_key(max_parallel_requests=2)
    platform.sim.chat.behave(json_s=0.2)

    answers = await asyncio.gather(*(platform.chat(key) for _ in range(10)))

    assert {answer.status_code for answer in answers} == {
        200,
        429,
    }  # on a busy machine a later call may find a free place
    assert platform.sim.counters.servers["chat"].peak_running <= 2
    assert (await platform.chat(key)).status_code == 200


async def test_the_ledger_equals_what_the_engines_served_to_the_token(platform: Platform) -> None:
    key = await platform.ledger.add_key(max_budget_nano=10**12)

    async def ask(number: int) -> None:
        match number % 4:
            case 0:
                answer = await platform.chat(key, max_tokens=5 + number % 30)
            case 1:
                answer = await platform.chat(key, stream=True, max_tokens=5 + number % 30)
            case 2:
                answer = await platform.chat(key, stream=True, stream_options={"include_usage": True}, n=2)
            case _:
                answer = await platform.post(
                    "/v1/embeddings", key, {"model": "nomic", "input": ["one", "two " * number]}
                )
        assert answer.status_code == 200

    for start in range(0, 200, 40):
        await asyncio.gather(*(ask(number) for number in range(start, start + 40)))

    rows = await platform.records(key, 200)
    served = [platform.sim.counters.of(server) for server in ("chat", "embeddings")]
    assert sum(row["prompt_tokens"] for row in rows) == sum(count.prompt_tokens for count in served)
    assert sum(row["completion_tokens"] for row in rows) == sum(count.completion_tokens for count in served)
    assert {row["usage_source"] for row in rows} == {"engine"}
    assert sum(row["cost_nano"] for row in rows) == await platform.ledger.settled(key)
    await platform.no_room_is_held(key)


async def test_a_client_that_hangs_up_pays_for_what_was_produced_and_the_engine_stops(platform: Platform) -> None:
    key = await platform.ledger.add_key(max_budget_nano=10**12)
    platform.sim.chat.behave(token_s=0.02)

    async with platform.http.stream(
        "POST", "/v1/chat/completions", headers={"Authorization": f"Bearer {key}"},
        json={**QUESTION, "stream": True, "max_tokens": 500, "ignore_eos": True},
    ) as answer:  # fmt: skip
        async for _ in answer.aiter_lines():
            break
    row = await platform.record(key)

    async def has_stopped() -> bool:
        return platform.sim.counters.of("chat").cancelled == 1

    await until(has_stopped)
    assert row["status"] == "cancelled"
    assert row["http_status"] == 499
    assert row["cost_nano"] > 0
    assert row["completion_tokens"] <= platform.sim.counters.of("chat").completion_tokens < 500
    await platform.no_room_is_held(key)


async def test_a_revoked_key_is_refused_within_a_second(platform: Platform) -> None:
    key = await platform.ledger.add_key()
    assert (await platform.chat(key)).status_code == 200

    await platform.ledger.change_key(key, deleted_at=datetime.now(UTC))

    async def is_refused() -> bool:
        return (await platform.chat(key)).status_code == 401

    await until(is_refused, 1.0)


async def test_a_spent_key_is_known_by_its_hash_only(platform: Platform, key: str) -> None:
    await platform.chat(key)
    row = await platform.record(key)

    assert row["key_hash"] == hash_key(key)
    assert key not in str(dict(row))


async def test_two_clients_with_equal_headers_keep_their_own_addresses_in_the_ledger(
    platform: Platform, key: str
) -> None:
    headers = {"Authorization": f"Bearer {key}", "user-agent": "twin"}
    for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2"):
        transport = httpx2.AsyncHTTPTransport(local_address=address)
        async with httpx2.AsyncClient(base_url=platform.url, transport=transport, timeout=WITHIN_S) as http:
            assert (await http.post("/v1/chat/completions", json=QUESTION, headers=headers)).status_code == 200

    rows = await platform.records(key, 4)

    assert [row["client_ip"] for row in rows] == ["127.0.0.1", "127.0.0.2"] * 2
    assert {row["user_agent"] for row in rows} == {"twin"}
