"""Does the vLLM-like server speak as vLLM does, and do its counters, its usage and its tokenizer agree?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import orjson
import pytest

from litemaas.sim.settings import ChatModel, SimSettings
from litemaas.sim.testing import SimulatedServers

MODEL = "granite-3.3-8b"
CHAT = "/v1/chat/completions"
WITHIN_S = 30.0


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[SimulatedServers]:
    models = (ChatModel(MODEL), ChatModel("small", max_model_len=64))
    async with SimulatedServers(SimSettings(chat_models=models, drain_s=0.2)) as servers:
        yield servers


@pytest.fixture
def sim(servers: SimulatedServers) -> SimulatedServers:
    servers.reset()
    return servers


@pytest.fixture
async def client(sim: SimulatedServers) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=sim.chat.url, timeout=WITHIN_S) as client:
        yield client


def chat(said: str = "Tell me about the sea.", **members: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": said}], **members}


async def metric(client: httpx2.AsyncClient, name: str, labels: str = "") -> float:
    """The value of a sample of MODEL; Prometheus' counters are never reset, so tests look at differences."""
    line = f'{name}{{engine="0",{labels}model_name="{MODEL}"}} '
    page = (await client.get("/metrics")).text
    return next(float(text.removeprefix(line)) for text in page.splitlines() if text.startswith(line))


def events(body: bytes) -> list[dict[str, Any]]:
    parts = body.split(b"\n\n")
    assert parts[-2:] == [b"data: [DONE]", b""]
    return [orjson.loads(part.removeprefix(b"data: ")) for part in parts[:-2]]


