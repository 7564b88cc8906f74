"""Does each ordered fault really happen, as a bare socket sees it?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from litemaas.sim.behaviour import Fault
from litemaas.sim.testing import SimulatedServers

CHAT = "/v1/chat/completions"
WITHIN_S = 30.0


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[SimulatedServers]:
    async with SimulatedServers() as servers:
        yield servers


@pytest.fixture
def sim(servers: SimulatedServers) -> SimulatedServers:
    servers.reset()
    return servers


class Wire:
    """A client that knows nothing of HTTP: it sends a request and keeps whatever comes back, and how it ended."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)
        self.received = b""
        self.ending = ""

    async def ask(self, path: str = CHAT, until: bytes | None = None, **members: Any) -> bytes:
        """Sends a chat request and reads until the connection ends, or until ``until`` arrived."""
        body = orjson.dumps({"messages": [{"role": "user", "content": "Hello"}], **members})
        head = f"POST {path} HTTP/1.1\r\nhost: sim\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        async with asyncio.timeout(WITHIN_S):
            reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
            writer.write(head.encode() + body)
            try:
                while until is None or until not in self.received:
                    part = await reader.read(65536)
                    if not part:
                        self.ending = "fin"
                        break
                    self.received += part
            except ConnectionResetError:
                self.ending = "reset"
            finally:
                writer.transport.abort()
        return self.received


async def served(sim: SimulatedServers) -> str:
    """How the only request ended, once it has."""
    await sim.until_ended()
    return sim.counters.entries[-1].outcome


def events(received: bytes) -> int:
    return received.count(b"data: {")


async def test_reset_before_the_answer(sim: SimulatedServers) -> None:
    sim.chat.behave(faults=(Fault("reset"),))
    wire = Wire(sim.chat.url)
    assert await wire.ask() == b""
    assert (wire.ending, await served(sim)) == ("reset", "failed")


async def test_close_before_the_answer(sim: SimulatedServers) -> None:
    sim.chat.behave(faults=(Fault("close"),))
    wire = Wire(sim.chat.url)
    assert await wire.ask() == b""
    assert (wire.ending, await served(sim)) == ("fin", "failed")


async def test_hang_ends_when_the_client_leaves(sim: SimulatedServers) -> None:
    sim.chat.behave(faults=(Fault("hang"),))
    wire = Wire(sim.chat.url)
    asking = asyncio.create_task(wire.ask())
    await sim.until(lambda: bool(sim.chat.received))
    assert not sim.counters.entries
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (wire.received, await served(sim)) == (b"", "cancelled")


async def test_hang_for_a_while_answers_afterwards(sim: SimulatedServers) -> None:
    sim.chat.behave(faults=(Fault("hang", hang_s=0.01),))
    assert (await Wire(sim.chat.url).ask(until=b"}")).startswith(b"HTTP/1.1 200 OK")


async def test_garbage_instead_of_http(sim: SimulatedServers) -> None:
    sim.chat.behave(faults=(Fault("garbage", raw="\x00\xff nonsense"),))
    wire = Wire(sim.chat.url)
    assert await wire.ask() == b"\x00\xff nonsense"
    assert (wire.ending, await served(sim)) == ("fin", "failed")


@pytest.mark.parametrize("stream", [False, True])
async def test_garbage_json(sim: SimulatedServers, stream: bool) -> None:
    sim.chat.behave(faults=(Fault("garbage_json"),))
    wire = Wire(sim.chat.url)
    received = await wire.ask(until=b'"}{,', stream=stream)
    assert received.startswith(b"HTTP/1.1 200 OK")
    text = received.split(b"data: ", 1)[1].split(b"\n\n")[0] if stream else received.partition(b"\r\n\r\n")[2]
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(text)


async def test_status_with_body_and_headers_for_the_next_two(sim: SimulatedServers) -> None:
    fault = Fault("status", count=2, status=503, body={"error": "busy"}, headers={"X-Why": "load"}, retry_after=7)
    sim.chat.behave(faults=(fault,))
    for _ in range(2):
        received = await Wire(sim.chat.url).ask(until=b"busy")
        assert received.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 7\r\n" in received
        assert b"\r\nx-why: load\r\n" in received
        assert received.endswith(b'{"error":"busy"}')
    assert (await Wire(sim.chat.url).ask(until=b"}")).startswith(b"HTTP/1.1 200 OK")
    assert (sim.counters.of("chat").failed, sim.counters.of("chat").completed) == (2, 1)


