"""Does a call on an upstream end as it should, whatever is sent, and is the connection kept only when it is clean?"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import pytest
from tests.unit.gateway.http.dialogue import Story, UpstreamCall, WireTransport, left_behind

from litemaas.core.errors import UpstreamDied, UpstreamGarbage, UpstreamTimeout, UpstreamUnreachable
from litemaas.gateway.http.answers import Origin, UpstreamConnection
from litemaas.gateway.http.client import Pool
from litemaas.gateway.http.limits import ClientLimits
from litemaas.gateway.http.stepping import Run

ORIGIN = Origin("upstream.test", 80)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

WHOLE: dict[str, tuple[bytes, int, bytes]] = {
    "with a length": (OK, 200, b"hello"),
    "in chunks": (CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", 200, b"hello"),
    "in chunks with trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nx-t: 1\r\nx-u: 2\r\n\r\n", 200, b"hello"),
    "after 100 Continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"hello"),
    "after early hints": (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 2 + OK, 200, b"hello"),
    "an empty one": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b""),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, b""),
    "an error": (b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\n{}", 500, b"{}"),
    "without a reason": (b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\n{}", 200, b"{}"),
}


@pytest.mark.parametrize(("answer", "status", "body"), WHOLE.values(), ids=WHOLE.keys())
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_answer_is_read_however_it_arrives_and_the_connection_is_kept(
    answer: bytes, status: int, body: bytes, size: int
) -> None:
    call = UpstreamCall()
    story = call.read()
    call.answers(*[answer[i : i + size] for i in range(0, len(answer), size)])
    assert story.outcome() == (status, body)
    assert all(name not in (b"link", b"x-t", b"x-u") for name, _ in call.connection.headers)
    call.connection.release()
    assert not call.transport.is_closed


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n\r\nhello", b"HTTP/1.0 200 OK\r\n\r\nhello"])
def test_an_answer_without_framing_ends_with_the_connection(answer: bytes) -> None:
    call = UpstreamCall().answers(answer)
    story = call.read()
    assert not story.is_over
    call.closes()
    assert story.outcome() == (200, b"hello")
    call.connection.release()
    assert call.pool._idle == {}


BROKEN_OFF: dict[str, bytes] = {
    "in the middle of a length": b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
    "in the middle of a chunk": CHUNKED + b"a\r\nhello",
    "between chunks": CHUNKED + b"5\r\nhello\r\n",
    "before the last line end": CHUNKED + b"5\r\nhello\r\n0\r\n",
    "in a coding nobody asked for": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello",
}


@pytest.mark.parametrize("answer", BROKEN_OFF.values(), ids=BROKEN_OFF.keys())
def test_an_answer_that_breaks_off_is_no_answer(answer: bytes) -> None:
    assert UpstreamCall().answers(answer).closes().outcome() is UpstreamDied


def test_an_unframed_answer_that_ends_in_a_reset_is_no_answer() -> None:
    call = UpstreamCall().answers(b"HTTP/1.1 200 OK\r\n\r\nhel").closes(ConnectionResetError())
    assert call.outcome() is UpstreamDied


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nx: y\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_a_connection_that_closes_before_the_header_block_was_complete_is_unreachable(begun: bytes) -> None:
    call = UpstreamCall()
    if begun:
        call.answers(begun)
    assert call.closes().outcome() is UpstreamUnreachable


GARBAGE: dict[str, bytes] = {
    "not HTTP": b"220 smtp.example ESMTP\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x50",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "a length and chunks": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "a length with a sign": b"HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello",
    "a bad chunk": CHUNKED + b"zz\r\n",
    "a bad status": b"HTTP/1.1 abc OK\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n\x00",
    "a huge header block": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,
    "a huge header block that ends": b"HTTP/1.1 100 Continue\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
    "early hints without end": b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n" * 3000,
    "trailers without end": CHUNKED + b"0\r\n" + b"x: y\r\n" * 20_000,
    "a trailer without end": CHUNKED + b"0\r\nx: " + b"y" * 140_000,
    "a chunk extension without end": CHUNKED + b"1;" + b"y" * 140_000,
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("size", [997, 1_000_000])
def test_what_is_no_answer_is_garbage_and_ends_the_connection(answer: bytes, size: int) -> None:
    call = UpstreamCall().answers(*[answer[i : i + size] for i in range(0, len(answer), size)])
    assert call.outcome() is UpstreamGarbage
    assert call.transport.is_aborted
    call.connection.release()
    assert call.pool._idle == {}


def test_a_large_body_in_the_same_piece_does_not_count_as_header() -> None:
    body = b"b" * 200_000
    call = UpstreamCall(limits=ClientLimits(max_header_bytes=1000))
    call.answers(b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n" + body)
    assert call.outcome() == (200, body)


def test_trailers_do_not_become_headers() -> None:
    call = UpstreamCall().answers(CHUNKED)
    headers = list(call.connection.headers)
    call.answers(b"0\r\nx-evil: 1\r\nx-other: 2\r\n\r\n")
    assert call.connection.headers == headers
    assert call.outcome() == (200, b"")


@pytest.mark.parametrize(
    "surplus", [b"x", b"HTTP/1.1 500 Evil\r\ncontent-length: 4\r\nx-evil: 1\r\n\r\nevil", OK, b"HT"]
)
def test_bytes_behind_an_answer_change_nothing_in_it_and_the_connection_is_not_kept(surplus: bytes) -> None:
    for pieces in ((OK + surplus,), (OK, surplus)):
        call = UpstreamCall().answers(*pieces)
        assert call.outcome() == (200, b"hello")
        assert [name for name, _ in call.connection.headers] == [b"content-length"]
        call.connection.release()
        assert call.transport.is_closed
        assert call.pool._idle == {}


def test_bytes_on_a_kept_connection_end_it() -> None:
    call = UpstreamCall().answers(OK)
    call.outcome()
    call.connection.release()
    call.answers(OK)
    assert call.transport.is_aborted


def test_an_answer_that_comes_before_the_request_is_not_taken() -> None:
    call = UpstreamCall(message=None).answers(OK)
    assert call.transport.is_aborted


@pytest.mark.parametrize("line", [b"connection: close\r\n", b"Connection: Close\r\n"])
def test_a_connection_that_the_upstream_wants_to_close_is_not_kept(line: bytes) -> None:
    call = UpstreamCall().answers(b"HTTP/1.1 200 OK\r\n" + line + b"content-length: 0\r\n\r\n")
    assert call.outcome() == (200, b"")
    call.connection.release()
    assert call.transport.is_aborted


def test_a_kept_connection_begins_its_next_call_afresh() -> None:
    call = UpstreamCall().answers(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")
    assert call.outcome() == (200, b"hello")
    call.connection.release()
    call.send()
    call.answers(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno")
    assert call.outcome() == (404, b"no")
    assert call.connection.headers == [(b"content-length", b"2")]


def test_a_kept_connection_does_not_hold_the_last_answer() -> None:
    call = UpstreamCall().answers(OK)
    call.outcome()
    call.connection.release()
    assert call.connection._chunks == []
    assert call.connection.status == 200  # what a stage may still look at


def test_a_connection_given_back_twice_is_kept_once() -> None:
    call = UpstreamCall().answers(OK)
    call.outcome()
    call.connection.release()
    call.connection.release()
    assert call.pool._idle == {call.connection.origin: [call.connection]}


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\n",), (CHUNKED,), (CHUNKED + b"5\r\nhello\r\n",)])
def test_a_call_given_up_early_tells_the_upstream_to_stop(pieces: tuple[bytes, ...]) -> None:
    call = UpstreamCall().answers(*pieces)
    call.connection.release()
    assert call.transport.is_aborted
    assert call.pool._idle == {}


def test_a_connection_whose_request_is_not_sent_yet_is_not_kept() -> None:
    call = UpstreamCall()
    call.connection.pause_writing()
    call.answers(OK)
    assert call.outcome() == (200, b"hello")
    call.connection.release()
    assert call.transport.is_aborted


def test_a_connection_whose_request_went_out_after_a_pause_is_kept() -> None:
    call = UpstreamCall()
    call.connection.pause_writing()
    call.connection.resume_writing()
    call.answers(OK)
    call.outcome()
    call.connection.release()
    assert not call.transport.is_closed


def test_a_connection_that_closes_after_its_answer_changes_nothing() -> None:
    call = UpstreamCall().answers(OK).closes()
    assert call.outcome() == (200, b"hello")
    call.connection.release()
    assert call.pool._idle == {}


def test_a_kept_connection_that_closes_is_forgotten() -> None:
    call = UpstreamCall().answers(OK)
    call.outcome()
    call.connection.release()
    call.closes()
    assert call.pool._idle == {}  # clients may name any number of origins
    assert call.pool._all == set()
    assert call.pool._counts == {}


def test_the_answer_to_a_head_request_has_no_body_to_wait_for() -> None:
    call = UpstreamCall(b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").answers(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
    assert call.outcome() == (200, b"")
    call.connection.release()
    assert call.transport.is_aborted  # the parser still waits for a body


def test_the_answer_to_a_head_request_may_be_chunked_by_name() -> None:
    assert UpstreamCall(b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").answers(CHUNKED).outcome() == (200, b"")


def test_a_body_can_be_taken_whole_once_it_is_there() -> None:
    call = UpstreamCall().answers(OK[:-1])
    assert call.connection.whole_body() is None
    call.answers(OK[-1:])
    assert call.connection.whole_body() == b"hello"


# -- the pool -----------------------------------------------------------------------------------------------------------------


class Unreachable(Pool):
    """A pool whose connects end as the test says."""

    def __init__(self, play: Callable[[UpstreamConnection], None]) -> None:
        super().__init__(ClientLimits())
        self._play = play

    async def _dial(self, connection: UpstreamConnection, origin: Origin) -> None:
        self._play(connection)


def test_a_kept_connection_that_is_about_to_close_is_not_taken() -> None:
    def play(connection: UpstreamConnection) -> None:
        connection.connection_made(WireTransport())

    pool = Unreachable(play)
    opening = Story(pool.open(ORIGIN, b"", 5.0))
    (first,) = pool._all
    first.data_received(OK)
    opening.outcome()
    first.release()
    first.transport.close()
    again = Story(pool.open(ORIGIN, b"", 5.0))
    (second,) = pool._all - {first}
    second.data_received(OK)
    assert again.outcome() is second


def test_a_connection_that_closes_in_the_turn_in_which_it_is_made_is_unreachable() -> None:
    def play(connection: UpstreamConnection) -> None:
        connection.connection_made(WireTransport())
        connection.transport.close()

    assert isinstance(Story(Unreachable(play).open(ORIGIN, b"", 5.0)).error, UpstreamUnreachable)


def test_a_connection_that_was_made_and_lost_before_its_connect_failed_is_counted_once() -> None:
    def play(connection: UpstreamConnection) -> None:
        connection.connection_made(WireTransport())
        connection.connection_lost(None)
        raise UpstreamUnreachable("no")

    pool = Unreachable(play)
    assert isinstance(Story(pool.open(ORIGIN, b"", 5.0)).error, UpstreamUnreachable)
    assert pool._counts == {}
    assert pool._all == pool._opening == set()


async def test_a_young_kept_connection_survives_the_sweep() -> None:
    call = UpstreamCall().answers(OK)
    call.outcome()
    call.connection.release()
    call.pool.start()
    assert not call.transport.is_closed
    call.pool.close()


# -- streams ------------------------------------------------------------------------------------------------------------------


async def take(connection: UpstreamConnection) -> bytes:
    return await connection.next_bytes()


def test_a_stream_is_given_out_as_it_arrives() -> None:
    call = UpstreamCall().answers(CHUNKED)
    waiting = Story(take(call.connection))
    assert not waiting.is_over
    call.answers(b"3\r\none\r\n")
    assert waiting.outcome() == b"one"
    call.answers(b"3\r\ntwo\r\n", b"5\r\nthree\r\n0\r\n\r\n")
    assert Story(take(call.connection)).outcome() == b"twothree"
    assert Story(take(call.connection)).outcome() == b""
    assert Story(take(call.connection)).outcome() == b""
    call.connection.release()
    assert not call.transport.is_closed


def test_what_arrived_before_a_failure_is_given_out_before_it() -> None:
    call = UpstreamCall().answers(CHUNKED, b"3\r\none\r\n").closes()
    assert Story(take(call.connection)).outcome() == b"one"
    with pytest.raises(UpstreamDied):
        Story(take(call.connection)).outcome()


def test_an_answer_that_is_not_taken_makes_the_upstream_pause() -> None:
    call = UpstreamCall().answers(CHUNKED)
    sent = 0
    while call.transport.reads:
        call.answers(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        sent += 0x10000
    assert sent <= 512 * 1024
    assert len(Story(take(call.connection)).outcome()) == sent
    waiting = Story(take(call.connection))
    assert call.transport.reads
    call.answers(b"0\r\n\r\n")
    assert waiting.outcome() == b""


def test_a_connection_that_paused_within_a_whole_answer_is_kept() -> None:
    body = b"x" * 300_000
    call = UpstreamCall().answers(b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n" + body)
    assert not call.transport.reads
    assert call.outcome() == (200, body)
    call.connection.release()
    assert call.transport.reads
    assert not call.transport.is_closed


def test_a_time_limit_set_while_the_upstream_pauses_begins_when_it_may_go_on() -> None:
    call = UpstreamCall().answers(b"HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\n" + b"x" * 300_000)
    call.connection.limit(3.0)
    call.connection.sweep(monotonic() + 10_000)
    assert len(Story(take(call.connection)).outcome()) == 300_000
    waiting = Story(take(call.connection))
    call.connection.sweep(monotonic() + 4)
    assert isinstance(waiting.error, UpstreamTimeout)


def test_a_whole_answer_larger_than_the_pause_is_read() -> None:
    body = b"x" * 900_000
    call = UpstreamCall()
    story = call.read()
    call.answers(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n")
    for i in range(0, len(body), 100_000):
        call.answers(body[i : i + 100_000])
    assert story.outcome() == (200, body)


def test_a_whole_answer_larger_than_the_limit_is_garbage() -> None:
    call = UpstreamCall()
    story = call.read(limit=1000)
    call.answers(CHUNKED, b"400\r\n" + b"x" * 0x400 + b"\r\n")
    assert isinstance(story.error, UpstreamGarbage)


def test_a_complete_answer_larger_than_the_limit_is_garbage() -> None:
    call = UpstreamCall().answers(OK)
    assert isinstance(call.read(limit=4).error, UpstreamGarbage)
    assert call.read(limit=5).outcome() == (200, b"hello")


# -- time ---------------------------------------------------------------------------------------------------------------------


def test_an_upstream_that_is_silent_before_its_answer_times_out() -> None:
    call = UpstreamCall()
    story = call.read()
    call.connection.sweep(monotonic() + 9)
    assert not story.is_over
    call.connection.sweep(monotonic() + 11)
    assert isinstance(story.error, UpstreamTimeout)
    assert story.error.timeout_s == 10
    assert call.transport.is_aborted
    call.connection.sweep(monotonic() + 1000)
    call.closes()
    assert story.ends == 1


def test_an_upstream_that_falls_silent_in_the_middle_times_out() -> None:
    call = UpstreamCall().answers(CHUNKED, b"3\r\none\r\n")
    assert Story(take(call.connection)).outcome() == b"one"
    call.connection.limit(3.0)
    waiting = Story(take(call.connection))
    call.connection.sweep(monotonic() + 4)
    assert isinstance(waiting.error, UpstreamTimeout)
    assert waiting.error.timeout_s == 3


def test_each_piece_of_an_answer_gives_the_upstream_the_whole_time_again() -> None:
    call = UpstreamCall().answers(CHUNKED)
    before = call.connection._deadline
    call.answers(b"3\r\none\r\n")
    assert call.connection._deadline >= before


def test_an_upstream_that_we_made_pause_is_not_blamed_for_its_silence() -> None:
    call = UpstreamCall().answers(CHUNKED)
    while call.transport.reads:
        call.answers(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    call.connection.sweep(monotonic() + 10_000)
    assert Story(take(call.connection)).outcome()
    waiting = Story(take(call.connection))
    call.connection.sweep(monotonic() + 9)
    assert not waiting.is_over
    call.connection.sweep(monotonic() + 11)
    assert isinstance(waiting.error, UpstreamTimeout)


def test_an_answer_that_is_complete_cannot_time_out_any_more() -> None:
    call = UpstreamCall().answers(OK)
    call.connection.sweep(monotonic() + 10_000)
    assert call.outcome() == (200, b"hello")
    call.connection.release()
    assert not call.transport.is_closed


def test_an_interrupted_wait_leaves_the_connection_to_its_owner() -> None:
    call = UpstreamCall()
    story = call.read()
    story.run.interrupt(KeyError())
    assert isinstance(story.error, KeyError)
    call.connection.release()
    assert call.transport.is_aborted


def test_nothing_of_a_connection_is_left_for_the_garbage_collector() -> None:
    async def call(connection: UpstreamConnection) -> None:
        try:
            await connection.head()
            await connection.read(100)
        finally:
            connection.release()

    def scene() -> None:
        for answer in (OK, GARBAGE["not HTTP"], CHUNKED + b"5\r\nhel"):
            play = UpstreamCall()
            Run(call(play.connection), lambda _: None).start()
            play.answers(answer).closes()

    assert left_behind(scene, UpstreamConnection) == []
