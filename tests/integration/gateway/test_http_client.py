"""Does the upstream client keep its promises over real sockets and TLS, whatever the model server does?"""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trustme
from tests.integration.gateway.sockets import Upstream, on_uvloop, playing, until
from tests.unit.gateway.http.dialogue import Story

from litemaas.core.catalog import Tls
from litemaas.core.errors import UpstreamDied, UpstreamFailure, UpstreamGarbage, UpstreamTimeout, UpstreamUnreachable
from litemaas.gateway.http.answers import Origin, UpstreamConnection
from litemaas.gateway.http.client import Pool
from litemaas.gateway.http.limits import ClientLimits
from litemaas.gateway.http.stepping import outside, stepped
from litemaas.gateway.http.turns import Turn

MESSAGE = b"POST /v1 HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
both_ways = pytest.mark.parametrize("turns", [False, True], ids=["at once", "in turns"])


@asynccontextmanager
async def pooled(*, turns: bool = False, **limits: float) -> AsyncIterator[Pool]:
    pool = Pool(ClientLimits(**limits), Turn(lambda: None) if turns else None)  # type: ignore[arg-type]
    pool.start()
    try:
        yield pool
    finally:
        pool.close()
        await until(lambda: not pool._all)
        assert pool._counts == {}
        assert not any(pool._idle.values())


async def ask(
    pool: Pool, upstream: Upstream, timeout_s: float = 10.0, origin: Origin | None = None
) -> tuple[int, bytes]:
    """One whole call, from within an ordinary task."""

    async def call() -> tuple[int, bytes]:
        answer = await pool.open(origin or Origin("127.0.0.1", upstream.port), MESSAGE, timeout_s)
        try:
            return answer.status, await answer.read(32 * 1024 * 1024)
        finally:
            answer.release()

    return await stepped(call())


async def answers_always(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)


async def answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await writer.drain()


