"""What of a model server is reached under ``/vllm`` and ``/openai``, by whom, and is it paid?"""

from __future__ import annotations

import json

import pytest

from .harness import QUESTION, Platform, answer, scripted

SCORED = {"id": "s", "data": [{"index": 0, "score": 0.5}], "usage": {"prompt_tokens": 9, "total_tokens": 9}}


async def test_texts_are_scored_at_the_engines_root_and_paid_by_their_tokens(platform: Platform, key: str):
    async with scripted(answer(json.dumps(SCORED).encode())) as engine:
        await platform.add_model("scorer", engine.url, "e", mode="rerank")
        body = {"model": "scorer", "text_1": "a", "text_2": ["b"], "own": {"x": None}}
        reply = await platform.post("/vllm/score", key, body)
        assert reply.json() == SCORED
        by_query = await platform.post("/vllm/v1/score?model=scorer", key, {"text_1": "a", "text_2": "b"})
        assert by_query.status_code == 200
    head, sent = engine.received[0]
    assert head.startswith(b"POST /score HTTP/1.1\r\n")
    assert json.loads(sent) == {**body, "model": "e"}
    record = (await platform.records(key, 2))[0]
    assert (record["endpoint"], record["prompt_tokens"], record["cost_nano"]) == ("/score", 9, 9_000)


@pytest.mark.parametrize(
    "path", ["/openai/v1/chat/completions", "/openai/chat/completions", "/vllm/v1/chat/completions"]
)
async def test_a_path_that_is_ours_too_is_the_same_call_there(platform: Platform, key: str, path: str):
    reply = await platform.post(path, key, {**QUESTION, "max_tokens": 2})
    assert reply.json()["usage"]["completion_tokens"] == 2
    assert (await platform.record(key))["endpoint"] == "/chat/completions"


@pytest.mark.parametrize(
    "path",
    ["/vllm/v1/load_lora_adapter", "/vllm/sleep", "/vllm/../score", "/vllm/%2e%2e/metrics", "/openai/score", "/vllm/"],
)
async def test_what_is_for_an_engines_operators_is_not_there(platform: Platform, key: str, path: str):
    assert (await platform.post(path, key, QUESTION)).status_code == 404


async def test_the_model_must_be_named_and_allowed(platform: Platform):
    stranger = await platform.ledger.add_key(models=["free"])
    unnamed = await platform.post("/vllm/score", stranger, {"text_1": "a", "text_2": "b"})
    assert (unnamed.status_code, unnamed.json()["error"]["param"]) == (400, "model")
    for path, body in (("/vllm/score", {"model": "granite"}), ("/vllm/score?model=granite", {"model": "free"}),
                       ("/openai/chat/completions?model=granite", {**QUESTION, "model": "free"})):  # fmt: skip
        denied = await platform.post(path, stranger, body)
        assert (denied.status_code, denied.json()["error"]["type"]) == (401, "key_model_access_denied")
