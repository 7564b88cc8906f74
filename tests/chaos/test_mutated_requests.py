"""Can any bytes, in any pieces, bring down a gateway, hang a connection, or get two answers or records for one request?"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.databases import lent_database
from tests.integration.gateway.harness import QUESTION, until
from tests.unit.gateway.http.dialogue import Answer, read_answers
from tests.unit.gateway.http.test_properties import mutations, pieces_of
from tests.unit.gateway.http.test_smuggling import as_h11_reads

from litemaas.core.keys import hash_key
from litemaas.db.embedded import EmbeddedPostgres
from litemaas.gateway.http.server import ServerLimits

from .crowd import message
from .stage import Stage, staged

EXAMPLES = 8 * (100 if os.environ.get("LITEMAAS_NIGHTLY") == "1" else 1)
AT_ONCE = 16
WITHIN_S = 30.0
SILENCE_S = 0.5
"""After which the gateway ends a connection on which nothing comes any more; then all answers are there."""
BODIES = (
    ("/v1/chat/completions", {**QUESTION, "max_tokens": 5}),
    ("/v1/chat/completions", {**QUESTION, "max_tokens": 5, "stream": True}),
    ("/v1/embeddings", {"model": "nomic", "input": ["a", "b"]}),
    ("/v1/completions", {"model": "granite", "prompt": "Once", "max_tokens": 3}),
)
SPACES = re.compile(rb"\b(GET|POST) +(\S+) +(HTTP/1\.1\r\n)")
"""More of them between the words of a request line are one for llhttp, as RFC 9112 (3) allows, and an error for h11."""
PAGES = (b"GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n", b"GET /health/liveness HTTP/1.1\r\nhost: a\r\n\r\n")


class Target:
    def __init__(self, stage: Stage, key: str) -> None:
        self.stage = stage
        self.gateway = stage.platform.gateway
        self.account = f"key:{hash_key(key)}"
        self.key = key

    async def answers_to(self, pieces: list[bytes]) -> list[Answer]:
        """Everything that the gateway says until it ends the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.port)
        heard = b""
        async with asyncio.timeout(WITHIN_S):
            with suppress(ConnectionError):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                while piece := await reader.read(65536):
                    heard += piece
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        return read_answers(heard)


@pytest.fixture(scope="module")
async def target(
    postgres_server: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Target]:
    limits = ServerLimits(header_timeout_s=SILENCE_S, body_timeout_s=SILENCE_S, keepalive_timeout_s=SILENCE_S)
    async with (
        lent_database(postgres_server.url, template_database) as url,
        staged(url, None, tmp_path_factory.mktemp("mutated"), server=limits) as stage,
    ):
        yield Target(stage, await stage.known_key(max_budget_nano=10**12, max_parallel_requests=1000))


@st.composite
def streams(draw: st.DrawFn, key: str) -> list[bytes]:
    """Some requests, most of them spoiled, in pieces."""
    good = st.sampled_from([*(message(key, body, path) for path, body in BODIES), *PAGES])
    stream = b"".join(draw(st.lists(good, min_size=1, max_size=3)))
    if draw(st.integers(0, 3)):
        stream = draw(mutations(stream))
    return draw(pieces_of(stream))


@pytest.mark.timeout(3000)
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each example takes a second: what was sent is told unshortened
)  # fmt: skip
@given(data=st.data())
async def test_whatever_is_sent_is_answered_at_most_once_and_costs_no_connection_and_no_room(
    target: Target, data: st.DataObject
):
    sent = [data.draw(streams(target.key)) for _ in range(AT_ONCE)]
    heard = await asyncio.gather(*(target.answers_to(pieces) for pieces in sent))

    ids = []
    for pieces, answers in zip(sent, heard, strict=True):
        final = [answer for answer in answers if answer.status != 100]
        assert len(final) <= len(as_h11_reads(SPACES.sub(rb"\1 \2 \3", b"".join(pieces)))[0]) + 1
        assert not [answer for answer in final if answer.status >= 500 and answer.status != 505]  # 505: another HTTP
        ids += [answer.headers["x-litellm-call-id"] for answer in final if "x-litellm-call-id" in answer.headers]
    assert len(ids) == len(set(ids))

    async def all_is_over() -> bool:
        return not target.gateway.server.connection_count and not target.gateway.budgets._accounts[target.account].held

    await until(all_is_over)
    assert target.gateway.metrics.defects == 0
    assert (await target.stage.platform.chat(target.key, max_tokens=2)).status_code == 200
