"""Could another server find other requests in the same bytes? Held against h11, which shares no code with our parser.

Requests are smuggled where two servers in a row disagree about where a request ends. So: what we hand out must be what h11
reads, request by request. We may be stricter than it.
"""

from __future__ import annotations

import re

import h11
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.gateway.http.dialogue import Conversation, examples
from tests.unit.gateway.http.test_properties import mutations, pieces_of, requests

Read = tuple[str, bytes, bytes]
"""Method, target and body."""
SUSPICIOUS = [
    b"content-length: 0\r\n", b"Content-Length: 7\r\n", b"content-length: 07\r\n", b"content-length: +7\r\n",
    b"content-length : 7\r\n", b" content-length: 7\r\n", b"content-length:\t7\r\n", b"content-length: 7, 7\r\n",
    b"transfer-encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"transfer-encoding: xchunked\r\n",
    b"transfer-encoding : chunked\r\n", b"transfer-encoding:\x0bchunked\r\n", b"transfer-encoding: chunked, identity\r\n",
    b"transfer-encoding:\r\n chunked\r\n", b"x: y\r\n folded: z\r\n", b"x: y\rtransfer-encoding: chunked\r\n",
    b"x: y\ntransfer-encoding: chunked\r\n", b"x\x00y: z\r\n", b"x: \x00\r\n", b": nameless\r\n", b"no colon\r\n",
    b"host: b\r\n", b"connection: keep-alive, transfer-encoding\r\n", b"connection: close\r\n", b"te: trailers\r\n",
]  # fmt: skip
_BLANKS = re.compile(rb"[A-Z]  |  HTTP/")
BEHIND = [
    b"GET /hidden HTTP/1.1\r\nhost: a\r\n\r\n",
    b"0\r\n\r\nGET /hidden HTTP/1.1\r\nhost: a\r\n\r\n",
    b"7\r\n",
    b"\r\n",
]


def as_h11_reads(stream: bytes) -> tuple[list[Read], bool]:
    """The complete requests in a stream, and whether it ends in something that h11 refuses."""
    found: list[Read] = []
    while stream := stream.lstrip(b"\r\n"):  # h11 refuses blank lines before a request, RFC 9112 2.2 wants them ignored
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        connection.receive_data(stream)
        try:
            begun = connection.next_event()
            if not isinstance(begun, h11.Request):
                return found, False
            parts = []
            while isinstance(event := connection.next_event(), h11.Data):
                parts.append(bytes(event.data))
        except h11.RemoteProtocolError:
            return found, True
        if not isinstance(event, h11.EndOfMessage):
            return found, False
        found.append((begun.method.decode(), bytes(begun.target), b"".join(parts)))
        if connection.their_state is h11.MIGHT_SWITCH_PROTOCOL:  # we never do, so what follows is a request
            connection.send(h11.Response(status_code=200, headers=[]))
        if connection.their_state is not h11.DONE:
            return found, False
        stream = connection.trailing_data[0]
    return found, False


def as_we_read(talk: Conversation) -> list[Read]:
    return [
        (seen.method, seen.path.encode("latin-1") + (b"?" + seen.query if seen.query else b""), seen.body)
        for seen in talk.seen
    ]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Requests with lines that have been used to smuggle, hidden requests behind them, and perhaps spoiled."""
    stream = b""
    for _ in range(draw(st.integers(1, 3))):
        request = draw(requests())
        first_line = request.find(b"\r\n", request.find(b"HTTP/1.1")) + 2
        lines = b"".join(draw(st.lists(st.sampled_from(SUSPICIOUS), max_size=2)))
        stream += request[:first_line] + lines + request[first_line:] + draw(st.sampled_from([b"", *BEHIND]))
    return draw(mutations(stream)) if draw(st.booleans()) else stream


@examples(400)
@given(streams())
@example(b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nGET /b HTTP/1.1\r\nhost: a\r\n\r\n")
def test_no_request_is_read_that_another_parser_would_not_find_there(stream: bytes) -> None:
    talk = Conversation().say(stream) if stream else Conversation()
    ours = as_we_read(talk)
    theirs, refused = as_h11_reads(stream)
    both = min(len(ours), len(theirs))
    assert [(method, body) for method, _, body in ours[:both]] == [(method, body) for method, _, body in theirs[:both]]
    if len(ours) > len(theirs):  # llhttp takes several blanks in a request line, where no length could be hidden
        assert refused
        assert _BLANKS.search(stream)
    assert len([status for status in talk.statuses if status != 100]) <= len(ours) + 1


@examples(200)
@given(st.data())
def test_a_server_that_knows_many_header_blocks_reads_no_stream_differently(data: st.DataObject) -> None:
    good = data.draw(st.lists(requests(), min_size=1, max_size=4))
    stream = data.draw(st.one_of(mutations(b"".join(good)), streams()))
    pieces = data.draw(pieces_of(stream))
    fresh = Conversation().say(*pieces)
    experienced = Conversation()
    for request in good:
        experienced.say(request)
        experienced.hang_up()
        experienced.connect()
    experienced.seen.clear()
    experienced.say(*pieces)
    assert [(s.method, s.path, s.query, s.body) for s in experienced.seen] == [
        (s.method, s.path, s.query, s.body) for s in fresh.seen
    ]
    assert experienced.statuses == fresh.statuses
    assert experienced.is_over == fresh.is_over
