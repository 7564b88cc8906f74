"""Is what the installation says about kinds of failure kept: retries, forgiveness, and who answers instead?"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from litemaas.gateway.settings import RoutingSettings
from litemaas.kit.settings import SettingsError
from litemaas.sim.testing import SimulatedServers

from .harness import Platform, add_usual_models, answer, gateway_settings, running, scripted
from .test_routing import AWAY, GOOD

BAD = answer(b'{"error":{"message":"temperature must be below 2"}}', "400 No")
CONTENT = answer(b'{"error":{"message":"your request was rejected","code":"content_policy_violation"}}', "400 No")
BUSY = answer(b'{"error":{"message":"too many"}}', "429 No")
UNKNOWN = answer(b'{"error":{"message":"who are you"}}', "401 No")
POLICY = {
    "BadRequestErrorRetries": 1, "AuthenticationErrorRetries": 1, "RateLimitErrorRetries": 4, "InternalServerErrorRetries": 0,
    "ContentPolicyViolationErrorRetries": 2,
}  # fmt: skip
OF_MODELS = {"stubborn": {"InternalServerErrorRetries": 3}, "vendor/*": {"InternalServerErrorRetries": 2}}
BORNE = {"RateLimitErrorAllowedFails": 2}
INSTEAD = {"prim": ["granite"], "*": ["free"]}


@pytest.fixture(scope="module")
async def module_platform(
    module_database: str, module_sim: SimulatedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    routing = RoutingSettings(
        retry_pause_s=0.001, max_retry_pause_s=0.01, probe_interval_s=0, allowed_failures_alone=1000,
        retry_policy=json.dumps(POLICY), model_retry_policies=json.dumps(OF_MODELS),
        allowed_failures_policy=json.dumps(BORNE), content_policy_fallbacks=json.dumps(INSTEAD),
    )  # fmt: skip
    settings = gateway_settings(module_database, tmp_path_factory.mktemp("gateway"), routing=routing)
    async with running(settings, module_sim) as platform:
        await add_usual_models(platform.ledger, module_sim)
        yield platform


@pytest.mark.parametrize(
    ("model", "reply", "asked"),
    [
        ("refuses", BAD, 2),
        ("locked", UNKNOWN, 2),
        ("busy", BUSY, 5),
        ("away", AWAY, 1),
        ("stubborn", AWAY, 4),
    ],
)
async def test_each_kind_of_failure_is_tried_again_as_often_as_its_policy_says(
    platform: Platform, model: str, reply: bytes, asked: int
):
    key = await platform.ledger.add_key(max_budget_nano=10**9)
    async with scripted(reply) as engine:
        await platform.add_model(model, engine.url)
        refused = await platform.chat(key, model=model)
        assert refused.status_code >= 400
        assert len(engine.received) == asked
    row = await platform.record(key)
    assert (row["attempts"], row["cost_nano"]) == (asked, 0)
    await platform.no_room_is_held(key)


async def test_a_call_that_is_tried_again_costs_once_and_holds_once(platform: Platform):
    """The key's budget covers one call and not two."""
    bodies = [BUSY, BUSY, GOOD]
    async with scripted(lambda _head, _body: bodies.pop(0)) as engine:
        await platform.add_model("recovers", engine.url)
        key = await platform.ledger.add_key(max_budget_nano=400_000)
        reply = await platform.chat(key, model="recovers", max_tokens=7)
        assert (reply.status_code, len(engine.received)) == (200, 3)
    assert reply.headers["x-litellm-attempted-retries"] == "2"
    row = await platform.record(key)
    assert (row["status"], row["attempts"], row["cost_nano"]) == ("success", 3, 11 * 1000 + 7 * 2000)
    await platform.no_room_is_held(key)


async def test_after_different_failures_each_counts_all_tries_made(platform: Platform, key: str):
    bodies = [BUSY, BUSY, AWAY]
    async with scripted(lambda _head, _body: bodies.pop(0)) as engine:
        await platform.add_model("changing", engine.url)
        assert (await platform.chat(key, model="changing")).status_code == 429
        assert len(engine.received) == 3


async def test_a_model_behind_a_wildcard_has_the_policy_of_the_wildcard(platform: Platform, key: str):
    async with scripted(AWAY) as engine:
        await platform.add_model("vendor/*", engine.url, "*")
        assert (await platform.chat(key, model="vendor/x")).status_code == 503
        assert len(engine.received) == 3


async def test_what_the_client_says_goes_before_the_policy(platform: Platform, key: str):
    async with scripted(BUSY) as engine:
        await platform.add_model("asked", engine.url)
        assert (await platform.chat(key, model="asked", num_retries=1)).status_code == 429
        assert len(engine.received) == 2


async def test_a_deployment_is_forgiven_as_many_failures_of_a_kind_as_the_policy_says(platform: Platform, key: str):
    async with scripted(BUSY) as one, scripted(BUSY) as other:
        for engine in (one, other):
            await platform.add_model("pair", engine.url)
        for _ in range(2):
            assert (await platform.chat(key, model="pair", num_retries=1)).status_code == 429
        conditions = [c for c in platform.gateway.targets.conditions.values() if c.model == "pair"]
        assert [c.cooled for c in conditions] == [0, 0]
        assert (await platform.chat(key, model="pair", num_retries=1)).status_code == 429
        assert [c.cooled for c in conditions] == [1, 1]


@pytest.mark.parametrize(("model", "answers"), [("prim", "granite"), ("strict", "free")])
async def test_what_an_engine_refuses_for_its_content_goes_to_another_model(
    platform: Platform, key: str, model: str, answers: str
):
    async with scripted(CONTENT) as engine:
        await platform.add_model(model, engine.url)
        without = await platform.chat(key, model=model, disable_fallbacks=True, num_retries=0)
        assert without.status_code == 400
        assert len(engine.received) == 1
        reply = await platform.chat(key, model=model)
        assert len(engine.received) == 1 + 3
    assert reply.status_code == 200, reply.text
    assert [row["model"] for row in await platform.records(key, 2)] == [model, answers]
    assert not any(c.troubled for c in platform.gateway.targets.conditions.values() if c.model == model)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retry_policy", "{"),
        ("model_retry_policies", '{"a": 1}'),
        ("allowed_failures_policy", '{"TimeoutErrorRetries": 1}'),
        ("content_policy_fallbacks", '{"a": "b"}'),
    ],
)
def test_a_rule_that_cannot_be_meant_stops_the_start(name: str, value: str):
    from litemaas.gateway.failure_rules import FailureRules

    with pytest.raises(SettingsError, match=f"LITEMAAS_GATEWAY__ROUTING__{name.upper()}"):
        FailureRules(RoutingSettings(**{name: value}))
