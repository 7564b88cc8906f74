"""Does a change of discounts or margins give every price that it concerns a new version, and none of the others?"""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import httpx2

from .test_litellm_spend import record, write

DISCOUNTS, MARGINS = "/litellm/config/cost_discount_config", "/litellm/config/cost_margin_config"
IN_FORCE = """
select p.discount_millionths, p.margin_millionths, p.margin_per_million_requests, p.input_per_million
from deployments d join prices p on p.version = d.price_version where d.id = $1
"""


async def made(client: httpx2.AsyncClient, name: str, provider: str = "openai") -> str:
    params = {"model": f"{provider}/{name}", "api_base": "http://e:8000/v1", "input_cost_per_token": 0.000001}
    answer = await client.post("/litellm/model/new", json={"model_name": name, "litellm_params": params})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model_id"])


async def in_force(database: asyncpg.Connection, deployment_id: str) -> tuple[int, ...]:
    return tuple(await database.fetchrow(IN_FORCE, deployment_id))


async def test_prices_that_a_change_concerns_become_new_versions(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    ours, theirs = await made(client, "a"), await made(client, "b", "anthropic")
    assert (await client.get(DISCOUNTS)).json() == {"values": {}}
    changed = await client.patch(DISCOUNTS, json={"openai": 0.05})
    assert (changed.status_code, changed.json()["values"]) == (200, {"openai": 0.05})
    assert (await client.get(DISCOUNTS)).json() == {"values": {"openai": 0.05}}
    assert await in_force(database, ours) == (50_000, 0, 0, 1_000_000_000)
    assert await in_force(database, theirs) == (0, 0, 0, 1_000_000_000)
    assert await database.fetchval("select count(*) from prices where deployment_id = $1", ours) == 2
    assert await database.fetchval("select count(*) from prices where deployment_id = $1", theirs) == 1
    await client.patch(MARGINS, json={"global": 0.1, "openai": {"percentage": 0.08, "fixed_amount": 0.0005}})
    assert await in_force(database, ours) == (50_000, 80_000, 500_000_000_000, 1_000_000_000)
    assert await in_force(database, theirs) == (0, 100_000, 0, 1_000_000_000)
    again = await made(client, "c")
    assert await in_force(database, again) == (50_000, 80_000, 500_000_000_000, 1_000_000_000)
    update = {"litellm_params": {"input_cost_per_token": 0.000002}}
    assert (await client.patch(f"/litellm/model/{ours}/update", json=update)).status_code == 200
    assert await in_force(database, ours) == (50_000, 80_000, 500_000_000_000, 2_000_000_000)
    prices = await database.fetchval("select count(*) from prices")
    assert (
        await client.patch(MARGINS, json={"openai": {"percentage": 0.08, "fixed_amount": 0.0005}, "global": 0.1})
    ).is_success
    assert await database.fetchval("select count(*) from prices") == prices, "the same once more changes nothing"
    await client.patch(MARGINS, json={})
    await client.patch(DISCOUNTS, json={})
    assert (await in_force(database, ours))[:3] == (0, 0, 0)
    actions = [
        row["action"]
        for row in await database.fetch("select action from audit where object_id = 'price-terms' order by id")
    ]
    assert actions == ["price_terms.discounts", "price_terms.margins", "price_terms.margins", "price_terms.discounts"]


async def test_routes_of_ones_own_are_charged_so_as_well(client: httpx2.AsyncClient, database: asyncpg.Connection):
    await client.patch(MARGINS, json={"pass_through": 0.5})
    route = {"path": "/search", "target": "https://search.example.org", "cost_per_request": 0.001}
    [shown] = (await client.post("/litellm/config/pass_through_endpoint", json=route)).json()["endpoints"]
    found = "select p.margin_millionths from pass_through_routes t join prices p on p.version = t.price_version"
    assert await database.fetchval(found) == 500_000
    await client.patch(MARGINS, json={"pass_through": 0.25})
    assert await database.fetchval(found) == 250_000
    assert (await client.get("/litellm/config/pass_through_endpoint")).json() == {"endpoints": [shown]}


async def test_people_see_what_they_are_charged_and_administrators_the_catalogues_price(
    client: httpx2.AsyncClient, people: dict[str, httpx2.AsyncClient]
):
    await made(client, "a")
    await client.patch(DISCOUNTS, json={"openai": 0.25})
    [seen] = (await people["ann"].get("/api/v1/models")).json()["data"]
    assert seen["pricing"]["input_per_million"] == 750_000_000
    [known] = (await client.get("/api/v1/admin/models")).json()["data"]
    assert known["pricing"]["input_per_million"] == 1_000_000_000


async def test_what_cannot_be_meant_is_refused(client: httpx2.AsyncClient):
    wrong: list[tuple[str, Any]] = [
        (DISCOUNTS, {"openai": 2}), (DISCOUNTS, {"nobody": 0.1}), (DISCOUNTS, {"openai": {"percentage": 0.1}}),
        (MARGINS, {"openai": {"share": 1}}), (MARGINS, {"openai": -1}), (MARGINS, {"openai": {"fixed_amount": "x"}}),
    ]  # fmt: skip
    for place, values in wrong:
        answer = await client.patch(place, json=values)
        assert answer.status_code == 400, (values, answer.text)
        assert (await client.get(place)).json() == {"values": {}}


async def test_a_records_breakdown_tells_how_its_cost_came_about(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    note = {
        "total": 25_000,
        "input": 11_000,
        "output": 14_000,
        "discount": 200_000,
        "margin": 100_000,
        "fixed": 3_000_000_000,
    }
    await write(database, record("r1", cost_nano=25_000))
    await database.execute(
        "update usage_records set metadata = $1, cost_nano = 25000", json.dumps({"price_terms": note, "mine": 1})
    )
    [row] = (await client.get("/litellm/spend/logs")).json()
    assert row["metadata"]["cost_breakdown"] == {
        "input_cost": 0.000011, "output_cost": 0.000014, "total_cost": 0.000025, "original_cost": 0.000025,
        "tool_usage_cost": 0.0, "discount_percent": 0.2, "discount_amount": 0.000005, "margin_percent": 0.1,
        "margin_fixed_amount": 0.000003, "margin_total_amount": 0.000005,
    }  # fmt: skip
    assert row["metadata"]["spend_logs_metadata"] == {"mine": 1}
