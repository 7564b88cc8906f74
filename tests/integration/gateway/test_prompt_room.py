"""Are deployments left out that a prompt is too long for, where the installation checks that before a call?"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from litemaas.gateway.settings import RoutingSettings
from litemaas.sim.testing import SimulatedServers

from .harness import Platform, add_usual_models, answer, gateway_settings, running, scripted
from .test_routing import GOOD, set_model

NO_TOKENIZER = answer(b"{}", "404 No")
LONG = {"messages": [{"role": "user", "content": "word " * 400}]}
"""About 400 tokens, in 2,000 bytes."""


@pytest.fixture(scope="module")
async def module_platform(
    module_database: str, module_sim: SimulatedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    routing = RoutingSettings(retries=0, probe_interval_s=0, check_prompts=True)
    settings = gateway_settings(module_database, tmp_path_factory.mktemp("gateway"), routing=routing)
    async with running(settings, module_sim) as platform:
        await add_usual_models(platform.ledger, module_sim)
        yield platform


def engine(tokens: int | None) -> object:
    """Answers chats, and prompts' lengths if it has a tokenizer."""

    def reply(head: bytes, _body: bytes) -> bytes:
        if b"/tokenize" not in head.split(b"\r\n")[0]:
            return GOOD
        return NO_TOKENIZER if tokens is None else answer(b'{"count":%d,"max_model_len":1,"tokens":[]}' % tokens)

    return reply


def chats(received: list[tuple[bytes, bytes]]) -> int:
    return sum(b"/tokenize" not in head.split(b"\r\n")[0] for head, _ in received)


@pytest.mark.parametrize("tokens", [400, None])
async def test_a_prompt_only_goes_where_it_fits(platform: Platform, key: str, tokens: int | None):
    name = f"sizes {tokens}"
    async with scripted(engine(tokens)) as small, scripted(engine(tokens)) as large:
        await platform.add_model(name, small.url, max_context_tokens=300)
        await platform.add_model(name, large.url, max_context_tokens=8000)
        for _ in range(6):
            assert (await platform.chat(key, model=name, **LONG)).status_code == 200
        assert (chats(small.received), chats(large.received)) == (0, 6)


async def test_a_prompt_whose_bytes_fit_is_not_counted(platform: Platform, key: str):
    async with scripted(engine(9)) as one:
        await platform.add_model("roomy", one.url, max_context_tokens=3000)
        assert (await platform.chat(key, model="roomy", **LONG)).status_code == 200
        assert len(one.received) == 1


async def test_a_prompt_that_fits_nowhere_goes_to_a_model_that_takes_more(platform: Platform, key: str):
    async with scripted(engine(400)) as small:
        await platform.add_model("tiny", small.url, max_context_tokens=300)
        refused = await platform.chat(key, model="tiny", **LONG)
        assert refused.status_code == 400
        assert "maximum context length of tiny is 300 tokens" in refused.json()["error"]["message"]
        await set_model(platform, "tiny", context_fallbacks=["granite"])
        assert (await platform.chat(key, model="tiny", max_tokens=5, **LONG)).status_code == 200
        assert chats(small.received) == 0
    rows = await platform.records(key, 2)
    assert [(row["model"], row["status"]) for row in rows] == [("tiny", "refused"), ("granite", "success")]
    assert rows[0]["cost_nano"] == 0
    await platform.no_room_is_held(key)