async def answers_once_and_closes_on_the_next(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await answers_once(reader, writer)
    await reader.readuntil(b"\r\n\r\n")


async def closes_on_the_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


# -- keeping connections ------------------------------------------------------------------------------------------------------


@both_ways
@on_uvloop
async def test_a_connection_is_kept_for_the_next_call(turns: bool) -> None:
    async with playing(Upstream(answers_always)) as upstream, pooled(turns=turns) as pool:
        for _ in range(5):
            assert await ask(pool, upstream) == (200, b"hello")
        assert upstream.connections == 1


@both_ways
@on_uvloop
async def test_calls_at_the_same_time_have_connections_of_their_own(turns: bool) -> None:
    async with playing(Upstream(answers_always)) as upstream, pooled(turns=turns) as pool:
        assert await asyncio.gather(*[ask(pool, upstream) for _ in range(5)]) == [(200, b"hello")] * 5
        assert upstream.connections == 5
        await asyncio.gather(*[ask(pool, upstream) for _ in range(5)])
        assert upstream.connections == 5


@both_ways
@on_uvloop
async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced_without_a_word(turns: bool) -> None:
    async with playing(Upstream(answers_once)) as upstream, pooled(turns=turns) as pool:
        for _ in range(3):
            assert await ask(pool, upstream) == (200, b"hello")
            await until(lambda: not pool._all)
        assert upstream.connections == 3


@both_ways
@on_uvloop
async def test_a_kept_connection_that_dies_under_the_call_is_replaced_once(turns: bool) -> None:
    upstream = Upstream(answers_once_and_closes_on_the_next, answers_always)
    async with playing(upstream), pooled(turns=turns) as pool:
        assert await ask(pool, upstream) == (200, b"hello")
        assert await ask(pool, upstream) == (200, b"hello")
        assert upstream.connections == 2


@both_ways
@on_uvloop
async def test_a_call_is_not_tried_a_third_time(turns: bool) -> None:
    upstream = Upstream(answers_once_and_closes_on_the_next, closes_on_the_first)
    async with playing(upstream), pooled(turns=turns) as pool:
        await ask(pool, upstream)
        with pytest.raises(UpstreamUnreachable):
            await ask(pool, upstream)
        assert upstream.connections == 2


@on_uvloop
async def test_a_call_on_a_fresh_connection_is_not_tried_again() -> None:
    async with playing(Upstream(closes_on_the_first)) as upstream, pooled() as pool:
        with pytest.raises(UpstreamUnreachable):
            await ask(pool, upstream)
        assert upstream.connections == 1


@on_uvloop
async def test_a_call_of_whose_answer_a_byte_came_is_not_tried_again() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answers_once_and_closes_on_the_next(reader, writer)
        writer.write(b"H")
        await writer.drain()

    async with playing(Upstream(script, answers_always)) as upstream, pooled() as pool:
        await ask(pool, upstream)
        with pytest.raises(UpstreamUnreachable):
            await ask(pool, upstream)
        assert upstream.connections == 1


@on_uvloop
async def test_a_call_that_timed_out_on_a_kept_connection_is_not_tried_again() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answers_once_and_closes_on_the_next(reader, writer)
        await reader.read()

    async with playing(Upstream(script)) as upstream, pooled() as pool:
        await ask(pool, upstream)
        with pytest.raises(UpstreamTimeout):
            await ask(pool, upstream, timeout_s=0.01)
        assert upstream.connections == 1


@on_uvloop
async def test_kept_connections_are_closed_before_the_server_would() -> None:
    closed = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answers_once(reader, writer)
        await reader.read()
        closed.set()

    async with playing(Upstream(script)) as upstream, pooled(keepalive_timeout_s=0.01) as pool:
        await ask(pool, upstream)
        await closed.wait()
        await until(lambda: not pool._all)


@both_ways
@on_uvloop
async def test_what_comes_behind_an_answer_never_reaches_the_next_call(turns: bool) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        await reader.read()

    async with playing(Upstream(script)) as upstream, pooled(turns=turns) as pool:
        for _ in range(3):
            assert await ask(pool, upstream) == (200, b"hello")
        assert upstream.connections == 3


# -- failures -----------------------------------------------------------------------------------------------------------------


@on_uvloop
async def test_a_refused_connection_is_unreachable() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    async with pooled() as pool:
        with pytest.raises(UpstreamUnreachable):
            await stepped(pool.open(Origin("127.0.0.1", port), MESSAGE, 5.0))


@pytest.mark.parametrize(
    "origin", [Origin("", 80), Origin("a..b", 80), Origin("x" * 70, 80), Origin("127.0.0.1", 70_000)]
)
def test_an_origin_that_cannot_be_called_is_unreachable(origin: Origin) -> None:
    @on_uvloop
    async def scene() -> None:
        async with pooled() as pool:
            with pytest.raises(UpstreamUnreachable):
                await stepped(pool.open(origin, MESSAGE, 5.0))

    scene()


@on_uvloop
async def test_a_server_that_closes_at_once_is_unreachable() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with playing(Upstream(script)) as upstream, pooled() as pool:
        for _ in range(10):
            with pytest.raises(UpstreamUnreachable):
                await ask(pool, upstream)


@on_uvloop
async def test_a_server_that_speaks_before_it_is_asked_is_never_believed_later() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answers_once(reader, writer)
        writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with playing(Upstream(script)) as upstream, pooled() as pool:
        assert (await ask(pool, upstream))[0] == 200
        await until(lambda: not pool._all)
        assert (await ask(pool, upstream))[0] == 200


@on_uvloop
async def test_silence_before_and_in_the_middle_of_an_answer_times_out() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def stops(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        await reader.read()

    for script in (silent, stops):
        async with playing(Upstream(script)) as upstream, pooled() as pool:
            with pytest.raises(UpstreamTimeout):
                await ask(pool, upstream, timeout_s=0.01)
            await until(lambda: not pool._all)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello", UpstreamDied),
        (CHUNKED + b"5\r\nhel", UpstreamDied),
        (b"SSH-2.0-OpenSSH\r\n", UpstreamGarbage),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000, UpstreamGarbage),
        (b"HTTP/1.1 200 OK\r\n", UpstreamUnreachable),
    ],
)
def test_an_answer_that_fails_over_the_wire_is_that_failure(answer: bytes, failure: type[UpstreamFailure]) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    @on_uvloop
    async def scene() -> None:
        async with playing(Upstream(script)) as upstream, pooled() as pool:
            with pytest.raises(failure):
                await ask(pool, upstream)
            await until(lambda: not pool._all)

    scene()


