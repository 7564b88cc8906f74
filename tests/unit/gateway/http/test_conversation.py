"""Does the server keep its manners: order, early answers, closing, clients that leave, handlers that fail?"""

from __future__ import annotations

from time import monotonic

import pytest
from tests.unit.gateway.http.dialogue import BODY_LIMIT, JSON, Conversation, Gate, left_behind

from litemaas.core.errors import BodyTooLarge, ClientGone, MalformedBody, RequestTooSlow
from litemaas.gateway.http.connection import ServerConnection
from litemaas.gateway.http.messages import Request, Response
from litemaas.gateway.http.stepping import Wake

GET = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n"
POST_HEAD = b"POST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n"
POST = POST_HEAD + b"0123456789"
CHUNKED_HEAD = b"POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"


# -- order and pipelining -----------------------------------------------------------------------------------------------------


def test_a_hundred_pipelined_requests_are_answered_in_order() -> None:
    talk = Conversation().say(b"".join(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % i for i in range(100)))
    assert [answer.json[1] for answer in talk.answers()] == [f"/{i}" for i in range(100)]
    assert not talk.is_over


def test_pipelined_requests_do_not_nest_in_the_stack() -> None:
    import inspect

    depths = []

    async def handler(request: Request, response: Response) -> None:
        depths.append(len(inspect.stack()))
        response.send(200, JSON, b"{}")

    Conversation(handler).say(GET * 50)
    assert len(set(depths)) == 1


def test_pipelined_requests_wait_for_the_one_before() -> None:
    gate, order = Gate(), []

    async def handler(request: Request, response: Response) -> None:
        order.append(request.path)
        if request.path == "/b":
            await gate()
        response.send(200, JSON, b"{}")

    talk = Conversation(handler).say(GET + POST + GET)
    assert order == ["/a", "/b"]
    assert talk.statuses == [200]
    gate.open()
    assert order == ["/a", "/b", "/a"]
    assert talk.statuses == [200, 200, 200]


def test_a_client_that_pipelines_is_not_read_while_its_earlier_request_is_served() -> None:
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        await gate()
        response.send(200, JSON, b"{}")

    talk = Conversation(handler).say(GET, GET, GET * 10)
    assert talk.unread == len(GET) * 10
    gate.open()
    talk.pump()
    assert talk.statuses == [200] * 12
    assert talk.transport.reads


def test_a_piece_of_the_next_request_waits_for_its_rest() -> None:
    talk = Conversation().say(GET + GET[:10])
    assert talk.statuses == [200]
    talk.say(GET[10:])
    assert talk.statuses == [200, 200]


def test_a_refusal_waits_for_the_answers_that_are_due() -> None:
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        await gate()
        response.send(200, JSON, b"{}")

    talk = Conversation(handler).say(GET + GET + b"\x00")
    assert talk.heard == b""
    gate.open()
    assert talk.statuses == [200, 200, 400]
    assert talk.is_over
    assert talk.refusals == [400]


def test_a_pipelined_request_with_bad_chunks_does_not_disturb_the_one_before() -> None:
    gate, seen = Gate(), []

    async def handler(request: Request, response: Response) -> None:
        seen.append(request.path)
        await gate()
        response.send(200, JSON, b"{}")

    talk = Conversation(handler).say(GET + CHUNKED_HEAD + b"g\r\n")
    gate.open()
    assert talk.statuses == [200, 400]
    assert seen == ["/a"]
    assert talk.is_over


