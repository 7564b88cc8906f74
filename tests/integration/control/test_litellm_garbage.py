"""Does any call of LiteLLM's API fail on our side, whatever is sent? Every route is sent garbage, and none may answer 5xx."""

from __future__ import annotations

import random
from typing import Any

import httpx2
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from litemaas.control.litellm_api.app import create_facade

ROUTES = sorted(
    {
        (method, context.path)
        for context in iter_route_contexts(create_facade().routes)
        if isinstance(context.original_route, APIRoute)
        for method in context.original_route.methods
    }
)
ON_PURPOSE = ("/cache", "/config", "/utils/token_counter")
"""Answer 501 or 503, with a sentence."""
WORDS: tuple[Any, ...] = (
    None, "", "x", "a\0b", "%00", "😀" * 300, -1, 2**70, 1e308, True, [], [None], {}, {"a": {"b": [1]}}, "2026-11-23",
    "9999-12-31", "0001-01-01", "sk-" + "x" * 40, "' or 1=1 --", "NaN", "30d", "-5m",
)  # fmt: skip


def _members(path: str, method: str, contract: dict[str, Any]) -> list[str]:
    """What the call's contract names: in its query, and in its body."""
    told = contract["paths"].get(path, {}).get(method.lower(), {})
    names = [parameter["name"] for parameter in told.get("parameters", []) if parameter["in"] == "query"]
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    for one in [body, *body.get("anyOf", [])]:
        if reference := one.get("$ref"):
            names += contract["components"]["schemas"][reference.rpartition("/")[2]].get("properties", {})
    return names


@pytest.mark.parametrize("part", range(2))
async def test_no_garbage_makes_a_call_fail_on_our_side(client: httpx2.AsyncClient, part: int):
    contract = create_facade().openapi()
    dice = random.Random(part)
    for method, path in ROUTES[part::2]:
        names = _members(path, method, contract)
        place = f"/litellm{path}"
        for name in ("key", "deployment_id", "name", "rest"):
            place = place.replace(f"{{{name}}}", "x%00y").replace(f"{{{name}:path}}", "x/y")
        for body in (b"[", b"null"):
            await _ask(client, method, place, content=body)
        for _ in range(2):
            members = {name: dice.choice(WORDS) for name in names if dice.random() < 0.7}
            query = {name: str(dice.choice(WORDS)) for name in names if dice.random() < 0.5}
            await _ask(client, method, place, json=members, params=query)


async def _ask(client: httpx2.AsyncClient, method: str, path: str, **sent: Any) -> None:
    if sent.get("json") is not None and any(isinstance(value, float) for value in sent["json"].values()):
        sent["json"] = {k: (v if v == v else None) for k, v in sent["json"].items()}
    answer = await client.request(method, path, **sent)
    own = answer.status_code < 500 or path.removeprefix("/litellm").startswith(ON_PURPOSE)
    assert own, f"{method} {path} {sent}: {answer.status_code} {answer.text[:300]}"
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["code"] == str(answer.status_code)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/key/generate", '{"max_budget": 1e999}'),
        ("/key/generate", '{"max_budget": NaN}'),
        ("/key/generate", '{"models": "\\ud800"}'),
        ("/key/generate", '{"key_alias": "\\ud800"}'),
        ("/key/generate", '{"metadata": {"\\ud800": 1}}'),
        ("/user/new", '{"user_id": "\\ud800"}'),
        ("/team/new", '{"team_id": "\\ud800", "team_alias": "\\ud800"}'),
        ("/model/new", '{"model_name": "m\\ud800", "litellm_params": {"model": "openai/x", "api_base": "http://x"}}'),
        ("/model/new", '{"model_name": "m", "litellm_params": {"model": "\\ud800/x", "api_base": "http://x"}}'),
        ("/credentials", '{"credential_name": "\\ud800", "credential_info": {}, "credential_values": {}}'),
        ("/customer/new", '{"user_id": "\\ud800"}'),
        ("/budget/new", '{"budget_id": "\\ud800"}'),
    ],
)
async def test_what_json_can_say_and_nothing_can_hold_is_the_senders_fault(
    client: httpx2.AsyncClient, path: str, body: str
):
    answer = await client.post(f"/litellm{path}", content=body)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["message"]