@on_uvloop
async def test_an_answer_may_come_while_the_request_is_still_sent() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await asyncio.Event().wait()

    async with playing(Upstream(script), limit=1024) as upstream, pooled() as pool:
        size = 32 * 1024 * 1024
        message = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (size, bytes(size))

        async def call() -> tuple[int, bytes]:
            answer = await pool.open(Origin("127.0.0.1", upstream.port), message, 5.0)
            try:
                return answer.status, await answer.read(100)
            finally:
                answer.release()

        assert await stepped(call()) == (413, b"no")
        await until(lambda: not pool._all)  # the rest of that request is not sent in front of another


@both_ways
@on_uvloop
async def test_a_large_answer_is_read_at_the_callers_pace(turns: bool) -> None:
    total = 6 * 1024 * 1024
    sent = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            await reader.readuntil(b"\r\n\r\n")
            sent = 0
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
            while sent < total:
                writer.write(bytes(65536))
                sent += 65536
                await writer.drain()

    async with playing(Upstream(script)) as upstream, pooled(turns=turns) as pool:
        got = 0

        async def call() -> None:
            nonlocal got
            answer = await pool.open(Origin("127.0.0.1", upstream.port), MESSAGE, 5.0)
            await outside(until(lambda: answer._paused), 5.0)
            assert answer._buffered < 1024 * 1024
            while data := await answer.next_bytes():
                got += len(data)
            answer.release()

        await stepped(call())
        assert got == total
        assert await ask(pool, upstream) == (200, bytes(total))
        assert upstream.connections == 1


# -- limits and interruptions -------------------------------------------------------------------------------------------------


