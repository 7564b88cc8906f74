"""Do LiteLLM's model calls answer as the gateway-api contract 3.6 says?"""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.kit.crypto import Vault

from .conftest import ENCRYPTION_KEY

GRANITE = {
    "model_name": "granite",
    "litellm_params": {
        "model": "openai/granite-3",
        "api_base": "http://engine:8000/v1",
        "api_key": "sk-engine-secret",
        "input_cost_per_token": 0.000001,
        "output_cost_per_token": "0.000002",
        "tpm": "1000",
        "rpm": "60",
        "temperature": 0.2,
    },
    "model_info": {"mode": "chat", "max_tokens": 4096, "supports_function_calling": True, "supports_tokenize": True},
}


async def register(client: httpx2.AsyncClient, body: dict[str, object] = GRANITE) -> dict[str, object]:
    answer = await client.post("/litellm/model/new", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_new_answers_as_the_contract_shows_with_secrets_masked(client: httpx2.AsyncClient):
    reply = await register(client)
    assert set(reply) == {
        "model_id", "model_name", "litellm_params", "model_info", "created_at", "created_by", "updated_at",
        "updated_by",
    }  # fmt: skip
    assert reply["litellm_params"] == {
        "model": "openai/granite-3",
        "api_base": "http://engine:8000/v1",
        "api_key": "****",
        "input_cost_per_token": 0.000001,
        "output_cost_per_token": 0.000002,
        "use_litellm_proxy": False,
        "use_in_pass_through": False,
        "merge_reasoning_content_in_choices": False,
        "tpm": 1000,
        "rpm": 60,
        "temperature": 0.2,
    }
    assert reply["model_info"]["id"] == reply["model_id"]
    assert reply["model_info"]["db_model"] is True
    assert reply["created_by"] == "default_user_id"


async def test_info_lists_the_model_at_once_with_all_members(client: httpx2.AsyncClient):
    made = await register(client)
    for path in ("/litellm/model/info", "/litellm/v1/model/info"):
        (entry,) = (await client.get(path)).json()["data"]
        info = entry["model_info"]
        assert entry["model_name"] == "granite"
        assert "api_key" not in entry["litellm_params"]
        expected = {
            "id": made["model_id"], "mode": "chat", "key": "granite-3", "litellm_provider": "openai", "max_tokens": 4096,
            "tpm": 1000, "rpm": 60, "supports_tokenize": True, "supports_vision": False, "supports_function_calling": True,
            "input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002, "cache_read_input_token_cost": None,
            "max_input_tokens": None, "supports_tool_choice": None, "supports_web_search": None, "direct_access": True,
            "access_via_team_ids": [],
        }  # fmt: skip
        assert {name: info[name] for name in expected} == expected
    unknown = await client.get("/litellm/model/info", params={"litellm_model_id": "nobody"})
    assert unknown.status_code == 400


async def test_what_is_stored_is_what_the_gateway_needs(client: httpx2.AsyncClient, database: asyncpg.Connection):
    made = await register(client)
    row = await database.fetchrow("SELECT d.*, p.input_per_million, p.output_per_million FROM deployments d "
                                  "JOIN prices p ON p.version = d.price_version")  # fmt: skip
    assert (row["provider"], row["engine_model"], row["api_base"]) == ("openai", "granite-3", "http://engine:8000/v1")
    assert json.loads(row["defaults"]) == {"temperature": 0.2}
    assert (row["input_per_million"], row["output_per_million"]) == (1_000_000_000, 2_000_000_000)
    opened = Vault(ENCRYPTION_KEY).open(row["api_key_sealed"], f"deployment:{made['model_id']}")
    assert opened == "sk-engine-secret"
    assert "secret" not in row["params"]


@pytest.mark.parametrize(
    ("params", "info", "status", "word"),
    [
        ({"model": "bedrock/claude", "api_base": "http://e/v1"}, {}, 400, "bedrock"),
        ({"model": "hosted_vllm/m"}, {}, 400, "api_base"),
        ({"model": "openai/m", "api_base": "ftp://e/v1"}, {}, 400, "http or https"),
        ({"model": "openai/m", "api_base": "http://user:secret@e/v1"}, {}, 400, "without credentials"),
        ({"model": "openai/m", "api_base": "http:///v1"}, {}, 400, "host"),
        ({"model": "openai/m", "input_cost_per_token": "cheap"}, {}, 400, "price"),
        ({"model": "openai/m", "input_cost_per_token": -1}, {}, 400, "price"),
        ({"model": "openai/m", "input_cost_per_video_per_second": 1}, {}, 400, "not supported"),
        ({"model": "openai/m", "input_cost_per_token_above_64k_tokens": 1}, {}, 400, "not supported"),
        ({"model": "openai/m", "cache_read_input_token_cost_priority": 1}, {}, 400, "not supported"),
        ({"model": "openai/m", "api_key": "os.environ/SECRET"}, {}, 400, "api_key"),
        ({"model": "openai/m"}, {"mode": "karaoke"}, 400, "mode"),
        ({"api_base": "http://e/v1"}, {}, 422, "model"),
    ],
)
async def test_new_refuses_what_cannot_be_served(
    client: httpx2.AsyncClient, params: dict[str, object], info: dict[str, object], status: int, word: str
):
    body = {"model_name": "m", "litellm_params": params, "model_info": info}
    answer = await client.post("/litellm/model/new", json=body)
    assert answer.status_code == status
    assert word in answer.json()["error"]["message"]
    assert "secret" not in answer.text
    assert (await client.get("/litellm/model/info")).json() == {"data": []}


async def test_duplicates_and_missing_params_have_their_codes(client: httpx2.AsyncClient):
    await register(client)
    twin = await client.post("/litellm/model/new", json=GRANITE)
    assert twin.status_code == 400
    assert "already exists" in twin.json()["error"]["message"]
    missing = await client.post("/litellm/model/new", json={"model_name": "granite"})
    assert missing.status_code == 422
    assert missing.json()["detail"][0]["loc"] == ["body", "litellm_params"]
    other_engine = GRANITE | {"litellm_params": GRANITE["litellm_params"] | {"api_base": "http://other:8000/v1"}}
    await register(client, other_engine)
    assert len((await client.get("/litellm/model/info")).json()["data"]) == 2


async def test_delete_removes_the_model_with_its_last_deployment(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    made = await register(client)
    unknown = await client.post("/litellm/model/delete", json={"id": "nobody"})
    assert unknown.status_code == 400
    assert "not found" in unknown.json()["error"]["message"]
    assert "not found" in unknown.json()["detail"]["error"]
    answer = await client.post("/litellm/model/delete", json={"id": made["model_id"]})
    assert "message" in answer.json()
    assert (await client.get("/litellm/model/info")).json() == {"data": []}
    assert await database.fetchval("SELECT count(*) FROM models") == 0
    assert await database.fetchval("SELECT api_key_sealed FROM deployments") is None
    await register(client)


async def test_update_merges_keeps_the_id_and_versions_the_price(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    made = await register(client)
    path = f"/litellm/model/{made['model_id']}/update"
    unchanged = await client.patch(path, json={})
    assert unchanged.json() == made
    assert "x-litemaas-change" not in unchanged.headers
    body = {"litellm_params": {"input_cost_per_token": 0.000003}, "model_info": {"supports_vision": True}}
    changed = (await client.patch(path, json=body)).json()
    assert changed["model_id"] == made["model_id"]
    assert changed["litellm_params"] == made["litellm_params"] | {"input_cost_per_token": 0.000003}
    assert changed["model_info"]["supports_vision"] is True
    by_post = {"model_info": {"id": made["model_id"]}, "litellm_params": {"temperature": 0.9}, "model_name": "renamed"}
    renamed = (await client.post("/litellm/model/update", json=by_post)).json()
    assert renamed["model_name"] == "renamed"
    assert renamed["litellm_params"]["temperature"] == 0.9
    versions = await database.fetch("SELECT input_per_million, output_per_million FROM prices ORDER BY version")
    assert [tuple(row) for row in versions] == [(10**9, 2 * 10**9), (3 * 10**9, 2 * 10**9)]
    assert [row["name"] for row in await database.fetch("SELECT name FROM models")] == ["renamed"]
    assert await database.fetchval("SELECT api_key_sealed IS NOT NULL FROM deployments")
    assert (await client.patch("/litellm/model/nobody/update", json={})).status_code == 404


@pytest.mark.parametrize(
    ("mode", "prices", "column", "per_million"),
    [
        ("audio_transcription", {"input_cost_per_second": 0.0001}, "second_per_million", 10**11),
        ("audio_transcription", {"output_cost_per_second": "0.0001"}, "second_per_million", 10**11),
        (
            "audio_transcription",
            {"input_cost_per_second": 0, "output_cost_per_second": 1e-4},
            "second_per_million",
            10**11,
        ),
        ("audio_speech", {"input_cost_per_character": 0.000015}, "character_per_million", 15 * 10**9),
        ("audio_speech", {"output_cost_per_character": 0.000015}, "character_per_million", 15 * 10**9),
        ("chat", {"input_cost_per_audio_token": 0.00001}, "audio_input_per_million", 10**10),
        ("chat", {"output_cost_per_audio_token": 0.00002}, "audio_output_per_million", 2 * 10**10),
        ("chat", {"input_cost_per_token_above_128k_tokens": 2e-6}, "input_above_128k_per_million", 2 * 10**9),
        ("chat", {"output_cost_per_token_above_200k_tokens": 3e-6}, "output_above_200k_per_million", 3 * 10**9),
        ("chat", {"cache_read_input_token_cost_above_200k_tokens": 0}, "cached_input_above_200k_per_million", 0),
        ("image_generation", {"output_cost_per_image": 0.04}, "image_per_million", 4 * 10**13),
        ("image_generation", {"input_cost_per_image": 0.04}, "image_per_million", 4 * 10**13),
    ],
)
async def test_prices_of_media_come_back_under_the_names_they_were_sent_with(
    client: httpx2.AsyncClient, database: asyncpg.Connection,
    mode: str, prices: dict[str, float], column: str, per_million: int,
):  # fmt: skip
    params = {"model": "openai/m", "api_base": "http://e/v1", **prices}
    made = await register(client, {"model_name": "m", "litellm_params": params, "model_info": {"mode": mode}})
    assert {name: made["litellm_params"][name] for name in prices} == {name: float(p) for name, p in prices.items()}
    (entry,) = (await client.get("/litellm/model/info")).json()["data"]
    others = [name for name in entry["model_info"] if "_cost_per_" in name and name not in prices]
    assert all(entry["model_info"][name] is None for name in others if "token" not in name and "query" not in name)
    assert await database.fetchval(f"SELECT {column} FROM prices") == per_million  # noqa: S608 — names of this test
    assert (await client.patch(f"/litellm/model/{made['model_id']}/update", json={})).json() == made


async def test_a_price_that_no_call_would_ever_meet_is_refused(client: httpx2.AsyncClient):
    params = {"model": "openai/m", "api_base": "http://e/v1", "input_cost_per_second": 0.0001}
    answer = await client.post("/litellm/model/new", json={"model_name": "m", "litellm_params": params})
    assert answer.status_code == 400
    assert "audio_transcription" in answer.json()["error"]["message"]
    params["output_cost_per_second"] = 0.0002
    body = {"model_name": "m", "litellm_params": params, "model_info": {"mode": "audio_transcription"}}
    twice = await client.post("/litellm/model/new", json=body)
    assert twice.status_code == 400
    assert "charged once" in twice.json()["error"]["message"]


async def test_a_restricted_key_sees_only_its_models(client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient):
    await register(client)
    await register(client, GRANITE | {"model_name": "llama"})
    made = (await client.post("/litellm/key/generate", json={"models": ["llama"]})).json()
    answer = await anonymous.get("/litellm/model/info", headers={"x-litellm-api-key": made["key"]})
    assert [entry["model_name"] for entry in answer.json()["data"]] == ["llama"]


@pytest.mark.parametrize(
    ("params", "info", "provider", "engine_model", "mode"),
    [
        ({"model": "hosted_vllm/org/m", "api_base": "http://e/v1/"}, {}, "hosted_vllm", "org/m", "chat"),
        ({"model": "org/m", "custom_llm_provider": "openai", "api_base": "http://e/v1"}, {}, "openai", "org/m", "chat"),
        ({"model": "docling/docling", "api_base": "http://e"}, {}, "docling", "docling", "conversion"),
        ({"model": "openai/e5"}, {"mode": "embedding"}, "openai", "e5", "embedding"),
        ({"model": "openai/e5"}, {"supports_embeddings": True}, "openai", "e5", "embedding"),
    ],
)
async def test_provider_and_mode_are_read_from_the_params(
    client: httpx2.AsyncClient, database: asyncpg.Connection,
    params: dict[str, object], info: dict[str, object], provider: str, engine_model: str, mode: str,
):  # fmt: skip
    await register(client, {"model_name": "m", "litellm_params": params, "model_info": info})
    row = await database.fetchrow("SELECT d.*, m.mode FROM deployments d JOIN models m ON m.name = d.model_name")
    assert (row["provider"], row["engine_model"], row["mode"]) == (provider, engine_model, mode)
    assert not row["api_base"].endswith("/")


@pytest.mark.parametrize(
    "wrong",
    [{"max_budget": -1}, {"max_budget": "much"}, {"max_budget": True}, {"budget_duration": "soon"}, {"tags": "free"}],
)
async def test_a_budget_or_tags_that_gateways_could_not_read_are_refused_by_name(
    client: httpx2.AsyncClient, wrong: dict[str, Any]
):
    params = {"model": "openai/granite-3", "api_base": "http://engine:1/v1", **wrong}
    refused = await client.post("/litellm/model/new", json={"model_name": "granite", "litellm_params": params})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, next(iter(wrong)))
    params |= {"max_budget": "0.5", "budget_duration": "30d", "tags": ["free"]}
    made = await client.post("/litellm/model/new", json={"model_name": "granite", "litellm_params": params})
    shown = made.json()["litellm_params"]
    assert (shown["max_budget"], shown["budget_duration"], shown["tags"]) == ("0.5", "30d", ["free"])