async def test_slow_headers_come_line_by_line(sim: SimulatedServers) -> None:
    sim.chat.behave(faults=(Fault("slow_headers", pause_s=0.01),))
    parts = []
    wire = Wire(sim.chat.url)
    reading = asyncio.create_task(wire.ask(stream=True))
    while not reading.done():
        if wire.received and (not parts or parts[-1] != wire.received):
            parts.append(wire.received)
        await asyncio.sleep(0)
    head = [part for part in parts if b"\r\n\r\n" not in part]
    assert len(head) >= 2
    assert head[0] == b"HTTP/1.1 200 OK\r\n"
    assert (await reading).endswith(b"data: [DONE]\n\n")
    assert (wire.ending, await served(sim)) == ("fin", "completed")


async def test_slow_headers_before_json_keep_its_length(sim: SimulatedServers) -> None:
    sim.chat.behave(faults=(Fault("slow_headers", pause_s=0.001),))
    head, _, body = (await Wire(sim.chat.url).ask()).partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert orjson.loads(body)["object"] == "chat.completion"


@pytest.mark.parametrize(("ending", "seen"), [("reset", "reset"), ("close", "fin")])
async def test_stream_that_dies_after_three_events(sim: SimulatedServers, ending: str, seen: str) -> None:
    sim.chat.behave(faults=(Fault("die", after_chunks=3, ending=ending),))
    wire = Wire(sim.chat.url)
    received = await wire.ask(stream=True)
    assert events(received) == 3
    assert b"[DONE]" not in received
    assert not received.endswith(b"0\r\n\r\n")
    assert (wire.ending, await served(sim)) == (seen, "failed")
    assert sim.counters.of("chat").completion_tokens == 2  # the first event says only who speaks


async def test_stream_that_ends_in_good_http_without_done(sim: SimulatedServers) -> None:
    sim.chat.behave(faults=(Fault("die", after_chunks=2, ending="end"),))
    received = await Wire(sim.chat.url).ask(until=b"\r\n0\r\n\r\n", stream=True)
    assert events(received) == 2
    assert b"[DONE]" not in received


async def test_stream_that_ends_with_an_error_event(sim: SimulatedServers) -> None:
    sim.chat.behave(faults=(Fault("die", after_chunks=2, ending="error"),))
    received = await Wire(sim.chat.url).ask(until=b"\r\n0\r\n\r\n", stream=True)
    assert b'data: {"error":{"message":"The engine died."' in received


async def test_stream_that_falls_silent_ends_when_the_client_leaves(sim: SimulatedServers) -> None:
    sim.chat.behave(faults=(Fault("die", after_chunks=2, ending="stall"),))
    received = await Wire(sim.chat.url).ask(until=b'"token_ids":null', stream=True)
    assert events(received) == 2
    assert await served(sim) == "cancelled"


async def test_whole_answer_that_dies_in_the_middle(sim: SimulatedServers) -> None:
    sim.chat.behave(faults=(Fault("die", ending="close"),))
    wire = Wire(sim.chat.url)
    head, _, body = (await wire.ask()).partition(b"\r\n\r\n")
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    assert 0 < len(body) < length
    assert (wire.ending, await served(sim)) == ("fin", "failed")


async def test_fault_for_one_model_leaves_the_other_alone(sim: SimulatedServers) -> None:
    sim.chat.behave(faults=(Fault("status", status=500, model="qwen3-8b"),))
    assert (await Wire(sim.chat.url).ask(until=b"}", model="qwen3-8b")).startswith(b"HTTP/1.1 500 ")
    assert (await Wire(sim.chat.url).ask(until=b"}", model="granite-3.3-8b")).startswith(b"HTTP/1.1 200 ")


async def test_stopping_cuts_off_what_hangs() -> None:
    async with SimulatedServers() as sim:
        sim.chat.behave(faults=(Fault("hang"),))
        wire = Wire(sim.chat.url)
        asking = asyncio.create_task(wire.ask())
        await sim.until(lambda: bool(sim.chat.received))
    await asking
    assert wire.received == b""
    assert sim.counters.of("chat").cancelled == 1