def test_pipelined_requests_behind_one_that_closes_are_not_served() -> None:
    talk = Conversation().say(b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", GET)
    assert talk.statuses == [200]
    assert talk.is_over


def test_a_client_that_does_not_read_is_not_served_its_next_pipelined_request() -> None:
    calls = []

    async def handler(request: Request, response: Response) -> None:
        calls.append(request.path)
        response.send(200, JSON, b"x" * 100_000)
        if len(calls) == 1:
            talk.connection.pause_writing()

    talk = Conversation(handler)
    talk.say(GET * 3)
    assert len(calls) == 1
    talk.say(GET * 3)
    assert len(calls) == 1
    talk.connection.resume_writing()
    talk.pump()
    assert len(calls) == 6


def test_a_client_that_never_reads_its_answers_is_cut_off() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.send(200, JSON, b"x" * 100_000)
        if not talk.connection.is_congested:
            talk.connection.pause_writing()

    talk = Conversation(handler)
    talk.say(GET * 3)
    talk.wait(59)
    assert not talk.transport.is_aborted
    talk.wait(61)
    assert talk.transport.is_aborted


# -- framing of answers -------------------------------------------------------------------------------------------------------


async def stream(request: Request, response: Response) -> None:
    response.start(200, JSON)
    response.write(b"one")
    response.write(b"")
    response.write(b"two")
    response.end(b"three")


def test_a_stream_is_chunked_and_the_connection_stays() -> None:
    talk = Conversation(stream).say(GET + GET)
    assert [answer.body for answer in talk.answers()] == [b"onetwothree"] * 2
    assert not talk.is_over


def test_a_stream_may_end_without_a_last_piece() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        response.end()

    assert Conversation(handler).say(GET).answers()[0].body == b""


def test_http_1_0_gets_an_unframed_stream_that_ends_with_the_connection() -> None:
    talk = Conversation(stream).say(b"GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
    (answer,) = talk.answers()
    assert answer.body == b"onetwothree"
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["connection"] == "close"
    assert talk.is_over


def test_http_1_0_is_answered_once_and_told_so_even_if_it_wants_to_keep_the_connection() -> None:
    talk = Conversation().say(b"GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
    assert talk.answers()[0].headers["connection"] == "close"
    assert talk.is_over


def test_an_unframed_stream_without_a_last_piece_ends_too() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        response.end()

    talk = Conversation(handler).say(b"GET /a HTTP/1.0\r\n\r\n")
    assert talk.answers()[0].body == b""
    assert talk.is_over


def test_the_answer_to_a_head_request_has_a_length_and_no_body() -> None:
    talk = Conversation().say(b"HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n" + GET)
    head, get = talk.answers(heads=(0,))
    assert int(head.headers["content-length"]) == len(b'["HEAD", "/a", ""]')
    assert get.json == ["GET", "/a", ""]
    assert not talk.is_over


def test_a_stream_in_answer_to_a_head_request_has_no_body() -> None:
    talk = Conversation(stream).say(b"HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n" + GET)
    assert [answer.body for answer in talk.answers(heads=(0,))] == [b"", b"onetwothree"]
    assert not talk.is_over


@pytest.mark.parametrize("status", [204, 304])
def test_answers_that_have_no_body_get_none(status: int) -> None:
    async def handler(request: Request, response: Response) -> None:
        if request.method == "GET":
            response.send(status, b"", b"surplus")
        else:
            response.start(status, b"")
            response.write(b"surplus")
            response.end(b"more")

    talk = Conversation(handler).say(GET + POST + GET)
    assert talk.statuses == [status] * 3
    assert all("content-length" not in answer.headers for answer in talk.answers())
    assert all("transfer-encoding" not in answer.headers for answer in talk.answers())


def test_an_unusual_status_is_sent_as_it_is() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.send(529, JSON, b"{}")

    assert Conversation(handler).say(GET).statuses == [529]


def test_a_second_answer_to_the_same_request_never_reaches_the_client() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.send(200, JSON, b"{}")
        response.send(500, JSON, b"{}")

    talk = Conversation(handler).say(GET)
    assert talk.statuses == [200]
    assert len(talk.defects) == 1


def test_a_stream_begun_twice_is_cut_off() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        response.start(200, JSON)

    talk = Conversation(handler).say(GET)
    assert talk.heard.count(b"HTTP/1.1") == 1
    assert talk.transport.is_aborted
    assert len(talk.defects) == 1


def test_what_is_written_after_the_end_never_reaches_the_client() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        response.end()
        response.write(b"late")
        response.end(b"later")

    assert [answer.body for answer in Conversation(handler).say(GET + GET).answers()] == [b"", b""]


def test_an_aborted_stream_cannot_be_taken_for_a_complete_one() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        response.write(b"one")
        response.abort()
        response.write(b"two")
        response.end()

    talk = Conversation(handler).say(GET + GET)
    assert talk.transport.is_aborted
    assert not talk.heard.endswith(b"0\r\n\r\n")
    assert talk.defects == []


# -- bodies -------------------------------------------------------------------------------------------------------------------


def test_a_body_is_waited_for() -> None:
    talk = Conversation().say(POST_HEAD, b"01234")
    assert talk.heard == b""
    talk.say(b"56789")
    assert talk.answers()[0].json == ["POST", "/b", "0123456789"]
    assert not talk.is_over


def test_a_body_can_be_asked_for_twice() -> None:
    async def handler(request: Request, response: Response) -> None:
        assert await request.body(100) == await request.body(100)
        response.send(200, JSON, b"{}")

    assert Conversation(handler).say(POST_HEAD, b"01234", b"56789").statuses == [200]


def test_a_client_that_expects_continue_is_told_to_send() -> None:
    talk = Conversation().say(POST_HEAD[:-2] + b"Expect: 100-Continue\r\n\r\n")
    assert talk.heard == b"HTTP/1.1 100 Continue\r\n\r\n"
    talk.say(b"0123456789")
    assert talk.statuses == [100, 200]


def test_a_client_that_expects_continue_and_does_not_wait_is_not_told() -> None:
    talk = Conversation().say(POST_HEAD[:-2] + b"expect: 100-continue\r\n\r\n0", b"123456789")
    assert talk.statuses == [200]


def test_an_http_1_0_client_is_never_told_to_continue() -> None:
    talk = Conversation().say(
        b"POST / HTTP/1.0\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n",
        b"ok",
    )
    assert talk.statuses == [200]


def test_a_client_that_expects_continue_is_refused_before_it_sends() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.send(401, JSON, b"{}")

    talk = Conversation(handler).say(POST_HEAD[:-2] + b"expect: 100-continue\r\n\r\n")
    assert talk.statuses == [401]
    assert talk.answers()[0].headers["connection"] == "close"
    assert talk.is_over


def test_continue_is_not_said_in_the_middle_of_an_answer() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        response.end(await request.body(100))

    talk = Conversation(handler).say(POST_HEAD[:-2] + b"expect: 100-continue\r\n\r\n", b"0123456789")
    assert talk.answers()[0].body == b"0123456789"


def test_a_body_that_is_too_large_by_its_length_is_refused_before_it_comes() -> None:
    talk = Conversation().say(b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2000000\r\n\r\n")
    assert talk.statuses == [413]
    assert talk.is_over
    assert isinstance(talk.errors[0], BodyTooLarge)


def test_a_body_that_becomes_too_large_by_its_chunks_is_refused() -> None:
    talk = Conversation().say(CHUNKED_HEAD)
    for _ in range(30):
        talk.say(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    assert talk.statuses == [413]
    assert talk.is_over
    assert isinstance(talk.errors[0], BodyTooLarge)


def test_a_body_that_was_complete_before_it_was_asked_for_can_be_too_large() -> None:
    async def handler(request: Request, response: Response) -> None:
        try:
            await request.body(5)
        except BodyTooLarge:
            response.send(413, JSON, b"{}")

    talk = Conversation(handler).say(POST)
    assert talk.statuses == [413]
    assert not talk.is_over  # the whole request is read; the next one begins cleanly


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.send(200, JSON, await request.body(10))

    assert Conversation(handler).say(POST_HEAD, b"01234", b"56789").statuses == [200]


def test_a_body_in_very_many_pieces_is_put_together() -> None:
    body = bytes(range(256)) * 40
    talk = Conversation(max_header_bytes=4096).say(CHUNKED_HEAD)
    talk.say(b"".join(b"2\r\n%b\r\n" % body[i : i + 2] for i in range(0, len(body), 2)), b"0\r\n\r\n")
    assert talk.seen[0].body == body
    assert isinstance(talk.seen[0].body, bytes)


def test_very_many_pieces_of_a_body_take_no_more_memory_than_a_few() -> None:
    requests: list[Request] = []
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        requests.append(request)
        await gate()
        response.send(200, JSON, await request.body(BODY_LIMIT))

    talk = Conversation(handler).say(CHUNKED_HEAD, b"2\r\nab\r\n" * 10_000)
    assert len(requests[0]._chunks) <= 1025
    gate.open()
    talk.say(b"0\r\n\r\n")
    assert talk.answers()[0].body == b"ab" * 10_000


def test_a_body_that_nobody_has_asked_for_is_not_read_beyond_a_limit() -> None:
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        await gate()
        body = await request.body(BODY_LIMIT)
        response.send(200, JSON, b"%d" % len(body))

    talk = Conversation(handler).say(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 900000\r\n\r\n")
    for _ in range(9):
        talk.say(b"x" * 100_000)
    assert not talk.transport.reads
    assert talk.unread == 600_000
    talk.wait(10_000)  # the client cannot send: its silence is ours
    assert talk.heard == b""
    gate.open()
    talk.pump()
    assert talk.answers()[0].body == b"900000"
    assert talk.transport.reads


def test_a_client_whose_body_was_held_back_has_the_whole_time_out_from_then_on() -> None:
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        await gate()
        try:
            await request.body(BODY_LIMIT)
        except RequestTooSlow:
            response.send(408, JSON, b"{}")

    talk = Conversation(handler).say(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 900000\r\n\r\n", b"x" * 300_000)
    gate.open()
    talk.wait(29)
    assert talk.heard == b""
    talk.wait(31)
    assert talk.statuses == [408]


def test_an_early_answer_is_sent_while_the_body_still_comes_and_the_rest_is_thrown_away() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.send(403, JSON, b"{}")

    talk = Conversation(handler).say(POST_HEAD, b"01234", GET)
    assert talk.statuses == [403]
    assert talk.answers()[0].headers["connection"] == "close"
    assert talk.transport.wrote_eof
    assert not talk.transport.is_closed  # lingers: closing now would reset the answer under the client
    talk.say(GET)
    assert talk.statuses == [403]
    talk.wait(3)
    assert talk.transport.is_aborted


def test_an_early_answer_lets_a_body_flow_that_was_held_back() -> None:
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        await gate()
        response.send(403, JSON, b"{}")

    talk = Conversation(handler).say(
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 900000\r\n\r\n", b"x" * 300_000, b"x" * 300_000
    )
    assert not talk.transport.reads
    gate.open()
    talk.pump()
    assert talk.statuses == [403]
    assert talk.unread == 0


def test_a_large_early_answer_is_not_cut_off_while_the_client_reads_it() -> None:
    async def handler(request: Request, response: Response) -> None:
        talk.connection.pause_writing()
        response.send(403, JSON, b"x" * 1_000_000)

    talk = Conversation(handler)
    talk.say(POST_HEAD)
    talk.wait(30)
    assert not talk.transport.is_aborted
    talk.connection.resume_writing()
    talk.wait(61)
    assert talk.transport.is_aborted


def test_an_early_stream_ends_the_connection_even_if_the_body_was_completed_meanwhile() -> None:
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        await gate()
        response.end(b"done")

    talk = Conversation(handler).say(POST_HEAD, b"0123456789", GET)
    gate.open()
    assert talk.answers()[0].body == b"done"
    assert talk.statuses == [200]
    assert talk.transport.is_closed


def test_a_body_with_bad_chunks_interrupts_a_handler_that_waits_for_something_else() -> None:
    errors = []

    async def handler(request: Request, response: Response) -> None:
        try:
            await Wake()
        except MalformedBody as error:
            errors.append(error)
            response.send(400, JSON, b"{}")

    talk = Conversation(handler).say(CHUNKED_HEAD, b"g\r\n")
    assert talk.statuses == [400]
    assert talk.is_over
    assert len(errors) == 1


def test_a_body_can_be_taken_whole_if_it_is_there_and_small_enough() -> None:
    bodies: list[bytes | None] = []

    async def handler(request: Request, response: Response) -> None:
        bodies.append(request.whole_body(10))
        bodies.append(request.whole_body(9))
        response.send(200, JSON, await request.body(10))

    Conversation(handler).say(POST).say(POST_HEAD, b"0123456789")
    assert bodies == [b"0123456789", None, None, None]


# -- time ---------------------------------------------------------------------------------------------------------------------


def test_a_header_block_that_does_not_end_in_time_is_answered_with_408() -> None:
    talk = Conversation().say(GET[:20])
    talk.wait(14)
    assert talk.heard == b""
    talk.wait(16)
    assert talk.statuses == [408]
    assert talk.is_over


def test_line_ends_that_never_become_a_request_are_answered_with_408() -> None:
    talk = Conversation().say(b"\r\n")
    talk.wait(16)
    assert talk.statuses == [408]


def test_a_connection_on_which_nothing_is_asked_is_closed_silently() -> None:
    talk = Conversation()
    talk.wait(16)
    assert talk.transport.is_closed
    assert talk.heard == b""


def test_a_kept_connection_is_closed_silently_when_nothing_more_comes() -> None:
    talk = Conversation().say(GET)
    talk.wait(74)
    assert not talk.is_over
    talk.wait(76)
    assert talk.transport.is_closed
    assert talk.statuses == [200]


def test_a_slow_second_header_block_is_answered_with_408() -> None:
    talk = Conversation().say(GET, GET[:20])
    talk.wait(16)
    assert talk.statuses == [200, 408]


def test_a_second_header_block_that_began_during_the_first_request_has_a_time_limit_too() -> None:
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        await gate()
        response.send(200, JSON, b"{}")

    talk = Conversation(handler).say(GET, GET[:20])
    talk.wait(10_000)
    assert talk.heard == b""
    gate.open()
    talk.wait(16)
    assert talk.statuses == [200, 408]


def test_a_body_that_stops_coming_interrupts_the_handler() -> None:
    talk = Conversation().say(POST_HEAD, b"0")
    talk.wait(31)
    assert talk.statuses == [408]
    assert isinstance(talk.errors[0], RequestTooSlow)
    assert talk.is_over
    assert talk.defects == []


def test_the_handlers_own_time_is_not_limited_by_the_sweep() -> None:
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        await request.body(100)
        await gate()
        response.send(200, JSON, b"{}")

    talk = Conversation(handler).say(POST_HEAD, b"01234", b"56789")
    talk.wait(100_000)
    gate.open()
    assert talk.statuses == [200]


def test_a_client_that_does_not_read_the_last_of_its_answer_does_not_keep_a_closing_connection_for_ever() -> None:
    talk = Conversation().say(b"GET /a HTTP/1.0\r\n\r\n")
    assert talk.transport.is_closed
    assert not talk.transport.is_aborted
    talk.wait(61)
    assert talk.transport.is_aborted


def test_a_stream_to_a_client_that_stops_reading_is_cut_off() -> None:
    errors = []

    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        response.write(b"x")
        talk.connection.pause_writing()
        assert response.is_congested
        try:
            await response.drain()
        except ClientGone as gone:
            errors.append(gone)

    talk = Conversation(handler)
    talk.say(GET)
    talk.wait(61)
    assert talk.transport.is_aborted
    talk.lose()
    assert len(errors) == 1
    assert talk.defects == []


def test_a_stream_goes_on_when_the_client_has_caught_up() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        talk.connection.pause_writing()
        await response.drain()
        response.end(b"done")

    talk = Conversation(handler)
    talk.say(GET)
    assert b"done" not in talk.heard
    talk.connection.resume_writing()
    assert talk.answers()[0].body == b"done"
    talk.wait(74)
    assert not talk.is_over


def test_a_client_that_catches_up_after_the_end_of_its_answer_is_served_on() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        talk.connection.pause_writing()
        if request.method == "POST":
            talk.connection.resume_writing()  # nobody waits for that
        response.end()

    talk = Conversation(handler)
    talk.say(GET)
    talk.connection.resume_writing()
    talk.say(POST)
    assert talk.statuses == [200, 200]
    talk.wait(59)
    assert not talk.is_over


def test_a_body_completed_while_the_client_does_not_read_leaves_the_write_time_out_standing() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        talk.connection.pause_writing()
        await response.drain()
        response.end()

    talk = Conversation(handler)
    talk.say(POST_HEAD, b"0123456789")
    talk.wait(61)
    assert talk.transport.is_aborted


# -- clients that leave -------------------------------------------------------------------------------------------------------


def test_a_client_that_leaves_before_it_asked_is_forgotten() -> None:
    talk = Conversation().say(GET[:5])
    talk.hang_up()
    assert talk.server.connection_count == 0
    assert talk.defects == []


@pytest.mark.parametrize("pieces", [(POST_HEAD,), (POST_HEAD, b"012"), (CHUNKED_HEAD, b"5\r\n")])
def test_a_client_that_leaves_in_the_middle_of_its_body_interrupts_the_handler(pieces: tuple[bytes, ...]) -> None:
    talk = Conversation().say(*pieces)
    talk.hang_up()
    assert [type(error) for error in talk.errors] == [ClientGone]
    assert talk.defects == []
    assert talk.server.connection_count == 0


def test_a_client_that_leaves_while_a_handler_waits_interrupts_it_and_the_requests_behind_are_dropped() -> None:
    seen, errors = [], []

    async def handler(request: Request, response: Response) -> None:
        seen.append(request.path)
        try:
            await Wake()
        except ClientGone as gone:
            errors.append(gone)
            raise

    talk = Conversation(handler).say(GET + POST)
    talk.hang_up()
    assert seen == ["/a"]
    assert len(errors) == 1
    assert talk.defects == []  # that a client leaves is no defect


def test_a_handler_may_answer_a_client_that_has_left_without_noticing() -> None:
    after = []

    async def handler(request: Request, response: Response) -> None:
        try:
            await Wake()
        except ClientGone:
            response.send(499, JSON, b"{}")
            after.append("sent")

    talk = Conversation(handler).say(GET)
    talk.hang_up()
    assert after == ["sent"]
    assert talk.heard == b""
    assert talk.defects == []


def test_a_handler_may_stream_to_a_client_that_has_left_without_noticing() -> None:
    after = []

    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        talk.connection.pause_writing()
        try:
            await response.drain()
        except ClientGone:
            response.write(b"more")
            await response.drain()
            response.end(b"last")
            response.abort()
            after.append("ended")

    talk = Conversation(handler)
    talk.say(GET)
    talk.hang_up()
    assert after == ["ended"]
    assert talk.defects == []
    assert talk.server.connection_count == 0


def test_a_handler_that_asks_a_client_that_has_left_for_its_body_is_told() -> None:
    errors = []

    async def handler(request: Request, response: Response) -> None:
        for _ in range(2):
            try:
                await request.body(100)
            except ClientGone as gone:
                errors.append(gone)

    talk = Conversation(handler).say(POST_HEAD)
    talk.hang_up()
    assert len(errors) == 2
    assert talk.server.connection_count == 0


def test_what_a_handler_does_after_its_answer_is_not_interrupted_by_a_client_that_leaves() -> None:
    gate, after = Gate(), []

    async def handler(request: Request, response: Response) -> None:
        response.send(200, JSON, b"{}")
        await gate()
        after.append("settled")

    talk = Conversation(handler).say(GET)
    talk.hang_up()
    assert talk.server.connection_count == 1  # a drain still waits for it
    gate.open()
    assert after == ["settled"]
    assert talk.server.connection_count == 0


def test_a_connection_reset_counts_like_a_client_that_left() -> None:
    talk = Conversation().say(POST_HEAD)
    talk.lose(ConnectionResetError())
    assert [type(error) for error in talk.errors] == [ClientGone]


def test_a_swept_connection_that_is_gone_stays_quiet() -> None:
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        response.send(200, JSON, b"{}")
        await gate()

    talk = Conversation(handler).say(GET)
    talk.hang_up()
    talk.wait(100_000)
    gate.open()
    assert talk.server.connection_count == 0


# -- handlers that fail -------------------------------------------------------------------------------------------------------


def test_a_handler_that_fails_before_its_answer_is_a_defect_and_the_client_gets_a_500() -> None:
    async def handler(request: Request, response: Response) -> None:
        raise KeyError("secret")

    talk = Conversation(handler).say(GET + GET)
    (answer,) = talk.answers()
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert talk.is_over
    assert [type(error) for error in talk.defects] == [KeyError]
    assert talk.refusals == []  # it was a request


def test_a_handler_that_fails_while_the_body_comes_lets_the_client_read_the_500() -> None:
    async def handler(request: Request, response: Response) -> None:
        raise KeyError

    talk = Conversation(handler).say(POST_HEAD, b"012")
    assert talk.statuses == [500]
    assert talk.transport.wrote_eof


def test_a_handler_that_fails_in_the_middle_of_its_answer_breaks_it_off() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        response.write(b"one")
        raise KeyError

    talk = Conversation(handler).say(GET)
    assert talk.transport.is_aborted
    assert not talk.heard.endswith(b"0\r\n\r\n")
    assert len(talk.defects) == 1


def test_a_handler_that_fails_after_its_answer_is_a_defect_and_the_answer_stands() -> None:
    async def handler(request: Request, response: Response) -> None:
        response.send(200, JSON, b"{}")
        raise KeyError

    talk = Conversation(handler).say(GET + GET)
    assert talk.statuses == [200, 200]
    assert not talk.transport.is_aborted
    assert len(talk.defects) == 2


def test_a_handler_that_fails_after_the_client_left_is_a_defect_too() -> None:
    async def handler(request: Request, response: Response) -> None:
        try:
            await Wake()
        except ClientGone:
            raise KeyError from None

    talk = Conversation(handler).say(GET)
    talk.hang_up()
    assert [type(error) for error in talk.defects] == [KeyError]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_handler_that_forgets_to_answer_is_a_defect(streaming: bool) -> None:
    async def handler(request: Request, response: Response) -> None:
        if streaming:
            response.start(200, JSON)

    talk = Conversation(handler).say(GET)
    assert talk.defects == [None]
    assert talk.transport.is_aborted if streaming else talk.statuses == [500]


def test_the_process_lives_on_after_a_defect() -> None:
    async def handler(request: Request, response: Response) -> None:
        if request.path == "/a":
            raise KeyError
        response.send(200, JSON, b"{}")

    talk = Conversation(handler).say(GET)
    talk.hang_up()
    talk.connect()
    talk.say(POST)
    assert talk.statuses == [200]


# -- limits and the end -------------------------------------------------------------------------------------------------------


def test_one_connection_too_many_is_told_so_once() -> None:
    talk = Conversation(max_connections=1)
    first = talk.connection
    talk.connect()
    assert talk.statuses == [503]
    assert talk.is_over
    assert talk.refusals == [503]
    talk.say(GET)
    assert talk.seen == []
    talk.hang_up()
    assert talk.server.connection_count == 1
    assert first.is_idle


def test_while_draining_the_next_answer_closes_the_connection() -> None:
    talk = Conversation()
    talk.server.is_draining = True
    talk.say(GET + GET)
    assert talk.statuses == [200]
    assert talk.answers()[0].headers["connection"] == "close"
    assert talk.is_over


def test_a_stream_that_began_before_the_drain_ends_and_then_the_connection_closes() -> None:
    gate = Gate()

    async def handler(request: Request, response: Response) -> None:
        response.start(200, JSON)
        await gate()
        response.end(b"done")

    talk = Conversation(handler).say(GET)
    talk.server.is_draining = True
    gate.open()
    assert talk.answers()[0].body == b"done"
    assert talk.transport.is_closed


def test_a_connection_that_arrives_during_the_drain_is_closed() -> None:
    talk = Conversation()
    talk.server.is_draining = True
    talk.connect()
    assert talk.transport.is_closed


async def test_a_server_that_never_listened_can_be_drained() -> None:
    talk = Conversation()
    talk.hang_up()
    assert await talk.server.drain(0.01)


def test_a_client_without_an_address_is_served_too() -> None:
    talk = Conversation()
    talk.transport.get_extra_info = lambda name, default=None: ""  # type: ignore[method-assign]
    talk.connection.connection_made(talk.transport)
    assert talk.say(GET).statuses == [200]


def test_a_defect_in_a_callback_of_the_parser_is_reported_and_not_blamed_on_the_client_alone() -> None:
    talk = Conversation()
    talk.server.limits = None  # type: ignore[assignment]
    talk.connection._overhead = 0

    class Broken:
        max_header_bytes = 10_000

        def __getattr__(self, name: str) -> float:
            raise KeyError(name)

    talk.server.limits = Broken()  # type: ignore[assignment]
    talk.say(GET)
    assert [type(error) for error in talk.defects] == [KeyError]
    assert talk.is_over


def test_nothing_of_a_connection_is_left_for_the_garbage_collector() -> None:
    async def gone(request: Request, response: Response) -> None:
        await request.body(100)

    async def echo(request: Request, response: Response) -> None:
        response.send(200, JSON, await request.body(100))

    def scene() -> None:
        for handler in (echo, stream, gone):
            talk = Conversation(handler)
            talk.say(GET + POST + GET, POST_HEAD[:20])
            talk.hang_up()
            talk = Conversation(handler)
            talk.say(POST_HEAD)
            talk.hang_up()
            talk = Conversation(handler)
            talk.say(b"\x00")
            talk.hang_up()

    assert left_behind(scene, ServerConnection, Request, Response) == []


def test_the_time_of_arrival_and_the_clients_address_are_known() -> None:
    requests: list[Request] = []

    async def handler(request: Request, response: Response) -> None:
        requests.append(request)
        response.send(200, JSON, b"{}")

    Conversation(handler).say(GET)
    assert requests[0].client_ip == "192.0.2.7"
    assert 0 <= monotonic() - requests[0].received_at < 60
