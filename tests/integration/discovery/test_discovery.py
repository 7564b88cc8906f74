"""Do annotated model servers of a cluster stand in the catalogue as they should, whatever happens on either side?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .conftest import KSERVE, NAMESPACE, WITHIN_S, World

PRICES = {"publish": "available", "price_input": "0.15", "price_output": "0.60"}


def only(model: dict[str, Any]) -> dict[str, Any]:
    assert len(model["deployments"]) == 1
    found: dict[str, Any] = model["deployments"][0]
    return found


def known_mark(model: dict[str, Any]) -> Any:
    return only(model)["info"]["discovery"]["wrote"]["api_key"]["mark"]


async def test_a_ready_server_becomes_a_model_with_all_that_its_owner_says(world: World):
    world.secret("engine-key-1")
    world.server(
        ready=False,
        model="granite-3.3",
        tags="code, small",
        api_key_secret="granite-key",
        context_length="8192",
        **PRICES,
    )
    async with world.discovering():
        world.server(
            model="granite-3.3", tags="code, small", api_key_secret="granite-key", context_length="8192", **PRICES
        )
        model = (await world.until(lambda models: "granite-3.3" in models))["granite-3.3"]
    assert (model["status"], model["type"], model["context_length"]) == ("available", "chat", 8192)
    assert (model["display_name"], model["tags"]) == ("Granite", ["code", "small"])
    assert model["pricing"]["input_per_million"] == 150_000_000
    assert model["pricing"]["output_per_million"] == 600_000_000
    deployment = only(model)
    assert deployment["api_base"] == f"http://granite-predictor.{NAMESPACE}.svc.cluster.local/v1"
    assert (deployment["engine_model"], deployment["provider"]) == ("granite", "hosted_vllm")
    assert (deployment["has_api_key"], deployment["enabled"]) == (True, True)
    assert "engine-key-1" not in str(model)


async def test_without_a_price_it_is_a_draft_and_published_once_there_is_one(world: World):
    world.server(publish="available")
    async with world.discovering(price_policies='{"gpu": {"input_per_million": "0.1"}}'):
        model = (await world.until(lambda models: "granite" in models))["granite"]
        assert (model["status"], model["pricing"], model["context_length"]) == ("draft", None, 32768)
        world.server(publish="available", price_policy="gpu")
        model = (await world.until(lambda models: models["granite"]["status"] == "available"))["granite"]
    assert model["pricing"]["input_per_million"] == 100_000_000


async def test_a_server_that_is_not_ready_leaves_the_routing_and_comes_back(world: World):
    world.server(**PRICES)
    async with world.discovering():
        await world.until(lambda models: "granite" in models)
        world.server(ready=False, **PRICES)
        await world.until(lambda models: not only(models["granite"])["enabled"])
        world.server(**PRICES)
        model = (await world.until(lambda models: only(models["granite"])["enabled"]))["granite"]
    assert model["status"] == "available"


async def test_what_an_administrator_edited_stays_and_is_shown_as_drift(world: World):
    world.server(**PRICES)
    async with world.discovering():
        model = (await world.until(lambda models: "granite" in models))["granite"]
        deployment = only(model)
        await world.edit(f"models/{model['id']}", {"display_name": "Ours", "pricing": {"input_per_million": 7}})
        await world.edit(f"deployments/{deployment['id']}", {"enabled": False, "weight": 5})
        world.server(context_length="4096", description="new", **PRICES)
        models = await world.until(lambda models: models["granite"]["context_length"] == 4096)
        assert models["granite"]["description"] == "new"
        source = f"default/InferenceService/{NAMESPACE}/granite"
        models = await world.until(
            lambda models: (
                models["granite"]["info"]["discovery"][source]["drift"].keys() == {"display_name", "pricing"}
                and only(models["granite"])["info"]["discovery"]["drift"].keys() == {"enabled"}
            )
        )
        model = models["granite"]
        assert (model["display_name"], model["pricing"]["input_per_million"]) == ("Ours", 7)
        assert (only(model)["enabled"], only(model)["weight"]) == (False, 5)
        # Neither does a server that goes and comes switch on what somebody has switched off.
        world.server(ready=False, context_length="4095", **PRICES)
        await world.until(lambda models: models["granite"]["context_length"] == 4095)
        world.server(context_length="4094", **PRICES)
        model = (await world.until(lambda models: models["granite"]["context_length"] == 4094))["granite"]
        assert only(model)["enabled"] is False
        problems = (await world.admin.get("/api/v1/admin/models/problems")).json()["data"]
        assert "cluster_drift" in problems[0]["problems"]
        # Who sets a member to what the cluster says hands it back.
        await world.edit(f"models/{model['id']}", {"display_name": "Granite"})
        await world.edit(f"deployments/{deployment['id']}", {"enabled": True})
        await world.until(lambda models: not only(models["granite"])["info"]["discovery"]["drift"])
        world.server(ready=False, context_length="4094", **PRICES)
        await world.until(lambda models: not only(models["granite"])["enabled"])


async def test_an_outage_or_an_empty_list_of_the_cluster_changes_nothing(world: World):
    world.server("one", **PRICES)
    world.server("two", publish="draft")
    async with world.discovering(lease_s=30.0):
        before = await world.until(lambda models: models.keys() == {"one", "two"})
        world.cluster.away = True
        world.cluster.forgets = True
        await world.until(lambda _: world.cluster.watching == 0)
        world.cluster.away = False  # the watches are begun anew, with lists that are empty
        await world.until(lambda _: world.cluster.watching == 1)
        world.server("three", publish="draft")
        after = await world.until(lambda models: "three" in models)
    assert {name: after[name] for name in before} == before


async def test_a_deleted_server_leaves_the_routing_and_its_model_stays(world: World):
    world.server("one", **PRICES)
    world.server("two", **PRICES)
    world.server("three", **PRICES)
    async with world.discovering():
        await world.until(lambda models: len(models) == 3)
        world.cluster.delete(*KSERVE, NAMESPACE, "one")
        await world.until(lambda models: not only(models["one"])["enabled"])
    world.cluster.delete(*KSERVE, NAMESPACE, "two")  # while nobody looks
    async with world.discovering():
        models = await world.until(lambda models: not only(models["two"])["enabled"])
    assert {model["status"] for model in models.values()} == {"available"}
    assert only(models["three"])["enabled"] is True
    assert only(models["one"])["info"]["discovery"]["drift"]["source"]["cluster"] == "deleted"


async def test_an_endpoint_that_an_administrator_deleted_does_not_come_back(world: World):
    world.server(**PRICES)
    source = f"default/InferenceService/{NAMESPACE}/granite"
    async with world.discovering():
        model = (await world.until(lambda models: "granite" in models and models["granite"]["info"]))["granite"]
        own = only(model)
        answer = await world.admin.delete(f"/api/v1/admin/models/{model['id']}/endpoints/{own['id']}")
        assert answer.status_code == 204
        world.server(description="later", **PRICES)
        models = await world.until(lambda models: models["granite"]["description"] == "later")
        await world.until(lambda models: "endpoint" in models["granite"]["info"]["discovery"][source]["drift"])
        assert models["granite"]["deployments"] == []
        body = {name: own[name] for name in ("provider", "engine_model", "api_base")}
        answer = await world.admin.post(f"/api/v1/admin/models/{model['id']}/endpoints", json=body)
        assert answer.status_code == 201
        await world.until(lambda models: not models["granite"]["info"]["discovery"][source]["drift"])


async def test_a_secret_is_followed_until_an_administrator_sets_a_key(world: World):
    world.secret("first")
    world.server(api_key_secret="granite-key", **PRICES)
    async with world.discovering():
        models = await world.until(lambda models: "granite" in models)
        mark = only(models["granite"])["api_key_mark"]
        world.secret("second")
        models = await world.until(
            lambda models: mark != only(models["granite"])["api_key_mark"] == known_mark(models["granite"])
        )
        deployment = only(models["granite"])
        await world.edit(f"deployments/{deployment['id']}", {"api_key": "by-hand"})
        models = await world.until(lambda models: only(models["granite"])["info"]["discovery"]["drift"])
        theirs = only(models["granite"])["api_key_mark"]
        world.secret("third")
        world.server(api_key_secret="granite-key", port="8080", **PRICES)
        models = await world.until(lambda models: "api_base" in only(models["granite"])["info"]["discovery"]["drift"])
    deployment = only(models["granite"])
    assert deployment["api_key_mark"] == theirs
    assert ":8080" not in deployment["api_base"]  # a new address would have discarded the key


async def test_a_name_that_others_use_is_not_taken_unless_they_entered_the_address(world: World):
    deployment = {"provider": "hosted_vllm", "engine_model": "granite", "api_base": "http://elsewhere.example/v1"}
    body = {"name": "granite", "type": "chat", "pricing": {}, "deployments": [deployment]}
    model = (await world.admin.post("/api/v1/admin/models", json=body)).json()
    world.server(**PRICES)
    world.server("two", publish="draft")
    async with world.discovering():
        models = await world.until(lambda models: "two" in models)
        assert models["granite"]["deployments"] == model["deployments"]
        own = deployment | {"api_base": f"http://granite-predictor.{NAMESPACE}.svc.cluster.local/v1"}
        answer = await world.admin.post(f"/api/v1/admin/models/{model['id']}/endpoints", json=own)
        assert answer.status_code == 201
        await world.until(lambda models: models["granite"]["info"].get("discovery"))
        world.server(ready=False, **PRICES)
        await world.until(lambda models: [d["enabled"] for d in models["granite"]["deployments"]] == [True, False])


async def test_one_replica_leads_and_another_takes_over(world: World):
    world.server(publish="draft")
    async with world.discovering(lease_s=1.0):
        await world.until(lambda models: "granite" in models)
        lease = world.cluster.of("Lease")["litemaas-discovery"]["spec"]["holderIdentity"]
        async with world.discovering(lease_s=1.0) as second:
            metrics = next(route for route in second.routes if route.path == "/metrics")
            assert b"litemaas_discovery_leading 0" in (await metrics.endpoint(None)).body
            assert world.cluster.of("Lease")["litemaas-discovery"]["spec"]["holderIdentity"] == lease
    async with world.discovering(lease_s=1.0):
        world.server("two", publish="draft")
        await world.until(lambda models: "two" in models)
        assert world.cluster.of("Lease")["litemaas-discovery"]["spec"]["holderIdentity"] != lease


async def test_an_object_that_cannot_be_read_is_told_of_and_keeps_nobody_out(world: World):
    world.server("wrong", publish="draft", context_length="many")
    world.server("typo", publish="draft", contextlength="1")
    world.server("plain")
    world.server(publish="draft")
    async with world.discovering() as app:
        models = await world.until(lambda models: "granite" in models)
        assert models.keys() == {"granite"}
        metrics = next(route for route in app.routes if route.path == "/metrics")
        assert b"litemaas_discovery_refused 2" in (await metrics.endpoint(None)).body


async def test_looking_again_at_many_holds_up_no_news(world: World):
    names = {f"m{number}" for number in range(6)}
    for name in names:
        world.server(name, publish="draft")
    async with world.discovering(resync_s=0.05):  # shorter than a look takes
        await world.until(lambda models: models.keys() == names)
        world.server("late", publish="draft")
        await world.until(lambda models: "late" in models)


async def test_administrators_see_what_was_found_what_was_refused_and_what_they_have_edited(world: World):
    world.server(model="granite-3.3", description="By the cluster", **PRICES)
    world.server("broken", publish="perhaps")
    world.server("asleep", ready=False, **PRICES)

    async def shown(holds: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        async with asyncio.timeout(WITHIN_S):
            while True:
                data = (await world.admin.get("/api/v1/admin/discovery")).json()["data"]
                by_name = {server["name"]: server for cluster in data for server in cluster["servers"]}
                if by_name and holds(by_name):
                    assert [(cluster["is_late"], cluster["namespaces"]) for cluster in data] == [(False, [NAMESPACE])]
                    return by_name
                await asyncio.sleep(0.05)

    async with world.discovering(resync_s=0.2):
        servers = await shown(lambda found: len(found) == 3 and found["granite"]["is_routed"])
        assert {name: server["state"] for name, server in servers.items()} == {
            "granite": "adopted", "broken": "refused", "asleep": "not_ready",
        }  # fmt: skip
        assert "publish" in servers["broken"]["reason"]
        assert (servers["granite"]["model"], servers["granite"]["drift"]) == ("granite-3.3", [])
        await world.edit(f"models/{servers['granite']['model_id']}", {"description": "By hand"})
        servers = await shown(lambda found: found["granite"]["drift"])
        [drift] = servers["granite"]["drift"]
        assert drift == {"member": "description", "cluster": "By the cluster", "catalogue": "By hand"}
