"""Does a header block that was seen before mean exactly what the parser would make of it, and nothing else ever?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gateway.http.dialogue import (
    JSON,
    Conversation,
    Story,
    UpstreamCall,
    WireTransport,
    examples,
)

from litemaas.gateway.http.answers import UpstreamConnection
from litemaas.gateway.http.heads import HeadCache
from litemaas.gateway.http.messages import Request, Response

GET = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n"


def post(body: bytes, *lines: bytes, length: bytes | None = None) -> bytes:
    length = b"%d" % len(body) if length is None else length
    return b"\r\n".join((b"POST /b HTTP/1.1", b"host: a", *lines, b"content-length: " + length, b"", body))


def learned(*first: bytes) -> Conversation:
    """A server that has seen ``first`` on another connection."""
    talk = Conversation().say(*first)
    talk.hang_up()
    talk.seen.clear()
    talk.connect()
    return talk


@pytest.mark.parametrize("spelling", [b"content-length", b"Content-Length", b"CONTENT-LENGTH"])
@pytest.mark.parametrize("body", [b"", b"x", b"hello", b"x" * 5000])
def test_a_known_block_with_another_length_is_read_right(spelling: bytes, body: bytes) -> None:
    template = b"POST /b HTTP/1.1\r\nhost: a\r\n%b: %d\r\nx: y\r\n\r\n%b"
    talk = learned(template % (spelling, 5, b"first"))
    talk.say(template % (spelling, len(body), body))
    assert [seen.body for seen in talk.seen] == [body]
    assert talk.seen[0].headers == {b"host": b"a", b"x": b"y"}
    assert talk.statuses == [200]


@pytest.mark.parametrize("size", [1, 10, 60])
def test_a_known_block_that_comes_in_pieces_is_parsed(size: int) -> None:
    message = post(b"hello")
    talk = learned(message).say(*[message[i : i + size] for i in range(0, len(message), size)])
    assert [seen.body for seen in talk.seen] == [b"hello"]


@pytest.mark.parametrize("length", [b"+5", b"-5", b"5 ", b"0x5", b"5, 5", b"", b"9" * 30, b"5_", b"\xb2"])
def test_a_known_block_with_a_bad_length_is_refused(length: bytes) -> None:
    talk = learned(post(b"hello")).say(post(b"hello", length=length))
    assert talk.statuses == [400]
    assert talk.seen == []
    assert talk.is_over


def test_a_known_block_with_a_second_length_is_refused() -> None:
    for second in (b"Content-Length: 5", b"content-length: 5", b"CONTENT-LENGTH: 5", b"transfer-encoding: chunked"):
        talk = learned(post(b"hello")).say(post(b"hello", second))
        assert talk.statuses == [400]
        assert talk.seen == []


def test_what_follows_a_known_request_in_the_same_piece_is_not_part_of_it() -> None:
    talk = learned(post(b"hello"), GET).say(post(b"hello") + GET)
    assert [(seen.path, seen.body) for seen in talk.seen] == [("/b", b"hello"), ("/a", b"")]


def test_a_body_that_looks_like_a_known_request_is_a_body() -> None:
    talk = learned(GET).say(post(GET, length=b"%d" % len(GET)), b"")
    assert [seen.body for seen in talk.seen] == [GET]
    talk = learned(GET)
    whole = post(GET)
    talk.say(whole[: -len(GET)], GET)
    assert [seen.body for seen in talk.seen] == [GET]


def test_a_chunk_that_looks_like_a_known_request_is_a_body() -> None:
    talk = learned(GET).say(
        b"POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        b"%x\r\n" % len(GET),
        GET,
        b"\r\n0\r\n\r\n",
    )
    assert [seen.body for seen in talk.seen] == [GET]


def test_a_known_request_inside_a_header_block_is_a_part_of_it() -> None:
    talk = learned(GET).say(b"GET /x HTTP/1.1\r\nhost: b\r\nx: ", GET)
    assert [seen.path for seen in talk.seen] != ["/a"]


@pytest.mark.parametrize(
    "message",
    [
        b"POST /b HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nok",
        b"POST /b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"POST /b HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nok",
        b"POST /b HTTP/1.0\r\nhost: a\r\ncontent-length: 2\r\n\r\nok",
        b"\r\n\r\nPOST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok",
        b"GET /b?" + b"x" * 5000 + b" HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok",
    ],
)
def test_blocks_that_mean_more_than_they_say_are_not_remembered(message: bytes) -> None:
    talk = learned(message).say(message)
    assert talk.server.heads._known == {}
    assert [seen.body for seen in talk.seen] == [b"ok"]


def test_a_known_request_that_closes_closes() -> None:
    message = b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    talk = learned(message).say(message, GET)
    assert talk.statuses == [200]
    assert talk.answers()[0].headers["connection"] == "close"
    assert talk.is_over


def test_line_ends_between_requests_are_never_taken_for_a_known_request() -> None:
    calls: list[str] = []

    async def handler(request: Request, response: Response) -> None:
        calls.append(request.path)
        response.send(200, JSON, b"{}")
        if len(calls) == 1:
            talk.connection.pause_writing()

    talk = Conversation(handler)
    talk.say(GET, GET, b"\r\n\r\n")
    talk.connection.resume_writing()
    talk.pump()
    talk.hang_up()
    talk.connect()
    before = len(calls)
    talk.say(b"\r\n\r\n")
    assert len(calls) == before
    assert all(b"GET" in block for block in talk.server.heads._known)


def test_known_requests_from_a_client_that_does_not_read_wait_in_the_kernel() -> None:
    calls: list[str] = []

    async def handler(request: Request, response: Response) -> None:
        calls.append(request.path)
        response.send(200, JSON, b"{}")
        if len(calls) == 2:
            talk.connection.pause_writing()

    talk = Conversation(handler)
    talk.say(*[GET] * 100)
    assert len(calls) == 2
    assert talk.unread > len(GET) * 90
    talk.connection.resume_writing()
    talk.pump()
    assert len(calls) == 100


def test_the_memory_for_blocks_is_bounded() -> None:
    cache: HeadCache[int] = HeadCache(size=3)
    blocks = [b"GET /%d HTTP/1.1\r\n\r\n" % i for i in range(10)]
    for i, block in enumerate(blocks):
        cache.learn(block, i)
    assert [cache.find(block) is not None for block in blocks] == [False] * 7 + [True] * 3


def test_what_was_learnt_once_and_again_takes_one_place() -> None:
    cache: HeadCache[int] = HeadCache(size=2)
    cache.learn(GET, 1)
    cache.learn(post(b"hello"), 2)
    cache.learn(post(b"hi"), 3)
    known = cache.find(GET)
    assert known is not None
    assert (known.meaning, known.body_at(GET)) == (1, len(GET))


# -- answers ------------------------------------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def again(call: UpstreamCall, *pieces: bytes) -> Story:
    """The next call on the same pool, over a fresh connection, so that only what the pool knows can matter."""
    call.connection = UpstreamConnection(call.pool, call.connection.origin)
    call.pool._counts[call.connection.origin] = 99
    call.pool._opening.add(call.connection)
    call.transport = WireTransport()
    call.connection.connection_made(call.transport)
    call.send()
    story = call.read()
    call.answers(*pieces)
    return story


def test_a_known_answer_with_another_length_is_read_right() -> None:
    call = UpstreamCall().answers(OK)
    assert again(call, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").outcome() == (200, b"hi")
    assert again(call, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").outcome() == (200, b"")
    assert again(call, OK[:10], OK[10:]).outcome() == (200, b"hello")
    story = again(call, OK + OK)
    assert story.outcome() == (200, b"hello")
    call.connection.release()
    assert call.transport.is_aborted


def test_a_known_answer_to_a_head_request_has_no_body() -> None:
    call = UpstreamCall().answers(OK)
    call.connection.release()
    call.send(b"HEAD / HTTP/1.1\r\n\r\n")
    call.answers(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert call.outcome() == (200, b"")
    call.connection.release()
    assert call.transport.is_aborted


def test_a_hint_with_a_length_is_never_taken_for_the_answer_behind_it() -> None:
    final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    trick = b"HTTP/1.1 103 Hints\r\ncontent-length: %d\r\n\r\n%b"
    call = UpstreamCall().answers(trick % (len(final), final))
    evil = b"HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\nevil"
    story = again(call, trick % (len(evil), evil))
    assert story.outcome() == (500, b"evil")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_answers_that_mean_more_than_they_say_are_not_remembered(answer: bytes) -> None:
    call = UpstreamCall().answers(answer)
    call.outcome()
    assert call.pool.heads._known == {}


# -- properties ---------------------------------------------------------------------------------------------------------------

names = st.sampled_from(
    [b"content-length", b"Content-Length", b"CONTENT-LENGTH", b"x", b"host", b"expect", b"connection"]
)
values = st.sampled_from(
    [b"0", b"3", b"11", b"03", b" 3", b"3 ", b"+3", b"a", b"close", b"100-continue", b"content-length: 3"]
)
colons = st.sampled_from([b": ", b":", b":  "])


@st.composite
def near_requests(draw: st.DrawFn) -> bytes:
    """Requests, good and bad, that are as like one another as can be."""
    lines = [b"".join(line) for line in draw(st.lists(st.tuples(names, colons, values), max_size=3))]
    body = draw(st.sampled_from([b"", b"abc", b"hello world", GET]))
    before = draw(st.sampled_from([b"", b"", b"\r\n", b"\r\n\r\n"]))
    return before + b"\r\n".join([b"POST / HTTP/1.1", b"host: a", *lines, b"", body])


class Forgetful(HeadCache[Any]):
    def learn(self, data: bytes, meaning: object) -> None:
        return None


@examples(300)
@given(st.lists(st.lists(near_requests(), min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_server_with_a_memory_answers_like_one_without(conversations: list[list[bytes]]) -> None:
    remembering = Conversation()
    for pieces in conversations:
        remembering.seen.clear()
        remembering.connect()
        remembering.say(*pieces)
        forgetful = Conversation()
        forgetful.server.heads = Forgetful()
        forgetful.say(*pieces)
        assert remembering.seen == forgetful.seen
        assert remembering.heard == forgetful.heard
        assert remembering.is_over == forgetful.is_over
        assert remembering.defects == []


@examples(200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 103 Hints", b"HTTP/1.1 404 No"]),
            st.lists(st.tuples(names, colons, values).map(b"".join), max_size=3),
            st.sampled_from([b"", b"abc", b"hello world", OK]),
        ),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_a_pool_with_a_memory_reads_like_one_without(answers: list[tuple[bytes, list[bytes], bytes]]) -> None:
    remembering = UpstreamCall()
    for first, lines, body in answers:
        stream = b"\r\n".join([first, *lines, b"", body])
        with_memory = again(remembering, stream)
        without = UpstreamCall()
        without.pool.heads = Forgetful()
        story = without.read()
        without.answers(stream)
        assert with_memory.is_over == story.is_over
        assert with_memory.result == story.result
        assert type(with_memory.error) is type(story.error)
        assert remembering.connection.keep == without.connection.keep
        assert remembering.connection.status == without.connection.status
