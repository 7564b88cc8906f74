"""What happens when a model server fails? The documented answer, one record, nothing held, and the next call works."""

from __future__ import annotations

from typing import Any

import pytest

from litemaas.sim.behaviour import Fault

from .harness import QUESTION, Platform, events_of

CREDENTIAL = "engine-credential-1"


async def the_next_call_works(platform: Platform, key: str) -> None:
    platform.sim.chat.reset_behaviour()
    assert (await platform.chat(key)).status_code == 200
    await platform.no_room_is_held(key)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault("reset"), 500, "upstream_unreachable"),
        (Fault("close"), 500, "upstream_unreachable"),
        (Fault("garbage"), 500, "upstream_garbage"),
        (Fault("garbage_json"), 500, "upstream_garbage"),
        (Fault("hang"), 408, "upstream_timeout"),
        (Fault("status", status=503), 503, "upstream_refused"),
        (Fault("status", status=404), 404, "upstream_refused"),
        (Fault("status", status=401), 401, "upstream_refused"),
        (Fault("status", status=429, retry_after=7), 429, "upstream_refused"),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else "",
)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_that_fails_before_its_answer_gives_an_ordinary_error(
    platform: Platform, fault: Fault, status: int, code: str, stream: bool
) -> None:
    await platform.ledger.connection.execute("update deployments set timeout_s = 0.4 where model_name = 'granite'")
    await platform.ledger.announce("catalog", ["granite"])
    await platform.catch_up()
    key = await platform.ledger.add_key(max_budget_nano=10**12)
    platform.sim.chat.behave(faults=(fault,))

    answer = await platform.chat(key, stream=stream)

    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert answer.headers["x-litellm-call-id"]
    assert CREDENTIAL not in answer.text
    if status == 429:
        assert answer.headers["retry-after"] == "7"
        assert "rate_limit_type" not in answer.headers
    if fault.kind == "hang":
        assert answer.headers["x-litellm-timeout"] == "0.4"
    row = await platform.record(key)
    assert (row["status"], row["http_status"], row["error_code"], row["cost_nano"]) == ("failure", status, code, 0)
    await the_next_call_works(platform, key)


@pytest.mark.parametrize("ending", ["reset", "close", "end", "error"])
async def test_an_engine_that_dies_in_the_middle_ends_the_stream_with_an_error_and_is_paid_for_what_came(
    platform: Platform, ending: str
) -> None:
    key = await platform.ledger.add_key(max_budget_nano=10**12)
    platform.sim.chat.behave(faults=(Fault("die", after_chunks=5, ending=ending),))

    answer = await platform.chat(key, stream=True)

    events = events_of(answer.content)
    assert answer.status_code == 200
    assert b"[DONE]" not in answer.content
    assert events[-1].startswith(b'data: {"error":')
    row = await platform.record(key)
    assert row["status"] == "failure"
    assert row["completion_tokens"] > 0
    assert row["cost_nano"] == await platform.ledger.settled(key)
    await the_next_call_works(platform, key)


@pytest.mark.parametrize("changes", [{"omit_usage": True}])
@pytest.mark.parametrize("stream", [False, True])
async def test_usage_that_the_engine_does_not_tell_is_counted_by_its_tokenizer(
    platform: Platform, changes: dict[str, Any], stream: bool
) -> None:
    key = await platform.ledger.add_key()
    platform.sim.chat.behave(**changes)

    answer = await platform.chat(key, stream=stream)

    assert answer.status_code == 200
    row = await platform.record(key)
    served = platform.sim.counters.of("chat")
    assert row["prompt_tokens"] == served.prompt_tokens
    assert row["usage_source"] in ("tokenizer", "estimate")
    assert row["completion_tokens"] > 0