async def test_usage_equals_tokenize_and_counters(sim: SimulatedServers, client: httpx2.AsyncClient) -> None:
    answer = (await client.post(CHAT, json=chat())).json()
    prompt = (await client.post("/tokenize", json=chat())).json()
    text = answer["choices"][0]["message"]["content"]
    completion = (await client.post("/tokenize", json={"model": MODEL, "prompt": text})).json()
    usage = answer["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (prompt["count"], completion["count"])
    assert usage["total_tokens"] == prompt["count"] + completion["count"]
    for sums in (sim.counters.of("chat"), sim.counters.of("chat", MODEL)):
        assert (sums.requests, sums.completed) == (1, 1)
        assert (sums.prompt_tokens, sums.completion_tokens) == (prompt["count"], completion["count"])
    assert sim.counters.entries[-1].engine_id == answer["id"]


async def test_stream_is_what_vllm_writes_to_the_byte(client: httpx2.AsyncClient) -> None:
    options = {"include_usage": True}
    answer = await client.post(CHAT, json=chat(stream=True, max_tokens=2, stream_options=options))
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    first = events(answer.content)[0]
    head = (
        f'data: {{"id":"{first["id"]}","object":"chat.completion.chunk","created":{first["created"]},"model":"{MODEL}"'
    )
    rest, end = ',"logprobs":null,"finish_reason":', '"length","stop_reason":null,"token_ids":null'
    texts = [event["choices"][0]["delta"]["content"] for event in events(answer.content)[1:3]]
    expected = [
        f'{head},"choices":[{{"index":0,"delta":{{"role":"assistant","content":""}}{rest}null}}],"prompt_token_ids":null}}',
        f'{head},"choices":[{{"index":0,"delta":{{"content":"{texts[0]}"}}{rest}null,"token_ids":null}}]}}',
        f'{head},"choices":[{{"index":0,"delta":{{"content":"{texts[1]}"}}{rest}{end}}}]}}',
        f'{head},"choices":[],"usage":{{"prompt_tokens":12,"total_tokens":14,"completion_tokens":2}}}}',
        "data: [DONE]",
        "",
    ]
    assert answer.text.split("\n\n") == expected


async def test_stream_tells_no_usage_unless_asked(client: httpx2.AsyncClient) -> None:
    answer = await client.post(CHAT, json=chat(stream=True))
    assert all("usage" not in event for event in events(answer.content))


async def test_continuous_usage_grows_with_every_event(client: httpx2.AsyncClient) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    streamed = events((await client.post(CHAT, json=chat(stream=True, stream_options=options))).content)
    made = [event["usage"]["completion_tokens"] for event in streamed]
    total = made[-1]
    assert made == [0, *range(1, total + 1), total, total]
    assert streamed[-1]["choices"] == []
    assert streamed[-2]["choices"][0] == {
        "index": 0, "delta": {"content": ""}, "logprobs": None, "finish_reason": "stop", "stop_reason": None,
        "token_ids": None,
    }  # fmt: skip


async def test_continuous_usage_needs_include_usage_and_can_be_ignored(
    sim: SimulatedServers, client: httpx2.AsyncClient
) -> None:
    alone = chat(stream=True, stream_options={"continuous_usage_stats": True})
    assert all("usage" not in event for event in events((await client.post(CHAT, json=alone)).content))
    sim.chat.behave(ignore_continuous_usage=True)
    both = chat(stream=True, stream_options={"include_usage": True, "continuous_usage_stats": True})
    streamed = events((await client.post(CHAT, json=both)).content)
    assert ["usage" in event for event in streamed] == [False] * (len(streamed) - 1) + [True]


async def test_several_choices_differ_and_their_tokens_are_summed(client: httpx2.AsyncClient) -> None:
    whole = (await client.post(CHAT, json=chat(n=3, max_tokens=9))).json()
    assert len({choice["message"]["content"] for choice in whole["choices"]}) == 3
    assert whole["usage"]["completion_tokens"] == 27
    body = chat(n=3, max_tokens=9, stream=True, stream_options={"include_usage": True})
    streamed = events((await client.post(CHAT, json=body)).content)
    assert streamed[-1]["usage"]["completion_tokens"] == 27
    for choice in whole["choices"]:
        parts = [event["choices"][0] for event in streamed[:-1]]
        text = "".join(part["delta"].get("content", "") for part in parts if part["index"] == choice["index"])
        assert text == choice["message"]["content"]


async def test_completion_events_name_every_member(client: httpx2.AsyncClient) -> None:
    body = {
        "model": MODEL,
        "prompt": "Once",
        "stream": True,
        "max_tokens": 2,
        "stream_options": {"include_usage": True},
    }
    streamed = events((await client.post("/v1/completions", json=body)).content)
    assert [list(event) for event in streamed[:2]] == [["id", "object", "created", "model", "choices", "usage"]] * 2
    assert [event["usage"] for event in streamed[:2]] == [None, None]
    assert streamed[-1]["usage"] == {"prompt_tokens": 1, "total_tokens": 3, "completion_tokens": 2}


async def test_completion_has_sixteen_tokens_by_default_and_takes_token_arrays(client: httpx2.AsyncClient) -> None:
    for prompt, tokens in (("Once upon", 2), ([1, 2, 3], 3), (["a", "b c"], 3), ([[1, 2], [3]], 3)):
        answer = (await client.post("/v1/completions", json={"model": MODEL, "prompt": prompt})).json()
        assert answer["usage"]["prompt_tokens"] == tokens
        assert all(choice["finish_reason"] == "length" for choice in answer["choices"])
        assert answer["usage"]["completion_tokens"] == 16 * len(answer["choices"])


async def test_tool_call_is_streamed_in_pieces_that_join_to_its_arguments(client: httpx2.AsyncClient) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}]
    body = chat("How is the weather in Rome?", tools=tools, stream=True)
    streamed = events((await client.post(CHAT, json=body)).content)
    calls = [call for event in streamed for call in event["choices"][0]["delta"].get("tool_calls", [])]
    assert calls[0]["function"] == {"name": "get_weather", "arguments": ""}
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert orjson.loads(arguments) == {"city": "Rome"}
    assert streamed[-1]["choices"][0]["finish_reason"] == "tool_calls"
    whole = (await client.post(CHAT, json={**body, "stream": False})).json()["choices"][0]
    assert whole["message"]["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": arguments}
    assert (whole["message"]["content"], whole["finish_reason"]) == (None, "tool_calls")


