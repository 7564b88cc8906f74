"""Is a guardrail's service asked when it should be, believed, and done without only where that was said?"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import pytest
from tests.patience import patience

from litemaas.core.answer_cache import AnswerCacheSettings
from litemaas.core.guardrail_services import SEALED, purpose_of
from litemaas.kit.crypto import Vault
from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .guarding import (
    DONE,
    SECRET_WORDS,
    USAGE,
    asks,
    blocks_the_badge,
    guard_with,
    masks_the_badge,
    put,
    says,
    streams,
    told,
)
from .harness import (
    ENCRYPTION_KEY,
    Platform,
    answer,
    chunks_of,
    gateway_settings,
    running,
    scripted,
    stream_answer,
    text_of,
    until,
)


async def test_a_prompt_is_judged_with_what_the_service_needs_to_know(platform: Platform):
    async with scripted(told()) as service:
        key = await guard_with(
            platform, "judge", service, "pre_call", api_key=SEALED + b64encode(
                Vault(ENCRYPTION_KEY).seal("service-credential", purpose_of("judge"))).decode(),
            extra_headers=["X-Desk"], additional_provider_specific_params={"threshold": 0.8},
        )  # fmt: skip
        reply = await platform.http.post(
            "/v1/chat/completions",
            json={"model": "granite", "messages": [*asks("hello"), {"role": "user", "content": [
                {"type": "text", "text": "and this"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]},
            headers={"Authorization": f"Bearer {key}", "X-Desk": "seven", "User-Agent": "tests"},
        )  # fmt: skip
        asked = json.loads(service.body)
    assert reply.status_code == 200
    assert reply.headers["x-litellm-applied-guardrails"] == "judge"
    assert service.head.startswith(b"POST /beta/litellm_basic_guardrail_api HTTP/1.1\r\n")
    assert b"x-api-key: service-credential\r\n" in service.head
    assert key.encode() not in service.head + service.body
    assert asked["texts"] == ["hello", "and this"]
    assert (asked["input_type"], asked["litellm_call_id"]) == ("request", reply.headers["x-litellm-call-id"])
    assert asked["request_headers"] == {"x-desk": "seven"}
    assert asked["additional_provider_specific_params"] == {"threshold": 0.8}
    assert len(asked["request_data"]["user_api_key_hash"]) == 64


async def test_a_prompt_that_is_blocked_reaches_no_model_and_costs_nothing(platform: Platform):
    async with scripted(blocks_the_badge) as service:
        key = await guard_with(platform, "judge", service, "pre_call")
        reply = await platform.chat(key, messages=asks())
        passed = await platform.chat(key, messages=asks("hello"))
    assert (reply.status_code, passed.status_code) == (400, 200)
    error = reply.json()["error"]
    assert error["message"] == "Content blocked by the guardrail judge: a badge number"
    assert (error["refusal"]["code"], "4711" in reply.text) == ("guardrail", False)
    assert platform.sim.counters.of("chat").requests == 1
    row, _ = await platform.records(key, 2)
    assert (row["status"], row["http_status"], row["cost_nano"]) == ("refused", 400, 0)
    assert row["error_code"] == "content_judged_unfit"
    assert "badge" not in row["error_message"] + row["metadata"]
    await platform.no_room_is_held(key)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/completions"])
async def test_a_prompt_is_masked_in_every_format(platform: Platform, path: str):
    body: dict[str, Any] = {"model": f"seen {path}", "max_tokens": 5}
    if path == "/v1/responses":
        body = {"model": body["model"], "input": SECRET_WORDS}
    elif path == "/v1/completions":
        body["prompt"] = SECRET_WORDS
    else:
        body["messages"] = asks()
    async with scripted(masks_the_badge) as service, scripted(says("fine")) as engine:
        await platform.add_model(f"seen {path}", engine.url)
        key = await guard_with(platform, "judge", service, "pre_call")
        reply = await platform.post(path, key, body)
    assert reply.status_code == 200, reply.text
    assert b"my badge is [BADGE]" in engine.body
    assert b"4711" not in engine.body


async def test_beside_the_model_nothing_is_shown_before_the_verdict(platform: Platform):
    for stream in (False, True):
        async with scripted(blocks_the_badge) as service:
            key = await guard_with(platform, "judge", service, "during_call")
            reply = await platform.chat(key, messages=asks(), stream=stream)
            passed = await platform.chat(key, messages=asks("hello"), stream=stream)
        assert (reply.status_code, passed.status_code) == (400, 200), stream
        row, _ = await platform.records(key, 2)
        assert (row["status"], row["cost_nano"], row["completion_tokens"]) == ("refused", 0, 0)
        await platform.no_room_is_held(key)


async def test_what_would_have_to_be_masked_beside_the_model_is_refused(platform: Platform):
    async with scripted(masks_the_badge) as service:
        key = await guard_with(platform, "judge", service, "during_call")
        assert (await platform.chat(key, messages=asks())).status_code == 400


async def test_an_answer_is_masked_before_it_is_shown_and_its_odds_with_it(platform: Platform):
    odds = {"content": [{"token": "4711", "logprob": -0.1, "top_logprobs": []}]}
    async with scripted(masks_the_badge) as service, scripted(says(SECRET_WORDS, logprobs=odds)) as engine:
        await platform.add_model("telling", engine.url)
        key = await guard_with(platform, "judge", service, "post_call")
        reply = await platform.chat(key, model="telling")
    assert json.loads(service.body)["input_type"] == "response"
    assert reply.json()["choices"][0]["message"]["content"] == "my badge is [BADGE]"
    assert "4711" not in reply.text
    assert (await platform.record(key))["completion_tokens"] == 9


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
async def test_a_stream_is_held_back_until_it_was_judged_whole(platform: Platform, path: str):
    model = f"pieces {path}"
    body: dict[str, Any] = {"model": model, "stream": True}
    body |= {"input": "hello"} if path == "/v1/responses" else {"messages": asks("hello"), "max_tokens": 50}
    async with scripted(masks_the_badge) as service, scripted(streams("my badge is 47", "11", ", bye")) as engine:
        await platform.add_model(model, engine.url)
        key = await guard_with(platform, "judge", service, "post_call")
        reply = await platform.post(path, key, body)
    assert reply.status_code == 200
    assert json.loads(service.body)["texts"] == ["my badge is 4711, bye"]
    assert "my badge is [BADGE], bye" in reply.text
    assert "47" not in reply.text.replace("created", "").split("usage")[0] or "4711" not in reply.text
    row = await platform.record(key)
    assert (row["completion_tokens"], row["status"]) == (9, "success")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_is_blocked_is_seen_by_nobody_and_costs_nothing(platform: Platform, stream: bool):
    engine_says = streams("my badge is 47", "11") if stream else says(SECRET_WORDS)
    async with scripted(blocks_the_badge) as service, scripted(engine_says) as engine:
        await platform.add_model(f"blocked {stream}", engine.url)
        key = await guard_with(platform, "judge", service, "post_call")
        reply = await platform.chat(key, model=f"blocked {stream}", stream=stream)
    assert (reply.status_code, "4711" in reply.text) == (400, False)
    row = await platform.record(key)
    assert (row["status"], row["cost_nano"], row["completion_tokens"]) == ("refused", 0, 0)
    await platform.no_room_is_held(key)


async def test_a_stream_that_breaks_off_while_it_is_held_back_is_an_error_and_costs_nothing(platform: Platform):
    broken = streams("my badge").replace(DONE, b"").replace(USAGE, b"")[:-10]
    async with scripted(told()) as service, scripted(broken, then="close") as engine:
        await platform.add_model("breaking", engine.url)
        key = await guard_with(platform, "judge", service, "post_call")
        reply = await platform.chat(key, model="breaking", stream=True)
    assert reply.status_code == 500
    assert "my badge" not in reply.text
    assert (await platform.record(key))["cost_nano"] == 0


async def test_what_is_only_noted_changes_nothing_and_is_counted(platform: Platform):
    async with scripted(blocks_the_badge) as service, scripted(streams("my badge is 47", "11")) as engine:
        await platform.add_model("noted", engine.url)
        key = await guard_with(platform, "noting", service, "logging_only")
        assert (await platform.chat(key, model="noted", messages=asks(), stream=True)).status_code == 200

        async def noted() -> bool:
            return counted(await platform.gateway._metrics_page(), "noting", "noted") == 2

        await until(noted)
    assert (await platform.record(key))["completion_tokens"] == 9


def counted(page: bytes, name: str, outcome: str) -> float:
    start = f'litemaas_gateway_guardrail_answers_total{{guardrail="{name}",outcome="{outcome}"}} '
    return next((float(line[len(start) :]) for line in page.decode().splitlines() if line.startswith(start)), 0.0)


GARBAGE: dict[str, bytes | Callable[[bytes, bytes], bytes]] = {
    "no JSON": answer(b"<html>"),
    "another word": told("PERHAPS"),
    "texts are missing": told("GUARDRAIL_INTERVENED"),
    "fewer texts": told("GUARDRAIL_INTERVENED", texts=[]),
    "an error of its own": answer(b"{}", "500 Internal Server Error"),
    "a refusal": answer(b"{}", "401 Unauthorized"),
    "no HTTP": b"hello\r\n\r\n",
    "huge": told("NONE", more="x" * 9_000_000),
}


@pytest.mark.parametrize("what", GARBAGE)
@pytest.mark.parametrize("mode", ["pre_call", "during_call", "post_call"])
async def test_an_answer_that_means_nothing_lets_nothing_pass(platform: Platform, what: str, mode: str):
    async with scripted(GARBAGE[what]) as service:
        key = await guard_with(platform, "judge", service, mode, unreachable_fallback="fail_open")
        reply = await platform.chat(key)
    assert (reply.status_code, reply.json()["error"]["type"]) == (503, "service_unavailable")
    assert "127.0.0.1" not in reply.text
    row = await platform.record(key)
    assert (row["status"], row["cost_nano"], row["error_code"]) == ("refused", 0, "guardrail_unavailable")
    await platform.no_room_is_held(key)


@pytest.mark.parametrize("mode", ["pre_call", "during_call", "post_call"])
@pytest.mark.parametrize("fallback", ["fail_closed", "fail_open"])
async def test_a_service_that_is_away_stops_calls_unless_it_was_said_otherwise(
    platform: Platform, mode: str, fallback: str
):
    async with scripted() as service:
        key = await guard_with(platform, "judge", service, mode, unreachable_fallback=fallback)
        await service.stop()
        before = counted(await platform.gateway._metrics_page(), "judge", "unreachable")
        reply = await platform.chat(key)
    assert reply.status_code == (200 if fallback == "fail_open" else 503)
    assert counted(await platform.gateway._metrics_page(), "judge", "unreachable") == before + 1


async def test_a_service_that_is_too_slow_counts_as_away(platform: Platform):
    async with scripted(b"HTTP/1.1 200 OK\r\n", then="silent") as service:
        key = await guard_with(platform, "judge", service, "pre_call", timeout=0.1)
        assert (await platform.chat(key)).status_code == 503
        key = await guard_with(platform, "judge", service, "pre_call", timeout=0.1, unreachable_fallback="fail_open")
        assert (await platform.chat(key)).status_code == 200


async def test_any_failure_is_passed_over_where_that_was_said(platform: Platform):
    async with scripted(answer(b"<html>")) as service:
        key = await guard_with(platform, "judge", service, "pre_call", fail_on_error=False)
        assert (await platform.chat(key)).status_code == 200


async def test_one_that_is_always_on_holds_for_every_key_and_a_call_can_ask_for_another(platform: Platform, key: str):
    async with scripted(blocks_the_badge) as service:
        entry = {"guardrail": "generic_guardrail_api", "mode": "pre_call", "api_base": service.url.removesuffix("/v1")}
        await put(platform, {"guardrail_name": "asked", "litellm_params": entry})
        assert (await platform.chat(key, messages=asks())).status_code == 200
        assert (await platform.chat(key, messages=asks(), guardrails=["asked"])).status_code == 400
        await put(platform, {"guardrail_name": "always", "litellm_params": {**entry, "default_on": True}})
        assert (await platform.chat(key, messages=asks())).status_code == 400
        await put(platform)
        assert (await platform.chat(key, messages=asks())).status_code == 200


async def test_several_are_asked_in_turn_each_about_what_the_one_before_left(platform: Platform):
    def shouts(_: bytes, body: bytes) -> bytes:
        return told("GUARDRAIL_INTERVENED", texts=[text.upper() for text in json.loads(body)["texts"]])

    async with scripted(masks_the_badge) as first, scripted(shouts) as second, scripted(says("fine")) as engine:
        await platform.add_model("turns", engine.url)
        asked = {"guardrail": "generic_guardrail_api", "mode": "pre_call"}
        await put(platform, *(
            {"guardrail_name": name, "litellm_params": {**asked, "api_base": service.url.removesuffix("/v1")}}
            for name, service in (("a-first", first), ("b-second", second))
        ))  # fmt: skip
        key = await platform.ledger.add_key(extras='{"guardrails": ["pii", "b-second", "a-first"]}')
        await platform.catch_up()
        assert (await platform.chat(key, model="turns", messages=asks())).status_code == 200
        assert json.loads(second.body)["texts"] == ["my badge is [BADGE]"]
        assert (await platform.chat(key, model="turns", messages=asks("it is 536-90-4399"))).status_code == 403
        assert len(first.received) == 1
    assert json.loads(engine.received[0][1])["messages"][0]["content"] == "MY BADGE IS [BADGE]"


async def test_patterns_mask_a_stream_before_its_service_sees_it(platform: Platform):
    async with scripted(masks_the_badge) as service, scripted(streams("ann@exam", "ple.org has 4711")) as engine:
        await platform.add_model("both", engine.url)
        await guard_with(platform, "judge", service, "post_call")
        key = await platform.ledger.add_key(extras='{"guardrails": ["pii", "judge"]}')
        await platform.catch_up()
        reply = await platform.chat(key, model="both", stream=True)
    assert json.loads(service.body)["texts"] == ["[EMAIL] has 4711"]
    assert text_of(chunks_of(reply.content)) == "[EMAIL] has [BADGE]"


async def test_a_model_that_answers_instead_is_not_asked_about_again(platform: Platform):
    async with scripted(told()) as service, scripted(answer(b"{}", "500 Internal Server Error")) as broken:
        await platform.ledger.add_model("broken", broken.url)
        await platform.ledger.connection.execute("update models set fallbacks = '{granite}' where name = 'broken'")
        await platform.ledger.announce("catalog", ["broken"])
        key = await guard_with(platform, "judge", service, ["pre_call", "during_call"])
        assert (await platform.chat(key, model="broken")).status_code == 200
        assert len(service.received) == 2


@pytest.mark.parametrize("reply", [told("BLOCKED"), answer(b"", "503 Service Unavailable")])
async def test_models_whose_guardrail_lets_nothing_pass_are_not_asked_instead(
    platform: Platform, key: str, reply: bytes
):
    names = [f"{which} {len(reply)}" for which in ("first", "second", "third")]
    failing = answer(b"{}", "500 Internal Server Error")
    async with scripted(reply) as service, scripted(failing) as broken, scripted(says("fine")) as engine:
        await guard_with(platform, "judge", service, "pre_call")
        await platform.ledger.add_model(names[0], broken.url)
        for name in names[1:]:
            await platform.ledger.add_model(name, engine.url)
        execute = platform.ledger.connection.execute
        await execute("update models set fallbacks = $1 where name = $2", names[1:], names[0])
        await execute("update models set guardrails = '{judge}' where name = any($1)", names[1:])
        await platform.ledger.announce("catalog", names)
        await platform.catch_up()
        refused = await platform.chat(key, model=names[0], messages=asks())
        assert (refused.status_code, engine.received, len(service.received)) == (500, [], 2)


@pytest.mark.parametrize("mode", ["during_call", "post_call"])
async def test_a_route_of_ones_own_streams_what_was_judged(platform: Platform, mode: str):
    event = b'data: {"choices":[{"index":0,"delta":{"content":"my badge is 4711"}}]}\n\n'
    async with scripted(masks_the_badge) as service, scripted(stream_answer(event, DONE)) as target:
        await platform.add_route(f"/own-{mode}", target.url, cost=0.001)
        key = await guard_with(platform, "judge", service, mode)
        reply = await platform.post(f"/own-{mode}", key, {"question": "hello"})
    assert reply.status_code == 200, reply.text
    assert reply.content == (event.replace(b"4711", b"[BADGE]") if mode == "post_call" else event) + DONE


async def test_a_route_of_ones_own_that_breaks_off_while_held_back_is_an_error(platform: Platform):
    event = b'data: {"choices":[{"index":0,"delta":{"content":"my badge"}}]}\n\n'
    async with scripted(told()) as service, scripted(stream_answer(event)[:-5], then="close") as target:
        await platform.add_route("/own-broken", target.url, cost=0.001)
        key = await guard_with(platform, "judge", service, "post_call")
        reply = await platform.post("/own-broken", key, {"question": "hello"})
    assert (reply.status_code, "badge" in reply.text) == (500, False)
    assert (await platform.record(key))["cost_nano"] == 0


@pytest.mark.parametrize("prompt", [[9906, 1917], [[9906], [1917]]])
async def test_texts_that_are_given_as_ids_of_tokens_do_not_pass_unseen(platform: Platform, prompt: Any):
    async with scripted(told()) as service:
        key = await guard_with(platform, "judge", service, "pre_call")
        reply = await platform.post("/v1/completions", key, {"model": "granite", "prompt": prompt})
        assert (reply.status_code, "ids of tokens" in reply.text, service.received) == (400, True, [])


async def test_texts_that_are_too_long_to_judge_pass_nowhere(platform: Platform):
    async with scripted(told()) as service:
        key = await guard_with(platform, "judge", service, "pre_call")
        assert (await platform.chat(key, messages=asks("x" * 1_000_001))).status_code == 503
        assert service.received == []


async def test_an_answer_that_is_too_long_to_hold_back_is_refused(platform: Platform):
    piece = "x" * 60_000
    async with scripted(told()) as service, scripted(streams(*[piece] * 290)) as engine:
        await platform.add_model("endless", engine.url)
        key = await guard_with(platform, "judge", service, "post_call")
        reply = await platform.chat(key, model="endless", stream=True)
    assert (reply.status_code, "too long" in reply.text) == (400, True)


async def test_a_client_that_leaves_while_a_verdict_is_waited_for_is_settled(platform: Platform):
    async with scripted(b"", then="silent") as service:
        key = await guard_with(platform, "judge", service, "during_call", timeout=60)
        with pytest.raises(httpx2.ReadTimeout):
            await platform.http.post(
                "/v1/chat/completions", json={"model": "granite", "messages": asks(), "stream": True}, timeout=0.3,
                headers={"Authorization": f"Bearer {key}"},
            )  # fmt: skip
        assert (await platform.record(key))["status"] == "cancelled"
        await platform.no_room_is_held(key)


async def test_a_gateway_that_stops_waits_for_no_service(database_url: str, sim: SimulatedServers, tmp_path: Any):
    await seed(database_url, sim)
    async with scripted(b"", then="silent") as service:
        async with running(gateway_settings(database_url, tmp_path, worker_id="gateway-stops"), sim) as platform:
            key = await guard_with(platform, "judge", service, "logging_only", timeout=120)
            assert (await platform.chat(key)).status_code == 200
        async with patience(10):
            await service.left.wait()


# -- kept answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_kept_answer_is_judged_anew(database_url: str, sim: SimulatedServers, tmp_path: Any, stream: bool):
    await seed(database_url, sim)
    settings = gateway_settings(database_url, tmp_path, worker_id="gateway-judged")
    settings = msgspec.structs.replace(settings, answer_cache=AnswerCacheSettings(type="local", most_bytes=20_000))
    async with running(settings, sim) as platform, scripted(told()) as service:
        key = await guard_with(platform, "judge", service, ["during_call", "post_call"])
        first = await platform.chat(key, stream=stream)
        again = await platform.chat(key, stream=stream)
        assert (again.status_code, "x-litellm-cache-key" in again.headers) == (200, True)
        assert text_of(chunks_of(again.content)) == text_of(chunks_of(first.content)) if stream else again.content
        service.reply = lambda head, body: told("BLOCKED") if b'"response"' in body else told()
        refused = await platform.chat(key, stream=stream)
        assert (refused.status_code, len(service.received)) == (400, 6)


async def test_an_answer_that_passed_without_its_service_is_not_kept(
    database_url: str, sim: SimulatedServers, tmp_path: Any
):
    await seed(database_url, sim)
    settings = gateway_settings(database_url, tmp_path, worker_id="gateway-unseen")
    settings = msgspec.structs.replace(settings, answer_cache=AnswerCacheSettings(type="local", most_bytes=20_000))
    async with running(settings, sim) as platform, scripted(answer(b"", "503 Service Unavailable")) as service:
        key = await guard_with(platform, "judge", service, "post_call", unreachable_fallback="fail_open")
        for _ in range(2):
            reply = await platform.chat(key)
            assert (reply.status_code, "x-litellm-cache-key" in reply.headers) == (200, False)
