"""Does the fault proxy carry bytes faithfully, and does each of its faults look to both programs as it would in earnest?"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop

from litemaas.sim.faults import Direction, Ending, FaultProxy

WITHIN_S = 60.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server:
    """Keeps both ends of what it accepts, and says only what a test lets it say."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[Streams] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.accepted.put_nowait((reader, writer))

    def leave(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


class Scene:
    """A server, the proxy in front of it, and clients."""

    def __init__(self, server: Server, proxy: FaultProxy) -> None:
        self.server = server
        self.proxy = proxy
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def port(self) -> int:
        return int(self.proxy.url.rpartition(":")[2])

    async def client(self) -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return reader, writer

    async def pair(self) -> tuple[Streams, Streams]:
        """A client's connection and the server's end of it."""
        client = await self.client()
        return client, await self.server.accepted.get()

    def leave(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    server = Server()
    listening = await asyncio.start_server(server.take, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    async with asyncio.timeout(WITHIN_S), FaultProxy(f"tcp://127.0.0.1:{server.port}") as proxy:
        played = Scene(server, proxy)
        try:
            yield played
        finally:
            played.leave()
            server.leave()
            listening.close()
            await proxy.stop()
            await until(lambda: not proxy.links)


async def until(happened: Callable[[], object]) -> None:
    while not happened():  # noqa: ASYNC110 - what happens there sets no event
        await asyncio.sleep(0.002)


async def is_silent(reader: asyncio.StreamReader) -> bool:
    """Whether nothing comes for a moment."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await reader.read(1)
        return False
    return True


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(10_000):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def carries(played: Scene) -> None:
    """Fails unless a new connection works in both directions."""
    (reader, writer), (far_reader, far_writer) = await played.pair()
    writer.write(b"question")
    assert await far_reader.readexactly(8) == b"question"
    far_writer.write(b"answer")
    assert await reader.readexactly(6) == b"answer"


# -- without faults ---------------------------------------------------------------------------------------------------


async def carries_a_lot(prepare: Callable[[FaultProxy], Awaitable[None] | None]) -> None:
    content = random.Random(7).randbytes(3_000_000)
    async with scene() as played:
        prepare(played.proxy)
        (reader, writer), far = await played.pair()
        answering = asyncio.create_task(echo(*far))
        writer.write(content)
        writer.write_eof()
        assert await reader.read(-1) == content
        await answering
        assert played.proxy.conditions["to_server"].passed == len(content)
        assert played.proxy.conditions["to_client"].passed == len(content)


async def test_bytes_arrive_as_they_were_sent_and_ends_too():
    await carries_a_lot(lambda proxy: None)


def test_it_carries_the_same_on_uvloop():
    uvloop.run(carries_a_lot(lambda proxy: proxy.delay(0.01)))


async def test_a_throttled_and_delayed_connection_loses_nothing():
    def slow(proxy: FaultProxy) -> None:
        proxy.throttle(10_000_000)
        proxy.delay(0.02)

    await carries_a_lot(slow)


async def test_its_url_keeps_everything_but_host_and_port():
    async with FaultProxy("postgresql://user:p%40ss@127.0.0.1:5432/name?sslmode=disable") as proxy:
        start, _, rest = proxy.url.partition("@127.0.0.1:")
        assert start == "postgresql://user:p%40ss"
        port, _, path = rest.partition("/")
        assert int(port) != 5432
        assert path == "name?sslmode=disable"


async def test_a_server_that_does_not_listen_resets_the_client():
    async with FaultProxy("tcp://127.0.0.1:1") as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await until(lambda: not proxy.links)


# -- ends -------------------------------------------------------------------------------------------------------------


async def test_a_cut_ends_both_sides_and_the_next_connection_works():
    async with scene() as played:
        (reader, _), (far_reader, _) = await played.pair()
        played.proxy.cut()
        assert (await reader.read(), await far_reader.read()) == (b"", b"")
        await carries(played)


async def test_a_reset_reaches_both_sides():
    async with scene() as played:
        (reader, _), (far_reader, _) = await played.pair()
        played.proxy.reset()
        for side in (reader, far_reader):
            with pytest.raises(ConnectionResetError):
                await side.read()
        await carries(played)


async def test_a_reset_of_one_program_is_a_reset_for_the_other():
    async with scene() as played:
        (_, writer), (far_reader, _) = await played.pair()
        at_once = struct.pack("ii", 1, 0)
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()
        with pytest.raises(ConnectionResetError):
            await far_reader.read()


async def test_a_half_closed_connection_goes_on_in_the_other_direction():
    async with scene() as played:
        (reader, writer), (far_reader, far_writer) = await played.pair()
        played.proxy.half_close("to_server")
        assert await far_reader.read() == b""
        writer.write(b"into nothing")
        far_writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        far_writer.write_eof()
        assert await reader.read() == b""


@pytest.mark.parametrize("ending", ["close", "reset", "half_close", "freeze"])
@pytest.mark.parametrize("direction", ["to_server", "to_client"])
async def test_after_so_many_bytes_a_connection_ends_in_the_way_that_was_asked_for(
    direction: Direction, ending: Ending
):
    async with scene() as played:
        near, far = await played.pair()
        (_, writer), (reader, _) = (near, far) if direction == "to_server" else (far, near)
        played.proxy.end_after(5, ending, direction)
        writer.write(b"123")
        assert await reader.readexactly(3) == b"123"
        writer.write(b"45678")
        assert await reader.readexactly(2) == b"45"
        if ending == "freeze":
            assert await is_silent(reader)
            await played.proxy.heal()
            assert await reader.readexactly(3) == b"678"
        elif ending == "reset":
            with pytest.raises(ConnectionResetError):
                await reader.read()
        else:
            assert await reader.read() == b""
        await played.proxy.heal()
        await carries(played)


async def test_new_connections_are_counted_from_their_first_byte():
    async with scene() as played:
        played.proxy.end_after(4, "close", "to_client")
        for _ in range(2):
            (reader, _), (_, far_writer) = await played.pair()
            far_writer.write(b"123456")
            assert await reader.read() == b"1234"


# -- refusals, silence, slowness --------------------------------------------------------------------------------------


async def test_while_it_refuses_connections_that_are_there_stay_and_none_is_added():
    async with scene() as played:
        (reader, _), (_, far_writer) = await played.pair()
        for _ in range(3):
            await played.proxy.refuse()
            with pytest.raises(ConnectionRefusedError):
                await played.client()
            far_writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            await played.proxy.accept()
            await carries(played)
        assert played.proxy.accepted == 4


async def test_a_frozen_proxy_takes_connections_and_says_nothing_until_it_is_healed():
    async with scene() as played:
        (reader, writer), (far_reader, far_writer) = await played.pair()
        played.proxy.freeze()
        (later, _), (_, far_later) = await played.pair()
        writer.write(b"question")
        far_writer.write(b"answer")
        far_later.write(b"also")
        assert [await is_silent(side) for side in (reader, far_reader, later)] == [True] * 3
        await played.proxy.heal()
        assert await far_reader.readexactly(8) == b"question"
        assert await reader.readexactly(6) == b"answer"
        assert await later.readexactly(4) == b"also"


async def test_one_direction_may_be_frozen_alone():
    async with scene() as played:
        (reader, writer), (far_reader, far_writer) = await played.pair()
        played.proxy.freeze("to_client")
        writer.write(b"question")
        assert await far_reader.readexactly(8) == b"question"
        far_writer.write(b"answer")
        assert await is_silent(reader)


async def test_what_waits_in_a_frozen_proxy_is_bounded_and_its_sender_feels_it():
    async with scene() as played:
        (_, writer), (far_reader, _) = await played.pair()
        played.proxy.freeze()
        sent = 40_000_000  # more than kernels buffer
        writer.write(bytes(sent))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await writer.drain()
        (link,) = played.proxy.links
        assert link.flows["to_server"]._waiting < 2_000_000
        await played.proxy.heal()
        got = 0
        while got < sent:
            got += len(await far_reader.read(1_000_000))
        await writer.drain()


async def test_a_delay_moves_answers_and_does_not_slow_them():
    async with scene() as played:
        (reader, _), (_, far_writer) = await played.pair()
        played.proxy.delay(0.2, "to_client")
        began = time.monotonic()
        for _ in range(20):
            far_writer.write(b"x")
            await asyncio.sleep(0)
        await reader.readexactly(20)
        assert 0.2 <= time.monotonic() - began < 4.0  # one after the other they would take longer
        played.proxy.delay(0.0)
        await carries(played)


async def test_a_throttle_holds_its_rate():
    async with scene() as played:
        (reader, _), (_, far_writer) = await played.pair()
        played.proxy.throttle(100_000)
        began = time.monotonic()
        far_writer.write(bytes(30_000))
        await reader.readexactly(30_000)
        assert time.monotonic() - began >= 0.25


async def test_a_client_that_leaves_while_all_is_frozen_is_noticed_when_it_is_healed():
    async with scene() as played:
        (_, writer), (far_reader, far_writer) = await played.pair()
        played.proxy.freeze()
        writer.close()
        assert await is_silent(far_reader)
        await played.proxy.heal()
        assert await far_reader.read() == b""
        far_writer.close()
        await until(lambda: not played.proxy.links)
