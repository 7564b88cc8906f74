"""How soon does a gateway know that a model server is not ready? Seen by calls, from the cluster's word to the routing."""

from __future__ import annotations

from pathlib import Path

from tests.integration.gateway.harness import gateway_settings, running
from tests.patience import patience

from litemaas.sim.testing import SimulatedServers

from .conftest import World

PRICES = {"model": "granite", "publish": "available", "price_input": "0.15", "price_output": "0.60"}
OUT_WITHIN_S = 2.0


async def test_two_seconds_after_a_server_is_not_ready_calls_are_refused_or_answered_by_another(
    world: World, database_url: str, tmp_path: Path
):
    async with SimulatedServers() as found, SimulatedServers() as other:
        world.server("granite-3.3-8b", address=found.chat.url, **PRICES)
        async with world.discovering(), running(gateway_settings(database_url, tmp_path), found) as platform:
            model = (await world.until(lambda models: "granite" in models))["granite"]
            key = await platform.ledger.add_key()
            await platform.catch_up()
            assert (await platform.chat(key)).status_code == 200

            world.server("granite-3.3-8b", address=found.chat.url, ready=False, **PRICES)
            async with patience(OUT_WITHIN_S):
                while (reply := await platform.chat(key)).status_code == 200:
                    pass
            assert reply.status_code in (400, 404, 503), reply.text

            world.server("granite-3.3-8b", address=found.chat.url, **PRICES)
            async with patience(OUT_WITHIN_S):
                while (await platform.chat(key)).status_code != 200:
                    pass

            endpoint = {"provider": "hosted_vllm", "engine_model": "granite-3.3-8b", "api_base": other.chat.url + "/v1"}
            added = await world.admin.post(f"/api/v1/admin/models/{model['id']}/endpoints", json=endpoint)
            assert added.status_code == 201, added.text
            await platform.catch_up()
            world.server("granite-3.3-8b", address=found.chat.url, ready=False, **PRICES)
            async with patience(OUT_WITHIN_S):
                await world.until(
                    lambda models: [d["enabled"] for d in models["granite"]["deployments"]].count(True) == 1
                )
                await platform.catch_up()
            before = found.counters.of("chat").requests
            assert [(await platform.chat(key)).status_code for _ in range(20)] == [200] * 20
            assert found.counters.of("chat").requests == before
            assert other.counters.of("chat").requests >= 20
