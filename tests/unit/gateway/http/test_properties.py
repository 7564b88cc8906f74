"""Does it hold for every input that can be thought up: any split, any mutation, any garbage?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gateway.http.dialogue import (
    JSON,
    Conversation,
    Gate,
    Story,
    UpstreamCall,
    examples,
    read_answers,
)

from litemaas.core.errors import UpstreamFailure
from litemaas.gateway.http.messages import Request, Response

token = st.text("abcdefghijklmnopqrstuvwxyz-_0123456789", min_size=1, max_size=12).map(str.encode)
value = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40).map(str.encode)
body = st.binary(max_size=300)


@st.composite
def framed(draw: st.DrawFn, content: bytes) -> tuple[bytes, bytes]:
    """A framing header and a body, by length or in chunks of any size with extensions and trailers."""
    if draw(st.booleans()):
        return b"content-length: %d\r\n" % len(content), content
    chunks, rest = [], content
    while rest:
        size = draw(st.integers(1, len(rest)))
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b c"']))
        chunks.append(b"%x%b\r\n%b\r\n" % (size, extension, rest[:size]))
        rest = rest[size:]
    trailers = draw(st.sampled_from([b"", b"", b"x-trailer: 1\r\n", b"authorization: a\r\nx-b: c\r\n"]))
    return b"transfer-encoding: chunked\r\n", b"".join(chunks) + b"0\r\n" + trailers + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    method = draw(st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS"]))
    target = b"/" + b"/".join(draw(st.lists(token, max_size=3))) + draw(st.sampled_from([b"", b"?a=b", b"%20"]))
    fields = b"".join(b"x-%b: %b\r\n" % pair for pair in draw(st.lists(st.tuples(token, value), max_size=4)))
    framing, content = b"", b""
    if draw(st.booleans()):
        framing, content = draw(framed(draw(body)))
    before = draw(st.sampled_from([b"", b"", b"\r\n"]))
    return before + method + b" " + target + b" HTTP/1.1\r\nhost: a\r\n" + fields + framing + b"\r\n" + content


@st.composite
def pieces_of(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) if a < b]


# -- the server ---------------------------------------------------------------------------------------------------------------


@examples(150)
@given(st.data())
def test_any_split_of_pipelined_requests_gives_the_same_requests_and_answers(data: st.DataObject) -> None:
    stream = b"".join(data.draw(st.lists(requests(), min_size=1, max_size=6)))
    whole = Conversation().say(stream)
    split = Conversation().say(*data.draw(pieces_of(stream)))
    assert split.seen == whole.seen
    assert split.heard == whole.heard
    assert split.is_over == whole.is_over is False
    assert all(status == 200 for status in split.statuses)
    assert split.defects == split.refusals == []


@examples(100)
@given(st.data())
def test_any_split_gives_the_same_answers_when_handlers_wait(data: st.DataObject) -> None:
    stream = b"".join(data.draw(st.lists(requests(), min_size=1, max_size=5)))
    gates: list[Gate] = []

    async def handler(request: Request, response: Response) -> None:
        if len(gates) % 2:
            gates.append(Gate())
            await gates[-1]()
        else:
            gates.append(Gate())
        content = await request.body(10_000)
        response.start(200, JSON)
        response.write(content[:7])
        response.end(request.path.encode("latin-1"))

    talk = Conversation(handler)
    for piece in data.draw(pieces_of(stream)):
        talk.say(piece)
        if data.draw(st.booleans()):
            for gate in gates:
                gate.open()
            talk.pump()
    opened = -1
    while opened != len(gates):
        opened = len(gates)
        for gate in gates:
            gate.open()
        talk.pump()
    reference = Conversation().say(stream)
    expected = [seen.body[:7] + seen.path.encode("latin-1") for seen in reference.seen]
    assert [answer.body for answer in talk.answers()] == expected
    assert talk.transport.reads
    assert talk.defects == []


def mutations(stream: bytes) -> st.SearchStrategy[bytes]:
    position = st.integers(0, len(stream))
    special = st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b"0", b"+", b";", b",", b"\x80", b"\r\n\r\n", b"0\r\n\r\n",
         b"transfer-encoding: chunked\r\n", b"content-length: 3\r\n", b"connection: close\r\n", b"expect: 100-continue\r\n",
         b"connection: upgrade\r\nupgrade: h2c\r\n", b"HTTP/1.0", b"GET / HTTP/1.1\r\n"]
    )  # fmt: skip
    change = st.one_of(
        st.tuples(st.just("insert"), position, st.one_of(special, st.binary(min_size=1, max_size=4))),
        st.tuples(st.just("replace"), position, st.one_of(special, st.binary(min_size=1, max_size=2))),
        st.tuples(st.just("drop"), position, st.integers(1, 8).map(bytes)),
        st.tuples(st.just("repeat"), position, st.integers(1, 40).map(bytes)),
    )

    def apply(changes: list[tuple[str, int, bytes]]) -> bytes:
        result = stream
        for kind, at, what in changes:
            if kind == "insert":
                result = result[:at] + what + result[at:]
            elif kind == "replace":
                result = result[:at] + what + result[at + len(what) :]
            elif kind == "drop":
                result = result[:at] + result[at + len(what) :]
            else:
                result = result[:at] + result[at : at + len(what)] * 2 + result[at + len(what) :]
        return result

    return st.lists(change, min_size=1, max_size=4).map(apply)


@examples(300)
@given(st.data())
def test_a_mutated_request_is_handled_or_refused_and_never_a_defect(data: st.DataObject) -> None:
    stream = data.draw(mutations(b"".join(data.draw(st.lists(requests(), min_size=1, max_size=3)))))
    talk = Conversation().say(*data.draw(pieces_of(stream)))
    assert talk.defects == []
    answers = read_answers(talk.heard)
    final = [answer for answer in answers if answer.status != 100]
    refused = [answer for answer in final if answer.status != 200]
    assert len(final) - len(refused) == len(talk.seen)
    if refused:
        assert refused == final[-1:]
        assert refused[0].status >= 400
        assert "error" in refused[0].json
        assert refused[0].headers["connection"] == "close"
        assert talk.is_over
    if not talk.is_over:
        talk.wait(1000)
        talk.wait(2000)
        assert talk.is_over
    assert talk.defects == []
    talk.lose()
    assert talk.server.connection_count == 0


@examples(200)
@given(st.data())
def test_a_mutated_request_gives_the_same_in_one_piece_and_byte_by_byte(data: st.DataObject) -> None:
    stream = data.draw(mutations(b"".join(data.draw(st.lists(requests(), min_size=1, max_size=2)))))
    whole = Conversation().say(stream)
    split = Conversation().say(*[stream[i : i + 1] for i in range(len(stream))])
    assert split.seen == whole.seen
    # only a client that waits is told to continue, and only a handler that began is interrupted
    assert [s for s in split.statuses if s != 100] == [s for s in whole.statuses if s != 100]
    assert split.is_over == whole.is_over


@examples(200)
@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6))
def test_garbage_never_is_a_defect(pieces: list[bytes]) -> None:
    talk = Conversation().say(*pieces)
    assert talk.defects == []
    assert talk.seen == []
    assert all(status >= 400 for status in talk.statuses)


# -- the client ---------------------------------------------------------------------------------------------------------------


@st.composite
def upstream_answers(draw: st.DrawFn, content: bytes) -> bytes:
    before = draw(
        st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nlink: a\r\n\r\n"])
    )
    framing, framed_body = draw(framed(content))
    fields = b"".join(b"x-%b: %b\r\n" % pair for pair in draw(st.lists(st.tuples(token, value), max_size=3)))
    return before + b"HTTP/1.1 200 OK\r\n" + fields + framing + b"\r\n" + framed_body


@examples(150)
@given(st.data())
def test_any_split_of_an_answer_gives_the_same_body(data: st.DataObject) -> None:
    content = data.draw(body)
    pieces = data.draw(pieces_of(data.draw(upstream_answers(content))))
    call = UpstreamCall()
    story = call.read()
    call.answers(*pieces)
    assert story.outcome() == (200, content)
    call.connection.release()
    assert not call.transport.is_closed


@examples(100)
@given(st.data())
def test_any_split_of_a_streamed_answer_gives_the_same_bytes(data: st.DataObject) -> None:
    content = data.draw(body)
    pieces = data.draw(pieces_of(data.draw(upstream_answers(content))))
    call = UpstreamCall()
    got = []

    async def take() -> None:
        await call.connection.head()
        while part := await call.connection.next_bytes():
            got.append(part)

    story = Story(take())
    call.answers(*pieces)
    story.outcome()
    assert b"".join(got) == content


@examples(150)
@given(st.data())
def test_an_answer_cut_off_anywhere_is_a_failure_or_the_whole_body(data: st.DataObject) -> None:
    content = data.draw(body)
    stream = data.draw(upstream_answers(content))
    call = UpstreamCall()
    story = call.read()
    cut = stream[: data.draw(st.integers(0, len(stream) - 1))]
    if cut:
        call.answers(cut)
    call.closes()
    assert story.is_over
    assert isinstance(story.error, UpstreamFailure) or story.result == (200, content)


@examples(250)
@given(st.data())
def test_garbage_from_an_upstream_is_a_failure_and_never_hangs(data: st.DataObject) -> None:
    stream = data.draw(
        st.one_of(st.binary(min_size=1, max_size=200), mutations(data.draw(upstream_answers(data.draw(body)))))
    )
    call = UpstreamCall()
    story = call.read()
    call.answers(*data.draw(pieces_of(stream)))
    if not story.is_over:
        call.closes()
    assert story.is_over
    assert story.error is None or isinstance(story.error, UpstreamFailure)
    call.connection.release()
