"""Which platform do real clients talk to? One ``litemaas up --demo`` per test process, with keys that the test makes."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import httpx2
import openai
import pytest
from tests.e2e.conftest import platform, running_platform
from tests.e2e.running import ANSWERS_WITHIN_S

__all__ = ["platform", "running_platform"]  # fixtures

NewKey = Callable[..., str]
MakeClient = Callable[[str], openai.OpenAI]


async def whole(answer: Any) -> Any:
    """What either kind of client answered."""
    return await answer if inspect.isawaitable(answer) else answer


async def chunks_of(answer: Any) -> list[Any]:
    """All chunks of a stream of either kind of client."""
    stream = await whole(answer)
    return [chunk async for chunk in stream] if isinstance(stream, openai.AsyncStream) else list(stream)


@pytest.fixture(scope="session")
def administrator(platform: Mapping[str, str]) -> Iterator[httpx2.Client]:
    """LiteLLM's management calls on the gateway's port, with the master key."""
    headers = {"Authorization": f"Bearer {platform['LITEMAAS_MASTER_KEY']}"}
    url = platform["LITEMAAS_GATEWAY_URL"]
    with httpx2.Client(base_url=url, headers=headers, timeout=ANSWERS_WITHIN_S, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def new_key(administrator: httpx2.Client) -> NewKey:
    """Makes a virtual key with the members of ``/key/generate``; returns its secret."""

    def make(**members: Any) -> str:
        answer = administrator.post("/key/generate", json=members)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["key"])

    return make


@pytest.fixture
def client_for(platform: Mapping[str, str]) -> Iterator[MakeClient]:
    """Makes a client with a key of the test's own."""
    clients: list[openai.OpenAI] = []

    def make(key: str) -> openai.OpenAI:
        clients.append(openai.OpenAI(base_url=f"{platform['LITEMAAS_GATEWAY_URL']}/v1", api_key=key, max_retries=0))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(params=[openai.OpenAI, openai.AsyncOpenAI], ids=["sync", "async"])
async def client(
    request: pytest.FixtureRequest, platform: Mapping[str, str]
) -> AsyncIterator[openai.OpenAI | openai.AsyncOpenAI]:
    """The official client with the demo's key, once of each kind; nothing is set but what the ready screen shows."""
    made = request.param(base_url=f"{platform['LITEMAAS_GATEWAY_URL']}/v1", api_key=platform["LITEMAAS_DEMO_KEY"])
    yield made
    await whole(made.close())
