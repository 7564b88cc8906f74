"""Does the server keep its promises over real sockets, with clients that are slow, rude, gone or many?"""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop
from tests.integration.gateway.sockets import JSON, Client, on_uvloop, serving, until
from tests.unit.gateway.http.dialogue import Gate, left_behind

from litemaas.core.errors import BodyTooLarge, ClientGone, LiteMaaSError, RequestTooSlow
from litemaas.gateway.http.connection import ServerConnection
from litemaas.gateway.http.messages import Request, Response
from litemaas.gateway.http.stepping import outside

GET = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n"
LIMIT = 8 * 1024 * 1024
both_ways = pytest.mark.parametrize("turns", [False, True], ids=["at once", "in turns"])


def post(length: int) -> bytes:
    return b"POST /b HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % length


async def echo(request: Request, response: Response) -> None:
    try:
        body = await request.body(LIMIT)
    except ClientGone:
        return
    except LiteMaaSError as error:
        status = {BodyTooLarge: 413, RequestTooSlow: 408}.get(type(error), 400)
        response.send(status, JSON, b'{"error":{}}')
    else:
        response.send(200, JSON, b"%b %d" % (request.target, len(body)))


@both_ways
@on_uvloop
async def test_a_hundred_pipelined_requests_are_answered_in_order(turns: bool) -> None:
    async with serving(echo, turns=turns) as host:
        client = await host.connect()
        await client.say(b"".join(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % i for i in range(100)))
        assert [(await client.hear())[2] for _ in range(100)] == [b"/%d 0" % i for i in range(100)]
        await client.close()


@both_ways
@on_uvloop
async def test_a_handler_may_wait_for_asyncio_between_body_and_answer(turns: bool) -> None:
    async def handler(request: Request, response: Response) -> None:
        body = await request.body(LIMIT)
        response.send(200, JSON, await outside(asyncio.sleep(0.001, body), 5.0))

    async with serving(handler, turns=turns) as host:
        client = await host.connect()
        for _ in range(3):
            await client.say(post(5))
            await client.say(b"hello")
            assert (await client.hear())[2] == b"hello"
        await client.close()


