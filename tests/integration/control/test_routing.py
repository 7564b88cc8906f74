"""Can administrators say how calls to a model are routed, and is what makes no sense refused?"""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx2
import pytest

DEPLOYMENT = {"provider": "hosted_vllm", "engine_model": "granite-3", "api_base": "http://engine:8000/v1"}


async def made(client: httpx2.AsyncClient, name: str) -> str:
    reply = await client.post("/api/v1/admin/models", json={"name": name, "deployments": [DEPLOYMENT]})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


async def test_routing_is_set_shown_and_told_to_the_gateways(client: httpx2.AsyncClient, database: asyncpg.Connection):
    await made(client, "spare")
    path = f"/api/v1/admin/models/{await made(client, 'granite')}/routing"
    empty = {
        "strategy": None,
        "retries": None,
        "fallbacks": [],
        "context_fallbacks": [],
        "aliases": [],
        "guardrails": [],
    }
    assert (await client.get(path)).json() == empty
    before = await database.fetchval("SELECT max(seq) FROM changes")
    wanted = {"strategy": "latency-based-routing", "retries": 1, "fallbacks": ["spare"], "context_fallbacks": ["spare"],
              "aliases": ["granite-8b"], "guardrails": ["pii", "visa"]}  # fmt: skip
    shown = await client.put(path, json=wanted)
    assert shown.status_code == 200, shown.text
    assert shown.json() == wanted | {"strategy": "latency"}
    assert (await client.get(path)).json() == shown.json()
    row = await database.fetchrow("SELECT * FROM models WHERE name = 'granite'")
    assert (row["routing_strategy"], row["retries"], row["fallbacks"]) == ("latency", 1, ["spare"])
    assert await database.fetchval("SELECT max(seq) FROM changes WHERE kind = 'catalog'") > before
    assert (await client.put(path, json={})).json() == empty


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"strategy": "at-random"}, "strategy"),
        ({"retries": 11}, "retries"),
        ({"fallbacks": ["nonesuch"]}, "fallbacks"),
        ({"fallbacks": ["granite"]}, "fallbacks"),
        ({"context_fallbacks": ["nonesuch"]}, "context_fallbacks"),
        ({"aliases": ["all/*"]}, "aliases"),
        ({"aliases": ["spare"]}, "spare"),
        ({"aliases": ["taken"]}, "taken"),
        ({"guardrails": ["nonesuch"]}, "guardrails"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_name(client: httpx2.AsyncClient, body: dict[str, Any], word: str):
    spare = await made(client, "spare")
    await client.put(f"/api/v1/admin/models/{spare}/routing", json={"aliases": ["taken"]})
    path = f"/api/v1/admin/models/{await made(client, 'granite')}/routing"
    refused = await client.put(path, json=body)
    assert 400 <= refused.status_code < 500
    assert word in refused.text


async def test_litellms_limits_of_a_deployment_are_kept_as_numbers(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    params = {"model": "openai/g", "api_base": "http://e/v1", "rpm": "60", "tpm": "99999999999", "max_parallel_requests": 4,
              "cooldown_time": "2.5"}  # fmt: skip
    new = await client.post("/litellm/model/new", json={"model_name": "limited", "litellm_params": params})
    assert new.status_code == 200, new.text
    row = await database.fetchrow("SELECT * FROM deployments WHERE id = $1", new.json()["model_id"])
    assert (row["rpm_limit"], row["max_parallel_requests"], row["cooldown_s"]) == (60, 4, 2.5)
    assert row["tpm_limit"] == 2147483647
    shown = new.json()["litellm_params"]
    assert (shown["rpm"], shown["max_parallel_requests"], shown["cooldown_time"]) == (60, 4, 2.5)
    path = f"/litellm/model/{new.json()['model_id']}/update"
    await client.patch(path, json={"litellm_params": {"rpm": 5}})
    row = await database.fetchrow("SELECT * FROM deployments WHERE id = $1", new.json()["model_id"])
    assert (row["rpm_limit"], row["max_parallel_requests"]) == (5, 4)
    wrong = await client.patch(path, json={"litellm_params": {"rpm": -1}})
    assert wrong.status_code == 400


async def test_guardrails_are_listed_and_unknown_ones_refused_on_a_key(client: httpx2.AsyncClient):
    listed = (await client.get("/litellm/guardrails/list")).json()["guardrails"]
    names = [entry["guardrail_name"] for entry in listed]
    assert names[:3] == ["pii", "cards", "credentials"]
    assert {"us_ssn", "email", "phone", "visa", "mastercard", "amex", "aws_access_key", "github_token", "slack_token",
            "generic_api_key"} <= set(names)  # fmt: skip
    good = await client.post("/litellm/key/generate", json={"guardrails": ["pii"]})
    assert good.status_code == 200, good.text
    assert good.json()["guardrails"] == ["pii"]
    for wrong in (["nonesuch"], "pii", [1]):
        bad = await client.post("/litellm/key/generate", json={"guardrails": wrong})
        assert (bad.status_code, bad.json()["error"]["param"]) == (400, "guardrails")
