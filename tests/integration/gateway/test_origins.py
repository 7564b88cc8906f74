"""Which pages may browsers let call the gateway? Those of the origins that it was told; of any, if it was told nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from litemaas.gateway.origins import Origins
from litemaas.kit.settings import SettingsError
from litemaas.sim.testing import SimulatedServers

from .harness import MASTER_KEY, QUESTION, Platform, gateway_settings, running

PORTAL, OTHER = "https://portal.example.com", "https://portal.example.com.evil.test"
CHAT = "/v1/chat/completions"
ALLOWED, VARIES = "access-control-allow-origin", "vary"


async def preflight(platform: Platform, origin: str) -> dict[str, str]:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-mine"}
    reply = await platform.http.options(CHAT, headers=asked)
    assert reply.status_code == 200
    return dict(reply.headers)


async def answers(platform: Platform, origin: str, key: str) -> list[dict[str, str]]:
    """The headers of a good answer, of a stream, of a refusal and of pages, one after the other on one connection."""
    headers = {"Origin": origin, "Authorization": f"Bearer {key}"}
    wrong = {"Origin": origin, "Authorization": "Bearer sk-nobody-has-this-one"}
    replies = [
        await platform.http.post(CHAT, json=QUESTION, headers=headers),
        await platform.http.post(CHAT, json={**QUESTION, "stream": True}, headers=headers),
        await platform.http.post(CHAT, json=QUESTION, headers=wrong),
        await platform.http.get("/v1/models", headers=headers),
        await platform.http.get("/nowhere", headers=headers),
        await platform.http.get("/key/info", headers=headers),
    ]
    assert [reply.status_code for reply in replies] == [200, 200, 401, 200, 404, 503]
    return [dict(reply.headers) for reply in replies]


async def test_only_pages_of_the_named_origins_may_read_answers(
    module_platform: Platform, module_database: str, module_sim: SimulatedServers, tmp_path: Path, key: str
):
    named = f"{PORTAL}, http://localhost:5173"
    settings = gateway_settings(module_database, tmp_path, worker_id="named", cors_origins=named)
    async with running(settings, module_sim) as strict:
        asked = await preflight(strict, PORTAL)
        assert (asked[ALLOWED], asked[VARIES]) == (PORTAL, "origin")
        assert (asked["access-control-allow-headers"], asked["access-control-max-age"]) == ("x-mine", "600")
        assert "access-control-allow-credentials" not in asked
        for headers in await answers(strict, PORTAL, key):
            assert (headers[ALLOWED], headers[VARIES]) == (PORTAL, "origin")
        for refused in (await preflight(strict, OTHER), *await answers(strict, OTHER, key)):
            assert ALLOWED not in refused
            assert "access-control-allow-headers" not in refused
            assert refused[VARIES] == "origin"
        assert (await preflight(strict, "http://localhost:5173"))[ALLOWED] == "http://localhost:5173"
        assert ALLOWED not in await preflight(strict, "http://localhost:5174")


async def test_pages_of_any_origin_may_call_if_none_is_named(platform: Platform):
    assert (await preflight(platform, OTHER))[ALLOWED] == "*"
    reply = await platform.chat(MASTER_KEY)
    assert reply.headers[ALLOWED] == "*"
    assert VARIES not in reply.headers


@pytest.mark.parametrize("wrong", ["portal.example.com", f"{PORTAL}/", "https://*.example.com", "null", f"{PORTAL},x"])
def test_what_is_no_origin_stops_the_start(wrong: str):
    with pytest.raises(SettingsError, match="CORS_ORIGINS"):
        Origins(wrong)
