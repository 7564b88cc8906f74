"""What if an answer ends after any number of bytes? One record, usage right or marked, nothing held, and the client is told."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.databases import lent_database
from tests.integration.gateway.harness import PRICE_IN, PRICE_OUT, QUESTION, chunks_of, text_of, until

from litemaas.core.keys import hash_key
from litemaas.db.embedded import EmbeddedPostgres
from litemaas.sim.faults import Ending

from .load import DONE
from .stage import Stage, staged

EXAMPLES = 60 * (50 if os.environ.get("LITEMAAS_NIGHTLY") == "1" else 1)
SILENCE_S = 0.3
REPORTING = {"every chunk": "hosted_vllm", "at the end": "groq", "never": "hosted_vllm"}
"""When a deployment's engine reports usage → the provider that is configured."""


class Cutting:
    """A stage whose engine's answers can be cut, and a key with a budget and a limit on parallel calls."""

    def __init__(self, stage: Stage, key: str) -> None:
        self.stage = stage
        self.key = key

    async def record(self, call_id: str) -> asyncpg.Record:
        """The one record of a call, once nothing is held for it any more."""
        platform = self.stage.platform

        async def stored() -> list[asyncpg.Record]:
            await platform.gateway.accountant.empty()
            return await self.stage.connection.fetch("select * from usage_records where request_id = $1", call_id)

        (row,) = await until(stored)
        account = platform.gateway.budgets._accounts[f"key:{hash_key(self.key)}"]
        assert account.held == 0
        counter = platform.gateway.rates._counters[f"key:{hash_key(self.key)}"]
        assert counter.parallel == 0
        return row


@pytest.fixture(scope="module")
async def cutting(
    postgres_server: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cutting]:
    async with (
        lent_database(postgres_server.url, template_database) as url,
        staged(url, None, _directory(tmp_path_factory)) as stage,
    ):
        limits = {"timeout_s": SILENCE_S, "stream_timeout_s": SILENCE_S}
        for name, provider in REPORTING.items():
            await stage.ledger.add_model(name, stage.chat.url + "/v1", provider=provider, **limits)
        key = await stage.known_key(max_budget_nano=10**12, max_parallel_requests=1)
        yield Cutting(stage, key)


def _directory(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("cut")


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # fmt: skip
@given(
    count=st.integers(1, 9000),
    ending=st.sampled_from(["close", "reset", "half_close", "freeze"]),
    reporting=st.sampled_from(list(REPORTING)),
    stream=st.sampled_from([True, True, False]),
    members=st.sampled_from([{}, {"stream_options": {"include_usage": True}}, {"n": 2}, {"max_tokens": 3}]),
)
async def test_an_answer_cut_anywhere_is_recorded_once_and_told(
    cutting: Cutting, count: int, ending: Ending, reporting: str, stream: bool, members: dict[str, Any]
):
    stage = cutting.stage
    stage.sim.reset()
    stage.sim.chat.behave(answer_tokens=12, omit_usage=reporting == "never")
    if not stream:
        members = {name: value for name, value in members.items() if name != "stream_options"}
    stage.chat.cut()
    stage.chat.end_after(count, ending, "to_client")
    reply = await stage.platform.post(
        "/v1/chat/completions", cutting.key, {**QUESTION, "model": reporting, "stream": stream, **members}
    )
    await stage.chat.heal()
    row = await cutting.record(reply.headers["x-litellm-call-id"])
    await stage.sim.until(lambda: not stage.sim.counters.servers["chat"].running)

    whole = reply.status_code == 200 and (not stream or reply.content.endswith(DONE))
    assert row["status"] == ("success" if whole else "failure")
    assert row["cost_nano"] == row["prompt_tokens"] * PRICE_IN + row["completion_tokens"] * PRICE_OUT
    if not whole:
        assert row["error_code"] in ("upstream_died", "upstream_timeout", "upstream_unreachable", "upstream_garbage")
        error = chunks_of(reply.content)[-1]["error"] if reply.status_code == 200 else reply.json()["error"]
        assert error["message"]
    served = stage.sim.counters.of("chat")
    if row["usage_source"] == "engine":
        assert row["prompt_tokens"] <= served.prompt_tokens
        assert row["completion_tokens"] <= served.completion_tokens
        if whole:
            assert (row["prompt_tokens"], row["completion_tokens"]) == (served.prompt_tokens, served.completion_tokens)
    elif row["usage_source"] == "none":
        assert row["cost_nano"] == 0
        assert not whole
    else:
        assert row["completion_tokens"] <= served.completion_tokens + 4
    if stream and reply.status_code == 200 and text_of([c for c in chunks_of(reply.content) if "choices" in c]):
        assert row["completion_tokens"] > 0, "text that the client has was not charged"
    assert stage.platform.gateway.metrics.defects == 0