@on_uvloop
async def test_no_more_connections_are_opened_than_allowed() -> None:
    async with playing(Upstream(answers_always)) as upstream, pooled(max_connections_per_origin=2) as pool:
        results = await asyncio.gather(*[ask(pool, upstream) for _ in range(5)], return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == ["UpstreamUnreachable"] * 3 + ["tuple"] * 2
        assert await ask(pool, upstream) == (200, b"hello")
        other = Origin("localhost", upstream.port)
        assert (await ask(pool, upstream, origin=other))[0] == 200


@on_uvloop
async def test_connections_that_failed_leave_their_place_to_others() -> None:
    async with playing(Upstream(closes_on_the_first)) as upstream, pooled(max_connections_per_origin=1) as pool:
        for _ in range(3):
            with pytest.raises(UpstreamUnreachable, match="without an answer"):
                await ask(pool, upstream)
            await until(lambda: not pool._all)


class Gone(Exception):
    pass


@pytest.mark.parametrize("turns_of_the_loop", range(8))
def test_a_call_interrupted_at_any_moment_of_its_connect_leaves_nothing_open(turns_of_the_loop: int) -> None:
    @on_uvloop
    async def scene() -> None:
        closed = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            closed.set()

        async with playing(Upstream(script)) as upstream, pooled(keepalive_timeout_s=1000.0) as pool:
            story = Story(pool.open(Origin("127.0.0.1", upstream.port), MESSAGE, 5.0))
            for _ in range(turns_of_the_loop):
                await asyncio.sleep(0)
            story.run.interrupt(Gone())
            assert isinstance(story.error, Gone)
            for _ in range(20):
                await asyncio.sleep(0)  # for what was under way
            await until(lambda: not pool._all and not pool._counts)
            if upstream.connections:
                await closed.wait()
            story.error = None
            gc.collect()

    scene()


@on_uvloop
async def test_a_call_interrupted_in_the_turn_in_which_it_is_connected_leaves_nothing_open() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    for before in (True, False):
        async with playing(Upstream(script)) as upstream, pooled(keepalive_timeout_s=1000.0) as pool:
            story: list[Story] = []
            made = pool.made

            def interrupt_now(
                connection: UpstreamConnection,
                made: Callable[[UpstreamConnection], None] = made,
                story: list[Story] = story,
                before: bool = before,
            ) -> None:
                if before:
                    story[0].run.interrupt(Gone())
                made(connection)
                story[0].run.interrupt(Gone())

            pool.made = interrupt_now  # type: ignore[method-assign]
            story.append(Story(pool.open(Origin("127.0.0.1", upstream.port), MESSAGE, 5.0)))
            await until(lambda: story[0].is_over)  # noqa: B023 - awaited within the loop
            assert isinstance(story[0].error, Gone)
            await until(lambda: not pool._all and not pool._counts)


@on_uvloop
async def test_a_pool_that_is_closed_breaks_off_its_calls_and_opens_no_more() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with playing(Upstream(silent)) as upstream, pooled() as pool:
        task = asyncio.create_task(ask(pool, upstream))
        await until(lambda: upstream.connections)
        pool.close()
        with pytest.raises(UpstreamUnreachable):
            await task
        with pytest.raises(UpstreamUnreachable, match="about to stop"):
            await ask(pool, upstream)


@on_uvloop
async def test_a_pool_that_was_never_started_can_be_closed() -> None:
    Pool(ClientLimits()).close()


# -- TLS ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


@both_ways
@on_uvloop
async def test_a_certificate_of_the_given_authority_is_accepted_and_the_connection_kept(
    authority: trustme.CA, turns: bool
) -> None:
    context = server_context(authority, "localhost")
    async with playing(Upstream(answers_always), ssl=context) as upstream, pooled(turns=turns) as pool:
        origin = Origin("localhost", upstream.port, Tls(ca=pem(authority)))
        for _ in range(3):
            assert await ask(pool, upstream, origin=origin) == (200, b"hello")
        assert upstream.connections == 1
        await asyncio.gather(*[ask(pool, upstream, origin=origin) for _ in range(2)])
        assert upstream.connections == 2


@on_uvloop
async def test_an_address_is_dialled_under_the_name_that_it_was_found_for(authority: trustme.CA) -> None:
    context = server_context(authority, "elsewhere.test")
    async with playing(Upstream(answers_always), ssl=context) as upstream, pooled() as pool:
        tls = Tls(ca=pem(authority))
        named = Origin("127.0.0.1", upstream.port, tls, "elsewhere.test")
        assert await ask(pool, upstream, origin=named) == (200, b"hello")
        for other in (Origin("127.0.0.1", upstream.port, tls, "other.test"), Origin("127.0.0.1", upstream.port, tls)):
            assert other != named
            with pytest.raises(UpstreamUnreachable, match="certificate"):
                await ask(pool, upstream, origin=other)


@on_uvloop
async def test_a_certificate_for_another_host_or_of_another_authority_is_refused(authority: trustme.CA) -> None:
    context = server_context(authority, "elsewhere.test")
    async with playing(Upstream(answers_always), ssl=context) as upstream, pooled() as pool:
        for tls in (Tls(ca=pem(authority)), Tls(ca=pem(trustme.CA())), Tls()):
            with pytest.raises(UpstreamUnreachable, match="certificate"):
                await ask(pool, upstream, origin=Origin("localhost", upstream.port, tls))
        assert upstream.requests == []


@on_uvloop
async def test_who_opts_out_of_verification_gets_an_answer_and_shares_no_connection_with_who_does_not(
    authority: trustme.CA,
) -> None:
    context = server_context(authority, "elsewhere.test")
    async with playing(Upstream(answers_always), ssl=context) as upstream, pooled() as pool:
        unverified = Origin("localhost", upstream.port, Tls(verify=False))
        assert await ask(pool, upstream, origin=unverified) == (200, b"hello")
        with pytest.raises(UpstreamUnreachable):
            await ask(pool, upstream, origin=Origin("localhost", upstream.port, Tls(ca=pem(authority))))


@on_uvloop
async def test_a_certificate_authority_that_is_no_pem_is_a_failure_of_the_call() -> None:
    async with playing(Upstream(answers_always)) as upstream, pooled() as pool:
        for ca in ("rubbish", "-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n"):
            with pytest.raises(UpstreamUnreachable):
                await ask(pool, upstream, origin=Origin("localhost", upstream.port, Tls(ca=ca)))


@on_uvloop
async def test_a_server_that_never_finishes_the_handshake_times_out() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        await asyncio.Event().wait()

    async with playing(Upstream(silent)) as upstream, pooled(connect_timeout_s=0.05) as pool:
        with pytest.raises(UpstreamUnreachable, match="in time"):
            await ask(pool, upstream, origin=Origin("localhost", upstream.port, Tls(verify=False)))


@on_uvloop
async def test_a_server_that_speaks_no_tls_is_unreachable() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(OK)
        await writer.drain()

    async with playing(Upstream(plain)) as upstream, pooled() as pool:
        with pytest.raises(UpstreamUnreachable):
            await ask(pool, upstream, origin=Origin("localhost", upstream.port, Tls(verify=False)))