async def test_cached_and_reasoning_tokens_are_told_and_counted(
    sim: SimulatedServers, client: httpx2.AsyncClient
) -> None:
    sim.chat.behave(prefix_cache=True, reasoning_tokens=5)
    said = "a long story " * 20
    first = (await client.post(CHAT, json=chat(said))).json()["usage"]
    again = (await client.post(CHAT, json=chat(said))).json()["usage"]
    assert first["prompt_tokens_details"] is None
    assert 0 < again["prompt_tokens_details"]["cached_tokens"] < again["prompt_tokens"]
    assert again["completion_tokens_details"] == {"reasoning_tokens": 5}
    sums = sim.counters.of("chat", MODEL)
    assert sums.cached_tokens == again["prompt_tokens_details"]["cached_tokens"]
    assert sums.reasoning_tokens == 10
    sim.reset()
    sim.chat.behave(prefix_cache=True)
    assert (await client.post(CHAT, json=chat(said))).json()["usage"]["prompt_tokens_details"] is None


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (
            chat("word " * 70) | {"model": "small"},
            400,
            "maximum context length is 64 tokens. However, your request has",
        ),
        (chat("hi", max_tokens=60) | {"model": "small"}, 400, "is too large: 60"),
        (chat() | {"model": "nobody"}, 404, "The model `nobody` does not exist."),
        (chat(stream_options={"include_usage": True}), 400, "Stream options can only be defined when `stream=True`."),
        (chat(max_tokens=0), 400, "max_tokens must be at least 1, got 0."),
        ({"model": MODEL}, 400, "messages"),
        ({"model": MODEL, "messages": "hi"}, 400, "messages"),
    ],
)
async def test_bad_request_is_refused_in_the_words_of_vllm(
    sim: SimulatedServers, client: httpx2.AsyncClient, body: dict[str, Any], status: int, words: str
) -> None:
    answer = await client.post(CHAT, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, status)
    assert words in error["message"]
    assert (sim.counters.of("chat").failed, sim.counters.of("chat").prompt_tokens) == (1, 0)


async def test_malformed_json_and_other_content_types_are_refused(client: httpx2.AsyncClient) -> None:
    json = {"content-type": "application/json"}
    assert (await client.post(CHAT, content=b'{"model":', headers=json)).status_code == 400
    text = await client.post(CHAT, content=b"{}", headers={"content-type": "text/plain"})
    assert "Unsupported Media Type" in text.json()["error"]["message"]
    assert (await client.get(CHAT)).status_code == 405
    assert (await client.get("/nowhere")).status_code == 404


async def test_client_that_leaves_stops_the_generation_and_what_was_written_counts(
    sim: SimulatedServers, client: httpx2.AsyncClient
) -> None:
    sim.chat.behave(token_s=0.02)
    aborted = await metric(client, "vllm:request_success_total", 'finished_reason="abort",')
    seen = 0
    async with client.stream("POST", CHAT, json=chat(stream=True, max_tokens=1000, ignore_eos=True)) as answer:
        async for line in answer.aiter_lines():
            seen += line.startswith("data: ") and '"content":""' not in line
            if seen == 3:
                break
    await sim.until_ended()
    entry = sim.counters.entries[-1]
    assert (entry.outcome, entry.cancelled, entry.prompt_tokens) == ("cancelled", True, 12)
    assert 3 <= entry.completion_tokens < 1000
    sums = sim.counters.of("chat", MODEL)
    assert (sums.cancelled, sums.completion_tokens) == (1, entry.completion_tokens)
    assert await metric(client, "vllm:request_success_total", 'finished_reason="abort",') == aborted + 1


async def test_client_that_leaves_a_slow_whole_answer_pays_for_a_part(
    sim: SimulatedServers, client: httpx2.AsyncClient
) -> None:
    sim.chat.behave(json_s=60.0)
    with pytest.raises(httpx2.ReadTimeout):
        await client.post(CHAT, json=chat(max_tokens=20), timeout=0.05)
    await sim.until_ended()
    assert sim.counters.entries[-1].cancelled
    assert sim.counters.of("chat").completion_tokens < 20


async def test_metrics_grow_by_what_the_counters_tell(sim: SimulatedServers, client: httpx2.AsyncClient) -> None:
    names = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:time_to_first_token_seconds_count")
    before = [await metric(client, name) for name in names]
    await client.post(CHAT, json=chat())
    grown = [await metric(client, name) - old for name, old in zip(names, before, strict=True)]
    sums = sim.counters.of("chat", MODEL)
    assert grown == [sums.prompt_tokens, sums.completion_tokens, 1]
    for name in ("num_requests_running", "num_requests_waiting"):
        assert await metric(client, f"vllm:{name}") == 0.0
    for name in (
        "kv_cache_usage_perc",
        "prefix_cache_hits_total",
        "prefix_cache_queries_total",
        "num_preemptions_total",
    ):
        assert await metric(client, f"vllm:{name}") >= 0.0


