"""Do administrators' assistants get what their token allows, and nobody else anything? Asked by the official client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.integration.control.conftest import ENCRYPTION_KEY, MASTER_KEY
from tests.integration.control.identity import served
from tests.integration.control.people import add_user

from litemaas.control.app import Settings, create_app
from litemaas.kit.settings import SettingsError
from litemaas.mcp.app import create_app as create_mcp
from litemaas.mcp.settings import McpSettings, check_settings

READS = [f"admin:{area}:read" for area in ("models", "users", "usage", "api_keys")] + ["admin:health"]
Asking = Callable[[str], AbstractAsyncContextManager[Client]]


class Site:
    """A control plane and an MCP server for it."""

    def __init__(self, admin: httpx2.AsyncClient, mcp_url: str, own_token: str) -> None:
        self.admin = admin
        self.url = mcp_url
        self.own_token = own_token

    async def token(self, *permissions: str) -> str:
        return await new_token(self.admin, *permissions)

    @asynccontextmanager
    async def asking(self, token: str) -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers, trust_env=False) as http,
            Client(streamable_http_client(f"{self.url}/mcp", http_client=http)) as client,
        ):
            yield client


async def new_token(admin: httpx2.AsyncClient, *permissions: str) -> str:
    body = {"name": f"assistant {len(permissions)}", "permissions": list(permissions)}
    answer = await admin.post("/api/v1/admin/service-tokens", json=body)
    assert answer.status_code == 201, answer.text
    secret: str = answer.json()["secret"]
    return secret


async def told(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    text = result.content[0].text  # type: ignore[union-attr]
    return ("error", text) if result.is_error else json.loads(text)


@pytest.fixture
async def site(database_url: str) -> AsyncIterator[Site]:
    app = create_app(Settings(database_url=database_url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY))
    async with app.router.lifespan_context(app), served(app) as url:
        headers = {"Authorization": f"Bearer {MASTER_KEY}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False) as admin:
            own = await new_token(admin, *READS)
            mcp = create_mcp(McpSettings(token=own, control_url=url))
            async with served(mcp, lifespan="on") as mcp_url:
                yield Site(admin, mcp_url, own)


async def test_an_assistant_reads_models_people_keys_and_spend(site: Site, database_url: str):
    deployment = {"provider": "hosted_vllm", "engine_model": "g", "api_base": "http://engine.example/v1"}
    body = {"name": "granite", "type": "chat", "capabilities": ["function_calling"], "max_output_tokens": 512,
            "pricing": {"input_per_million": 150_000_000}, "deployments": [deployment]}  # fmt: skip
    assert (await site.admin.post("/api/v1/admin/models", json=body)).status_code == 201
    assert (await site.admin.post("/api/v1/admin/keys", json={"alias": "a key"})).status_code == 201
    database = await asyncpg.connect(database_url)
    await add_user(database, "ann", ["user"])
    await database.close()
    async with site.asking(site.own_token) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {"list_models", "get_model_health", "list_users", "get_spend_summary", "get_daily_stats",
                         "get_pod_status", "update_user_budget", "list_virtual_keys"}  # fmt: skip
        assert await told(client, "list_models") == [
            {"model": "granite", "mode": "chat", "backend": "g", "provider": "hosted_vllm", "input_$/1M": 0.15,
             "output_$/1M": 0.0, "max_tokens": 512, "function_calling": True}
        ]  # fmt: skip
        assert (await told(client, "get_model_health", model="granite"))["unhealthy"] == 1
        assert "ann" in [one["user_id"] for one in await told(client, "list_users")]
        assert (await told(client, "list_virtual_keys"))[0]["key_alias"] == "a key"
        assert await told(client, "get_spend_summary", date_from="2026-01-01", date_to="2026-01-31") == []
        days = await told(client, "get_daily_stats", days=3)
        assert [(day["requests"], day["unique_models"]) for day in days] == [(0, 0)] * 3
        assert await told(client, "get_pod_status") == {"error": "this server does not read pods"}


async def test_writes_need_the_callers_permission_and_are_audited_in_the_callers_name(site: Site, database_url: str):
    database = await asyncpg.connect(database_url)
    await add_user(database, "ann ü", ["user"])
    await database.close()
    wanted = {"user_id": "ann ü", "max_budget": 2.5, "budget_duration": "monthly"}
    async with site.asking(site.own_token) as client:
        assert "admin:users:write" in (await told(client, "update_user_budget", **wanted))[1]
    async with site.asking(await site.token("admin:users:write")) as client:
        done = await told(client, "update_user_budget", **wanted)
        assert (done["status"], done["response"]["max_budget"], done["response"]["budget_duration"]) == (
            "ok",
            2.5,
            "1mo",
        )
        assert "admin:users:read" in (await told(client, "list_users"))[1]
    trail = (await site.admin.get("/api/v1/admin/audit", params={"resource": "ann ü"})).json()["data"]
    assert {one["actor_name"] for one in trail if one["action"].startswith("user")} == {"assistant 1"}


async def test_parameters_are_checked_before_anything_is_asked(site: Site):
    async with site.asking(site.own_token) as client:
        for tool, arguments in (
            ("get_daily_stats", {"days": 0}),
            ("get_daily_stats", {"days": 10_000}),
            ("get_spend_summary", {"date_from": "yesterday"}),
            ("get_spend_summary", {"date_from": "2026-02-01", "date_to": "2026-01-01"}),
            ("update_user_budget", {"user_id": "ann", "max_budget": -1}),
            ("update_user_budget", {"user_id": "ann", "max_budget": 1, "budget_duration": "sometimes"}),
        ):
            assert (await told(client, tool, **arguments))[0] == "error", tool


async def test_nobody_gets_in_without_a_token_that_is_known(site: Site):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with httpx2.AsyncClient(trust_env=False) as http:
        for headers in ({}, {"Authorization": "Bearer lmt_wrong"}, {"Authorization": f"Bearer {MASTER_KEY}"}):
            answer = await http.post(f"{site.url}/mcp", json=body, headers=headers)
            assert answer.status_code == 401
        answer = await http.post(f"{site.url}/mcp?token={site.own_token}", json=body)
        assert answer.status_code == 401
        assert (await http.get(f"{site.url}/health")).json() == {"status": "healthy", "database": True, "litellm": True}


async def test_it_says_when_the_control_plane_is_away():
    mcp = create_mcp(McpSettings(token="lmt_" + "a" * 40, control_url="http://127.0.0.1:1"))
    async with served(mcp, lifespan="on") as url, httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{url}/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "degraded")
        answer = await http.post(f"{url}/mcp", json={}, headers={"Authorization": "Bearer lmt_other"})
        assert answer.status_code == 503


@pytest.mark.parametrize("token", ["", "sk-master-0123456789abcdef", "lmt_short"])
def test_it_does_not_start_without_a_token_of_the_control_plane(token: str):
    with pytest.raises(SettingsError, match="LITEMAAS_MCP__TOKEN"):
        check_settings(McpSettings(token=token))
