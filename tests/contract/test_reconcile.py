"""Does the ledger say to the token what the engines served? Mixed calls at once, then both are asked."""

from __future__ import annotations

import asyncio
import base64
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
import pytest
from tests.contract.conftest import NewKey, chunks_of
from tests.contract.test_openai_sdk import EMBEDDING_MODEL, TOOLS, WEATHER
from tests.e2e.running import ANSWERS_WITHIN_S, ask_control, ask_model, until

from litemaas.cli.up import demo
from litemaas.core.keys import hash_key

pytestmark = pytest.mark.slow

CALLS, AT_ONCE = 120, 8
TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "pages")
SECOND_CHAT_MODEL = "qwen3-8b"
QUESTION = "What does a tally clerk in the port of Bremen write down when a ship is unloaded, and who reads it? " * 2
DOCUMENT = base64.b64encode(b"three pages of text " * 400).decode()

Call = Callable[[openai.AsyncOpenAI, str], Awaitable[Any]]


def said(text: str) -> Any:
    return [{"role": "user", "content": text}]


async def stream(client: openai.AsyncOpenAI, text: str, **members: Any) -> Any:
    return await chunks_of(
        client.chat.completions.create(model=demo.CHAT_MODEL, messages=said(text), stream=True, **members)
    )


async def convert(client: openai.AsyncOpenAI, text: str) -> Any:
    """The client knows no documents, but posts to any path."""
    source = {"kind": "file", "filename": "a.txt", "base64_string": DOCUMENT}
    root = f"{client.base_url.scheme}://{client.base_url.netloc.decode()}"
    return await client.post(f"{root}/docling/v1/convert/source", cast_to=object, body={"sources": [source]})


async def refused(client: openai.AsyncOpenAI, text: str) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(model="no-such-model", messages=said(text))


async def refused_by_the_engine(client: openai.AsyncOpenAI, text: str) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(model=demo.CHAT_MODEL, messages=said(text), max_tokens=1_000_000)


KINDS: tuple[Call, ...] = (
    lambda client, text: client.chat.completions.create(model=demo.CHAT_MODEL, messages=said(text)),
    lambda client, text: client.chat.completions.create(
        model=SECOND_CHAT_MODEL, messages=said(text), n=3, max_tokens=9
    ),
    lambda client, text: client.chat.completions.create(
        model=demo.CHAT_MODEL, messages=said(text), reasoning_effort="medium"
    ),
    lambda client, text: client.chat.completions.create(
        model=SECOND_CHAT_MODEL, messages=said(text), response_format={"type": "json_object"}
    ),
    lambda client, text: client.chat.completions.create(model=demo.CHAT_MODEL, messages=WEATHER, tools=TOOLS),
    stream,
    lambda client, text: stream(client, text, stream_options={"include_usage": True}),
    lambda client, text: stream(client, text, tools=TOOLS, tool_choice="required"),
    lambda client, text: stream(client, text, n=2, max_tokens=5),
    lambda client, text: client.completions.create(model=SECOND_CHAT_MODEL, prompt=[text, "again"], max_tokens=6),
    lambda client, text: chunks_of(client.completions.create(model=demo.CHAT_MODEL, prompt=text, stream=True)),
    lambda client, text: client.embeddings.create(model=EMBEDDING_MODEL, input=[text, "two"], encoding_format="float"),
    lambda client, text: client.embeddings.create(model=EMBEDDING_MODEL, input=text, encoding_format="base64"),
    convert,
    refused,
    refused_by_the_engine,
)