async def test_tokenizer_shows_strings_and_goes_back(client: httpx2.AsyncClient) -> None:
    body = {"model": MODEL, "prompt": "Größe, bitte!", "return_token_strs": True}
    told = (await client.post("/tokenize", json=body)).json()
    assert told["count"] == len(told["tokens"]) == len(told["token_strs"])
    assert told["max_model_len"] == 32768
    back = await client.post("/detokenize", json={"model": MODEL, "tokens": told["tokens"]})
    assert back.json() == {"prompt": "Größe, bitte!"}


async def test_received_requests_can_be_seen_and_forgotten(sim: SimulatedServers, client: httpx2.AsyncClient) -> None:
    await client.post(CHAT, json=chat(some_extra={"a": [1, None]}), headers={"x-mine": "yes"})
    assert sim.chat.received[-1].json()["some_extra"] == {"a": [1, None]}
    assert sim.chat.received[-1].header("X-Mine") == "yes"
    shown = (await client.get("/sim/requests")).json()["requests"]
    assert shown[-1]["body"]["some_extra"] == {"a": [1, None]}
    assert ["x-mine", "yes"] in shown[-1]["headers"]
    await client.delete("/sim/requests")
    assert not sim.chat.received


async def test_counters_and_behaviour_can_be_read_changed_and_reset_over_http(client: httpx2.AsyncClient) -> None:
    changed = await client.post("/sim/behaviour", json={"answer_tokens": 4})
    assert changed.json()["answer_tokens"] == 4
    await client.post(CHAT, json=chat())
    counters = (await client.get("/sim/counters", params={"entries": 1})).json()
    assert counters["servers"]["chat"]["models"][MODEL]["completion_tokens"] == 4
    assert counters["entries"][0]["completion_tokens"] == 4
    assert (await client.post("/sim/behaviour", json={"nonsense": 1})).status_code == 400
    assert (await client.delete("/sim/behaviour")).json()["answer_tokens"] is None
    await client.delete("/sim/counters")
    assert (await client.get("/sim/counters")).json()["entries"] == []


async def test_usage_can_be_omitted_and_stream_options_rejected(
    sim: SimulatedServers, client: httpx2.AsyncClient
) -> None:
    sim.chat.behave(omit_usage=True)
    assert "usage" not in (await client.post(CHAT, json=chat())).json()
    asked = chat(stream=True, stream_options={"include_usage": True})
    assert all("usage" not in event for event in events((await client.post(CHAT, json=asked)).content))
    sim.chat.behave(reject_stream_options=True)
    assert (await client.post(CHAT, json=asked)).status_code == 400
    assert (await client.post(CHAT, json=chat(stream=True))).status_code == 200


async def test_engine_id_can_be_the_same_for_every_call_or_come_from_the_client(
    sim: SimulatedServers, client: httpx2.AsyncClient
) -> None:
    named = await client.post(CHAT, json=chat(), headers={"x-request-id": "mine"})
    assert named.json()["id"] == "chatcmpl-mine"
    sim.chat.behave(engine_id="same")
    assert {(await client.post(CHAT, json=chat())).json()["id"] for _ in range(2)} == {"chatcmpl-same"}


async def test_models_health_and_version(client: httpx2.AsyncClient) -> None:
    models = (await client.get("/v1/models")).json()["data"]
    assert [(model["id"], model["max_model_len"]) for model in models] == [(MODEL, 32768), ("small", 64)]
    assert (await client.get("/health")).status_code == 200
    assert (await client.get("/version")).json()["simulated"] is True


async def test_api_key_is_asked_for_under_v1_only() -> None:
    settings = SimSettings(chat_api_key="right", embeddings_port=None, documents_port=None, drain_s=0.2)
    async with SimulatedServers(settings) as sim, httpx2.AsyncClient(base_url=sim.chat.url, timeout=WITHIN_S) as client:
        assert sim.urls == {"chat": sim.chat.url}
        assert (await client.post(CHAT, json=chat())).status_code == 401
        right = {"authorization": "Bearer right"}
        assert (await client.post(CHAT, json=chat(), headers=right)).status_code == 200
        assert (await client.get("/health")).status_code == 200


async def test_official_client_chats_and_streams(sim: SimulatedServers) -> None:
    async with openai.AsyncOpenAI(base_url=f"{sim.chat.url}/v1", api_key="none", timeout=WITHIN_S) as client:
        messages: Any = [{"role": "user", "content": "Hello"}]
        whole = await client.chat.completions.create(model=MODEL, messages=messages)
        stream = await client.chat.completions.create(
            model=MODEL, messages=messages, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
