"""Are tokens counted by the engine that would get them, and estimated where it cannot?"""

from __future__ import annotations

import pytest

from .harness import QUESTION, Platform, answer, scripted

PATH = "/utils/token_counter?call_endpoint=false"


async def test_a_prompt_is_counted_by_the_models_engine_free_of_charge(platform: Platform, key: str) -> None:
    reply = await platform.post(PATH, key, QUESTION)
    assert reply.status_code == 200, reply.text
    told = reply.json()
    counted = (await platform.post("/v1/tokenize", key, QUESTION)).json()["count"]
    assert told == {
        "total_tokens": counted, "request_model": "granite", "model_used": "granite-3.3-8b",
        "tokenizer_type": "openai_tokenizer", "original_response": None, "error": False, "error_message": None,
        "status_code": None,
    }  # fmt: skip
    assert "x-litellm-call-id" in reply.headers
    assert (await platform.record(key))["endpoint"] == "/tokenize"  # only the other call is one
    contents = [{"role": "user", "parts": [{"text": QUESTION["messages"][0]["content"]}]}]
    same = await platform.post(PATH, key, {"model": "granite", "contents": contents})
    assert same.json()["total_tokens"] == counted
    assert (await platform.post(PATH, key, {"model": "granite", "prompt": "How"})).json()["total_tokens"] < counted


async def test_an_engine_without_a_tokenizer_is_estimated_and_said_so(platform: Platform, key: str) -> None:
    async with scripted(answer(b"{}", "404 Not Found")) as engine:
        await platform.add_model("uncounted", engine.url)
        told = (await platform.post(PATH, key, {**QUESTION, "model": "uncounted"})).json()
    assert told["tokenizer_type"] == "estimate"
    assert 5 < told["total_tokens"] < 40


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "granite"}, 400, "messages"),
        ({"model": "granite", "contents": "text"}, 400, "contents"),
        ({"model": "granite", "prompt": "x", "api_base": "http://elsewhere"}, 401, "None"),
        ({"prompt": "x"}, 400, "model"),
        ({"model": "nobody", "prompt": "x"}, 400, "model"),
    ],
)
async def test_what_cannot_be_counted_is_refused(
    platform: Platform, key: str, body: dict[str, object], status: int, param: str
) -> None:
    reply = await platform.post(PATH, key, body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)


async def test_only_those_count_who_may_call_the_model(platform: Platform) -> None:
    key = await platform.ledger.add_key(models=["nomic"])
    assert (await platform.post(PATH, key, QUESTION)).status_code == 401
    assert (await platform.http.post(PATH, json=QUESTION)).status_code == 401
    assert (await platform.http.get(PATH, headers={"Authorization": f"Bearer {key}"})).status_code == 405