async def test_an_engine_that_refuses_stream_options_is_remembered_and_still_streams(platform: Platform) -> None:
    key = await platform.ledger.add_key()
    await platform.add_model("plain", platform.sim.chat.url + "/v1")
    platform.sim.chat.behave(reject_stream_options=True)

    answers = [await platform.chat(key, model="plain", stream=True) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert all(b"[DONE]" in answer.content for answer in answers)
    rows = await platform.records(key, 2)
    assert all(row["completion_tokens"] > 0 for row in rows)


async def test_what_cannot_be_understood_is_refused_in_the_openai_envelope(platform: Platform, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}", "content-type": "application/json"}
    cases: list[tuple[bytes, int, str | None]] = [
        (b"{", 400, "request_body"),
        (b"[]", 400, "request_body"),
        (b"\xff", 400, "request_body"),
        (b'{"model":"granite"}', 400, "messages"),
        (b'{"messages":[]}', 400, "model"),
        (b'{"model":"granite","messages":[],"max_tokens":"many"}', 400, "max_tokens"),
        (b'{"model":"granite","messages":[],"stream":"yes"}', 400, "stream"),
        (b'{"model":"granite","messages":[],"mock_response":"x"}', 400, "mock_response"),
        (b'{"model":"granite","messages":[],"guardrails":["x"]}', 400, "guardrails"),
        (b'{"model":"\xff","messages":[]}', 400, None),
        (b"[" * 100_000, 400, "request_body"),
    ]
    for body, status, param in cases:
        answer = await platform.http.post("/v1/chat/completions", content=body, headers=headers)
        assert answer.status_code == status, body[:80]
        if param is not None:
            assert answer.json()["error"]["param"] == param
    rows = await platform.records(key, len(cases))
    assert {row["status"] for row in rows} == {"refused"}
    assert (await platform.chat(key)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 401, "auth_error"),
        ({"Authorization": "Basic abc"}, 401, "auth_error"),
        ({"Authorization": "Bearer abc"}, 401, "auth_error"),
        ({"Authorization": "Bearer sk-unknown-1234567890"}, 401, "token_not_found_in_db"),
        ({"x-litellm-api-key": "sk-' or 1=1 --"}, 401, "token_not_found_in_db"),
    ],
)
async def test_a_call_without_a_good_key_is_refused_before_its_body_matters(
    platform: Platform, headers: dict[str, str], status: int, kind: str
) -> None:
    answer = await platform.http.post("/v1/chat/completions", json=QUESTION, headers=headers)

    assert answer.status_code == status
    assert answer.json()["error"]["type"] == kind
    assert platform.sim.counters.of("chat").requests == 0


async def test_the_master_key_and_each_header_form_are_known(platform: Platform, key: str) -> None:
    for headers in (
        {"x-litellm-api-key": key, "Authorization": "Bearer sk-wrong"}, {"x-litellm-api-key": f"Bearer {key}"},
        {"api-key": key}, {"x-api-key": key}, {"x-goog-api-key": key}, {"Ocp-Apim-Subscription-Key": key},
        {"authorization": f"bearer {key}"},
    ):  # fmt: skip
        assert (await platform.http.post("/v1/chat/completions", json=QUESTION, headers=headers)).status_code == 200


async def test_a_name_that_the_key_may_not_call_is_denied_whether_it_exists_or_not(platform: Platform) -> None:
    key = await platform.ledger.add_key(models=["granite"])

    for name in ("free", "nobody-knows"):
        answer = await platform.chat(key, model=name)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "key_model_access_denied"


async def test_blocked_and_expired_keys_are_told_apart(platform: Platform) -> None:
    connection = platform.ledger.connection
    blocked = await platform.ledger.add_key(blocked=True)
    expired = await platform.ledger.add_key(expires_at=await connection.fetchval("select now() - interval '1 minute'"))

    assert (await platform.chat(blocked)).json()["error"]["type"] == "auth_error"
    answer = await platform.chat(expired)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "expired_key")


async def test_wrong_paths_and_methods_are_answered_in_json(platform: Platform) -> None:
    assert (await platform.http.post("/v1/nothing", json={})).json()["error"]["code"] == "404"
    answer = await platform.http.get("/v1/chat/completions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