class Engines:
    """The simulated servers, which count what they serve."""

    def __init__(self, platform: Mapping[str, str]) -> None:
        [deployment] = ask_model(platform, demo.CHAT_MODEL)["deployments"]
        self._controls = f"http://{urlsplit(deployment['api_base']).netloc}/sim"

    def control(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Asks for one of the simulation's own paths at the chat server; the counters are those of all servers."""
        url = f"{self._controls}/{path}"
        answer = httpx2.request(method, url, json=body, timeout=ANSWERS_WITHIN_S, trust_env=False)
        return dict(answer.raise_for_status().json())

    def served(self) -> dict[str, Any]:
        """What they counted, once nothing is running any more."""
        until(self._are_idle, ANSWERS_WITHIN_S, "the engines are idle")
        return self.control("GET", "counters")

    def _are_idle(self) -> bool:
        return all(server["running"] == 0 for server in self.control("GET", "counters")["servers"].values())


@pytest.fixture
async def engines(platform: Mapping[str, str]) -> AsyncIterator[Engines]:
    """Idle, with counters at zero, as earlier tests may have left streams; chat has a prefix cache."""
    engines = Engines(platform)
    engines.control("POST", "behaviour", {"prefix_cache": True})
    engines.served()
    engines.control("DELETE", "counters")
    yield engines
    engines.control("DELETE", "behaviour")


@pytest.fixture
async def key(new_key: NewKey) -> str:
    return new_key(max_budget=5, budget_duration="30d")


@pytest.fixture
async def caller(platform: Mapping[str, str], key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    url = f"{platform['LITEMAAS_GATEWAY_URL']}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
        yield client


async def call_everything(client: openai.AsyncOpenAI) -> None:
    """All kinds equally often, in an order that differs from run to run, some at once."""
    kinds = [KINDS[number % len(KINDS)] for number in range(CALLS)]
    random.shuffle(kinds)
    waiting = list(enumerate(kinds))

    async def work() -> None:
        while waiting:
            number, kind = waiting.pop()
            await kind(client, f"{QUESTION} {number % 7}")

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


def records_of(platform: Mapping[str, str], key: str) -> list[dict[str, Any]]:
    """The ledger's records of the key, once there is one of every call."""
    query = {"key": hash_key(key), "limit": "1000"}
    until(
        lambda: len(ask_control(platform, "/api/v1/admin/usage/records", query)["data"]) >= CALLS,
        ANSWERS_WITHIN_S,
        "every call is in the ledger",
    )
    return list(ask_control(platform, "/api/v1/admin/usage/records", query)["data"])


async def test_ledger_equals_what_the_engines_served_to_the_token(
    platform: Mapping[str, str], administrator: httpx2.Client, engines: Engines, caller: openai.AsyncOpenAI, key: str
):
    await call_everything(caller)
    records = records_of(platform, key)
    served = engines.served()
    assert len({record["request_id"] for record in records}) == len(records) == CALLS

    by_model = {name: counts for server in served["servers"].values() for name, counts in server["models"].items()}
    summary = ask_control(platform, "/api/v1/admin/usage/summary", {"key": hash_key(key), "group_by": "model"})
    booked = {group["group"]: group for group in summary["data"]}
    assert set(by_model) == set(demo.MODEL_NAMES) == set(booked) - {"no-such-model"}
    for name, counts in by_model.items():
        assert counts["completed"] == booked[name]["successful_requests"] > 0, name
        assert [counts[unit] for unit in TOKENS] == [booked[name][unit] for unit in TOKENS], name
    assert all(
        sum(group[unit] for group in summary["data"]) == summary["total"][unit] for unit in (*TOKENS, "cost_nano")
    )
    assert all(summary["total"][unit] > 0 for unit in TOKENS)
    assert booked["no-such-model"]["total_tokens"] == booked["no-such-model"]["cost_nano"] == 0

    rows = administrator.get("/spend/logs", params={"api_key": key}).json()
    assert sum(row["total_tokens"] for row in rows) == summary["total"]["total_tokens"]
    assert {row["call_type"] for row in rows} == {"acompletion", "atext_completion", "aembedding", "convert"}


async def test_every_call_has_its_own_record_with_the_engine_s_own_numbers_and_its_exact_price(
    platform: Mapping[str, str], engines: Engines, caller: openai.AsyncOpenAI, key: str
):
    await call_everything(caller)
    records = records_of(platform, key)
    entries = engines.served()["entries"]

    def numbers(call: dict[str, Any]) -> tuple[Any, ...]:
        return (call["model"], *(call[unit] for unit in TOKENS))

    reached = [record for record in records if record["deployment_id"]]
    assert Counter(map(numbers, reached)) == Counter(map(numbers, entries))
    by_id = {entry["engine_id"]: entry for entry in entries}
    known = [record for record in reached if record["engine_request_id"]]
    assert len({record["engine_request_id"] for record in known}) == len(known) > CALLS // 2
    assert all(numbers(record) == numbers(by_id[record["engine_request_id"]]) for record in known)
    assert {record["usage_source"] for record in records if record["status"] == "success"} == {"engine"}

    prices = {
        model["name"]: model["deployments"][0]["price"]
        for model in ask_control(platform, "/api/v1/admin/models")["data"]
    }
    for record in reached:
        price = prices[record["model"]]
        exact = (
            record["prompt_tokens"] * price["input_per_million"]
            + record["completion_tokens"] * (price["output_per_million"] or 0)
            + record["pages"] * (price["page_per_million"] or 0)
        )
        assert record["cost_nano"] == round(exact / 1_000_000), record
    assert ask_control(platform, f"/api/v1/admin/keys/{hash_key(key)}")["spent_nano"] == sum(
        record["cost_nano"] for record in records
    )