@both_ways
@on_uvloop
async def test_large_bodies_arrive_whole_by_length_and_in_chunks(turns: bool) -> None:
    body = bytes(range(256)) * 8192
    async with serving(echo, turns=turns) as host:
        client = await host.connect()
        await client.say(post(len(body)) + body)
        assert (await client.hear())[2] == b"/b %d" % len(body)
        await client.say(b"POST /b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        for i in range(0, len(body), 50_000):
            piece = body[i : i + 50_000]
            await client.say(b"%x\r\n%b\r\n" % (len(piece), piece))
        await client.say(b"0\r\n\r\n" + GET)
        assert (await client.hear())[2] == b"/b %d" % len(body)
        assert (await client.hear())[2] == b"/a 0"
        await client.close()


@both_ways
@on_uvloop
async def test_a_client_that_still_sends_its_body_hears_why_it_is_refused(turns: bool) -> None:
    async with serving(echo, turns=turns) as host:
        client = await host.connect()
        client.writer.write(post(LIMIT + 1) + b"x" * (LIMIT // 4))
        status, headers, _ = await client.hear()
        assert status == 413
        assert headers["connection"] == "close"
        assert await client.hear_all() == b""
        await client.close()


@both_ways
@on_uvloop
async def test_smuggling_is_refused_over_the_wire_and_earlier_requests_are_answered(turns: bool) -> None:
    bad = b"POST /bad HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    async with serving(echo, turns=turns) as host:
        client = await host.connect()
        await client.say(GET + bad + GET)
        assert (await client.hear())[0] == 200
        status, headers, body = await client.hear()
        assert status == 400
        assert headers["content-type"] == "application/json"
        assert b'"error"' in body
        assert await client.hear_all() == b""
        await client.close()
        assert host.defects == []
        assert host.refusals == [400]


@both_ways
@on_uvloop
async def test_slow_clients_are_sent_away(turns: bool) -> None:
    async with serving(echo, turns=turns, header_timeout_s=0.05, body_timeout_s=0.05, keepalive_timeout_s=0.05) as host:
        clients = [await host.connect() for _ in range(4)]
        silent, slow_head, slow_body, idle = clients
        await slow_head.say(GET[:10])
        await slow_body.say(post(10) + b"x")
        await idle.say(GET)
        assert await silent.hear_all() == b""
        assert (await slow_head.hear())[0] == 408
        assert (await slow_body.hear())[0] == 408
        assert (await idle.hear())[0] == 200
        assert await idle.hear_all() == b""
        for client in clients:
            await client.close()
        assert host.defects == []


@both_ways
@on_uvloop
async def test_a_handler_waits_for_a_client_that_reads_slowly(turns: bool) -> None:
    written = 0

    async def handler(request: Request, response: Response) -> None:
        nonlocal written
        response.start(200, JSON)
        for _ in range(200):
            response.write(b"x" * 100_000)
            written += 100_000
            if turns:
                await outside(asyncio.sleep(0), 5.0)  # as an upstream's answer takes a turn for each piece
            await response.drain()
        response.end()

    async with serving(handler, turns=turns) as host:
        client = await host.connect()
        await client.say(GET)
        await until(lambda: host.server._connections and any(c.is_congested for c in host.server._connections))
        assert written < 20_000_000
        _, _, body = await client.hear()
        assert len(body) == 20_000_000
        await client.close()


@both_ways
@on_uvloop
async def test_a_client_that_stops_reading_is_cut_off_and_its_handler_told(turns: bool) -> None:
    told: list[Exception] = []

    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        try:
            while True:
                response.write(b"x" * 100_000)
                await outside(asyncio.sleep(0), 5.0)
                await response.drain()
        except ClientGone as gone:
            told.append(gone)

    async with serving(handler, turns=turns, write_timeout_s=0.05) as host:
        client = await host.connect()
        await client.say(GET)
        await until(lambda: told)
        await until(lambda: not host.server.connection_count)
        client.reset()
        assert host.defects == []


@on_uvloop
async def test_a_body_that_nobody_wants_stays_with_its_sender() -> None:
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        await gate()
        await echo(request, response)

    async with serving(handler, body_timeout_s=0.05) as host:
        client = await host.connect()
        client.writer.write(post(LIMIT) + b"x" * LIMIT)
        await until(lambda: any(c._paused for c in host.server._connections))
        (connection,) = host.server._connections
        assert connection._request is not None
        assert connection._request.buffered < 1024 * 1024
        gate.open()
        assert (await client.hear())[2] == b"/b %d" % LIMIT
        await client.close()


@both_ways
@pytest.mark.parametrize("rudely", [False, True], ids=["politely", "rudely"])
@on_uvloop
async def test_a_client_that_leaves_in_the_middle_of_a_stream_interrupts_the_handler(turns: bool, rudely: bool) -> None:
    told: list[Exception] = []

    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        try:
            while True:
                response.write(b"event")
                await outside(asyncio.sleep(0.001), 5.0)
        except ClientGone as gone:
            told.append(gone)
            response.end(b"nobody hears this")

    async with serving(handler, turns=turns) as host:
        client = await host.connect()
        await client.say(GET)
        await client.reader.readuntil(b"event")
        if rudely:
            client.reset()
        else:
            await client.close()
        await until(lambda: told)
        await until(lambda: not host.server.connection_count)
        assert host.defects == []


@both_ways
@on_uvloop
async def test_what_was_answered_reaches_a_client_that_has_closed_its_half(turns: bool) -> None:
    async with serving(echo, turns=turns) as host:
        client = await host.connect()
        client.writer.write(GET)
        client.writer.write_eof()
        assert (await client.hear_all()).endswith(b"/a 0")
        await client.close()


@both_ways
@on_uvloop
async def test_a_drain_lets_running_requests_finish_and_takes_no_new_ones(turns: bool) -> None:
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        await gate()
        response.send(200, JSON, b"done")

    async with serving(handler, turns=turns) as host:
        busy, idle = await host.connect(), await host.connect()
        await busy.say(GET)
        await until(lambda: host.server.connection_count == 2 and any(not c.is_idle for c in host.server._connections))
        draining = asyncio.create_task(host.server.drain(10.0))
        assert await idle.hear_all() == b""
        with pytest.raises(ConnectionRefusedError):
            await Client.connect(host.port)
        gate.open()
        status, headers, _ = await busy.hear()
        assert (status, headers["connection"]) == (200, "close")
        assert await busy.hear_all() == b""
        assert await draining
        await busy.close()
        await idle.close()


@both_ways
@on_uvloop
async def test_a_drain_that_takes_too_long_interrupts_what_is_left(turns: bool) -> None:
    told: list[Exception] = []

    async def handler(request: Request, response: Response) -> None:
        try:
            await Gate()()
        except ClientGone as gone:
            await outside(asyncio.sleep(0.01), 5.0)  # what a settlement would do
            told.append(gone)

    async with serving(handler, turns=turns) as host:
        client = await host.connect()
        await client.say(GET)
        await until(lambda: any(not c.is_idle for c in host.server._connections))
        assert not await host.server.drain(0.01)
        assert len(told) == 1
        await client.hear_all()
        await client.close()


@both_ways
@on_uvloop
async def test_one_connection_too_many_hears_503(turns: bool) -> None:
    async with serving(echo, turns=turns, max_connections=2) as host:
        first, second = await host.connect(), await host.connect()
        await until(lambda: host.server.connection_count == 2)
        third = await host.connect()
        assert (await third.hear())[0] == 503
        assert await third.hear_all() == b""
        await third.close()
        await until(lambda: host.server.connection_count == 2)
        for client in (first, second):
            await client.say(GET)
            assert (await client.hear())[0] == 200
            await client.close()
        assert host.refusals == [503]


@both_ways
@on_uvloop
async def test_a_handler_that_fails_takes_no_other_request_with_it(turns: bool) -> None:
    async def handler(request: Request, response: Response) -> None:
        if request.path == "/b":
            response.start(200, JSON)
            response.write(b"some")
            raise KeyError
        if request.path == "/a":
            raise KeyError
        response.send(200, JSON, b"{}")

    async with serving(handler, turns=turns) as host:
        before, streaming, good = [await host.connect() for _ in range(3)]
        await before.say(GET)
        await streaming.say(post(0))
        await good.say(b"GET /c HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await before.hear())[0] == 500
        assert not (await streaming.hear_all()).endswith(b"0\r\n\r\n")
        assert (await good.hear())[0] == 200
        assert len(host.defects) == 2
        for client in (before, streaming, good):
            await client.close()


@pytest.mark.parametrize("turns", [False, True])
def test_connections_leave_nothing_to_the_garbage_collector(turns: bool) -> None:
    async def scene() -> None:
        async with serving(echo, turns=turns) as host:
            for message in (GET, post(3) + b"abc", b"\x00", post(3) + b"a", b"GET /a HTTP/1.0\r\n\r\n"):
                client = await host.connect()
                await client.say(message)
                await until(lambda: host.server.connection_count)
                await client.close()
            await until(lambda: not host.server.connection_count)

    assert left_behind(lambda: uvloop.run(scene()), ServerConnection, Request, Response) == []


@on_uvloop
async def test_the_sweep_survives_a_defect_handler_that_fails() -> None:
    def fails(error: BaseException | None) -> None:
        raise ZeroDivisionError

    async def handler(request: Request, response: Response) -> None:
        await request.body(LIMIT)

    async with serving(handler, body_timeout_s=0.01, header_timeout_s=0.01) as host:
        reports: list[BaseException] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context["exception"]))
        host.server.on_defect = fails
        client, silent = await host.connect(), await host.connect()
        await client.say(post(3))
        assert await silent.hear_all() == b""
        await until(lambda: reports)
        started = time.monotonic()
        late = await host.connect()
        assert await late.hear_all() == b""
        assert time.monotonic() - started < 10
        client.reset()
        await silent.close()
        await late.close()
