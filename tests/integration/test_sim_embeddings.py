"""Does the OpenVINO-like server give unit vectors that depend on the text alone, and count them?"""

from __future__ import annotations

from array import array
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from litemaas.sim.testing import SimulatedServers

MODEL = "nomic-embed-text-v1.5"
EMBED = "/v3/embeddings"
WITHIN_S = 30.0


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[SimulatedServers]:
    async with SimulatedServers() as servers:
        yield servers


@pytest.fixture
def sim(servers: SimulatedServers) -> SimulatedServers:
    servers.reset()
    return servers


@pytest.fixture
async def client(sim: SimulatedServers) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=sim.embeddings.url, timeout=WITHIN_S) as client:
        yield client


async def test_base64_holds_the_same_numbers_as_the_list(client: httpx2.AsyncClient) -> None:
    body = {"model": MODEL, "input": "the sea"}
    numbers = (await client.post(EMBED, json=body)).json()["data"][0]["embedding"]
    text = (await client.post(EMBED, json=body | {"encoding_format": "base64"})).json()["data"][0]["embedding"]
    assert array("f", b64decode(text)).tolist() == numbers
    assert len(numbers) == 768


@pytest.mark.parametrize("dimensions", [1, 16, 768])
async def test_vectors_have_length_one_and_the_dimensions_asked_for(
    client: httpx2.AsyncClient, dimensions: int
) -> None:
    body = {"model": MODEL, "input": "the sea", "dimensions": dimensions}
    vector = (await client.post("/v1/embeddings", json=body)).json()["data"][0]["embedding"]
    assert len(vector) == dimensions
    assert sum(number * number for number in vector) == pytest.approx(1.0, abs=1e-5)


async def test_same_text_has_the_same_vector_wherever_it_stands(client: httpx2.AsyncClient) -> None:
    body = {"model": MODEL, "input": ["the sea", "the land", "the sea"], "dimensions": 8}
    rows = (await client.post(EMBED, json=body)).json()["data"]
    assert [row["index"] for row in rows] == [0, 1, 2]
    assert rows[0]["embedding"] == rows[2]["embedding"] != rows[1]["embedding"]


@pytest.mark.parametrize(
    ("given", "tokens", "inputs"),
    [("the sea", 2, 1), (["the sea", "land"], 3, 2), ([7, 8, 9], 3, 1), ([[7], [8, 9]], 3, 2)],
)
async def test_usage_and_counters_hold_the_tokens_of_every_input(
    sim: SimulatedServers, client: httpx2.AsyncClient, given: Any, tokens: int, inputs: int
) -> None:
    answer = (await client.post(EMBED, json={"model": MODEL, "input": given})).json()
    assert list(answer) == ["object", "data", "usage"]
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    sums = sim.counters.of("embeddings", MODEL)
    assert (sums.completed, sums.prompt_tokens, sums.inputs, sums.completion_tokens) == (1, tokens, inputs, 0)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "nobody", "input": "x"}, 404),
        ({"input": "x"}, 400),
        ({"model": MODEL}, 400),
        ({"model": MODEL, "input": []}, 400),
        ({"model": MODEL, "input": [{}]}, 400),
        ({"model": MODEL, "input": "x", "dimensions": 769}, 400),
        ({"model": MODEL, "input": "x", "encoding_format": "hex"}, 400),
        ({"model": MODEL, "input": "x " * 8193}, 400),
    ],
)
async def test_bad_request_is_refused_with_one_line(
    sim: SimulatedServers, client: httpx2.AsyncClient, body: dict[str, Any], status: int
) -> None:
    answer = await client.post(EMBED, json=body)
    assert answer.status_code == status
    assert isinstance(answer.json()["error"], str)
    assert (sim.counters.of("embeddings").failed, sim.counters.of("embeddings").prompt_tokens) == (1, 0)


async def test_there_is_no_tokenizer(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/tokenize", json={"model": MODEL, "prompt": "x"})).status_code == 404


async def test_models_status_health_and_metrics(client: httpx2.AsyncClient) -> None:
    assert [row["id"] for row in (await client.get("/v1/models")).json()["data"]] == [MODEL]
    status = (await client.get("/v1/config")).json()[MODEL]["model_version_status"][0]
    assert status["state"] == "AVAILABLE"
    assert (await client.get("/v2/health/ready")).status_code == 200
    await client.post(EMBED, json={"model": MODEL, "input": "x"})
    page = (await client.get("/metrics")).text
    assert f'ovms_requests_success{{api="V3",interface="REST",method="Unary",name="{MODEL}"}} ' in page
    assert "ovms_current_requests{" in page
