"""Is everything that another server might read differently refused, and the connection ended with it?"""

from __future__ import annotations

import pytest
from tests.unit.gateway.http.dialogue import Conversation

GOOD = b"GET /before HTTP/1.1\r\nhost: a\r\n\r\n"
NEXT = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join((b"POST / HTTP/1.1", b"host: a", *lines, b"", body))


def get(*lines: bytes, first: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join((first, b"host: a", *lines, b"", b""))


TE = b"transfer-encoding: "
CL = b"content-length: "
ZERO = b"0\r\n\r\n"

REFUSED: dict[str, bytes] = {
    # two ideas of where the body ends
    "a length and then a transfer-encoding": post(CL + b"5", TE + b"chunked", body=ZERO),
    "a transfer-encoding and then a length": post(TE + b"chunked", CL + b"5", body=ZERO),
    "the same length twice": post(CL + b"5", CL + b"5", body=b"hello"),
    "two different lengths": post(CL + b"5", CL + b"6", body=b"hello"),
    "a list of lengths": post(CL + b"5, 5", body=b"hello"),
    "a length with a plus": post(CL + b"+5", body=b"hello"),
    "a negative length": post(CL + b"-5", body=b"hello"),
    "a length with a space in it": post(CL + b"5 5", body=b"hello"),
    "a length with a space behind it": post(CL + b"5 ", body=b"hello"),
    "a length with a tab behind it": post(CL + b"5\t", body=b"hello"),
    "a length in hexadecimal": post(CL + b"0x5", body=b"hello"),
    "a length with an underscore": post(CL + b"1_0", body=b"hello"),
    "an empty length": post(CL, body=b"hello"),
    "a length of letters": post(CL + b"five", body=b"hello"),
    "a length that no machine can count": post(CL + b"9" * 30, body=b"hello"),
    "a length of 19 digits": post(CL + b"0" * 18 + b"5", body=b"hello"),
    "a length with a vertical tab": post(CL + b"\x0b5", body=b"hello"),
    "transfer-encoding identity": post(TE + b"identity"),
    "transfer-encoding gzip": post(TE + b"gzip"),
    "gzip before chunked": post(TE + b"gzip, chunked", body=ZERO),
    "chunked before gzip": post(TE + b"chunked, gzip", body=ZERO),
    "chunked twice in one field": post(TE + b"chunked, chunked", body=ZERO),
    "chunked twice in two fields": post(TE + b"chunked", TE + b"chunked", body=ZERO),
    "xchunked": post(TE + b"xchunked", body=ZERO),
    "chunked behind a vertical tab": post(TE + b"\x0bchunked", body=ZERO),
    "chunked behind a comma": post(TE + b",chunked", body=ZERO),
    "chunked before a comma": post(TE + b"chunked,", body=ZERO),
    "chunked with a parameter": post(TE + b"chunked;q=1", body=ZERO),
    "chunked with a space behind it": post(TE + b"chunked ", body=ZERO),
    "chunked in quotes": post(TE + b'"chunked"', body=ZERO),
    "an empty transfer-encoding": post(b"transfer-encoding:", body=ZERO),
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + ZERO,
    # lines that end where others think they do not
    "bare line feeds": b"GET / HTTP/1.1\nhost: a\n\n",
    "a bare line feed behind the request line": b"GET / HTTP/1.1\nhost: a\r\n\r\n",
    "a bare line feed behind a field": b"GET / HTTP/1.1\r\nhost: a\nx: y\r\n\r\n",
    "a bare line feed as the blank line": b"GET / HTTP/1.1\r\nhost: a\r\n\n",
    "a lone carriage return": b"GET / HTTP/1.1\r\nhost: a\rx: y\r\n\r\n",
    "a carriage return too many": b"GET / HTTP/1.1\r\nhost: a\r\r\n\r\n",
    "a folded field": get(b"x: a", b" b"),
    "a folded transfer-encoding": post(b"transfer-encoding:", b" chunked", body=ZERO),
    "a field folded to nothing": get(b"x:", b" "),
    "white space before the first field": b"GET / HTTP/1.1\r\n host: a\r\n\r\n",
    # fields
    "no host": b"GET / HTTP/1.1\r\nx: y\r\n\r\n",
    "no field at all": b"GET / HTTP/1.1\r\n\r\n",
    "an empty host": b"GET / HTTP/1.1\r\nhost:\r\n\r\n",
    "a host of spaces": b"GET / HTTP/1.1\r\nhost:   \r\n\r\n",
    "the host twice": get(b"host: a"),
    "two hosts": get(b"Host: b"),
    "the authorization twice": get(b"authorization: Bearer a", b"authorization: Bearer b"),
    "a NUL in a name": get(b"x\x00y: 1"),
    "a NUL in a value": get(b"x: 1\x002"),
    "a control character in a value": get(b"x: 1\x012"),
    "a space before the colon": get(b"x : 1"),
    "a tab before the colon": get(b"x\t: 1"),
    "a space in a name": get(b"x y: 1"),
    "a name with a bracket": get(b"x(: 1"),
    "a name with a quote": get(b'"x": 1'),
    "a name beyond ASCII": get("ä: 1".encode()),
    "a nameless field": get(b": 1"),
    "a line without a colon": get(b"x"),
    # the request line
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/0.9 in full": get(first=b"GET / HTTP/0.9"),
    "HTTP/1.2": get(first=b"GET / HTTP/1.2"),
    "HTTP/2.0": get(first=b"GET / HTTP/2.0"),
    "HTTP/2 as it begins": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS where there is none": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a version in small letters": get(first=b"GET / http/1.1"),
    "a version with a letter more": get(first=b"GET / HTTP/1.1x"),
    "a version without a dot": get(first=b"GET / HTTP/11"),
    "a method in small letters": get(first=b"get / HTTP/1.1"),
    "a method nobody knows": get(first=b"FETCH / HTTP/1.1"),
    "a space before the method": get(first=b" GET / HTTP/1.1"),
    "a tab behind the method": get(first=b"GET\t/ HTTP/1.1"),
    "a whole URL as target": get(first=b"GET http://a/ HTTP/1.1"),
    "an authority as target": get(first=b"GET a:80 HTTP/1.1"),
    "a tunnel": get(first=b"CONNECT a:80 HTTP/1.1"),
    "no target": get(first=b"GET  HTTP/1.1"),
    "a relative target": get(first=b"GET x HTTP/1.1"),
    "a query as target": get(first=b"GET ?x HTTP/1.1"),
    "a space in the target": get(first=b"GET /a b HTTP/1.1"),
    "a NUL in the target": get(first=b"GET /\x00 HTTP/1.1"),
    "a tab in the target": get(first=b"GET /\t HTTP/1.1"),
    "letters beyond ASCII in the target": get(first="GET /ä HTTP/1.1".encode()),
    "an encoded NUL in the target": get(first=b"GET /%00 HTTP/1.1"),
    "an encoded line end in the target": get(first=b"GET /%0d%0ax HTTP/1.1"),
    "an encoded DEL in the target": get(first=b"GET /%7f HTTP/1.1"),
    "a fragment in the target": get(first=b"GET /a#b HTTP/1.1"),
    # size
    "one huge field": get(b"x: " + b"a" * 170_000),
    "many small fields": get(*[b"x%d: y" % i for i in range(101)]),
    "the same small field many times": get(*[b"x: y"] * 101),
    "a very long target": get(first=b"GET /" + b"a" * 170_000 + b" HTTP/1.1"),
    "nothing but line ends": b"\r\n" * 70_000,
}  # fmt: skip

BAD_CHUNKS: dict[str, bytes] = {
    "a size with a plus": b"+1\r\nx\r\n",
    "a negative size": b"-1\r\nx\r\n",
    "a size with 0x": b"0x1\r\nx\r\n",
    "a size with an underscore": b"1_0\r\nx\r\n",
    "a size with a space before it": b" 1\r\nx\r\n",
    "a size with a space behind it": b"1 \r\nx\r\n",
    "a size with a tab behind it": b"1\t\r\nx\r\n",
    "no size": b"\r\nx\r\n",
    "a size of letters": b"g\r\nx\r\n",
    "a size that overflows": b"F" * 17 + b"\r\nx\r\n",
    "a bare line feed behind the size": b"1\nx\r\n",
    "a lone carriage return behind the size": b"1\rx\r\n",
    "more than the size": b"1\r\nxx\r\n",
    "no line end behind the data": b"1\r\nx0\r\n\r\n",
    "a bare line feed behind the data": b"1\r\nx\n",
    "a bare line feed in an extension": b"1;a\nb\r\nx\r\n",
    "a bare line feed in a quoted extension": b'1;a="\n"\r\nx\r\n',
    "a control character in an extension": b"1;\x01\r\nx\r\n",
    "an empty extension": b"1;\r\nx\r\n",
    "an extension without end": b"1;" + b"a" * 170_000,
    "a size of zeros without end": b"0" * 170_000,
    "a bare line feed at the end": b"0\n\n",
    "a bare line feed as the blank line": b"0\r\n\n",
    "a bare line feed in a trailer": b"0\r\nx: y\n\r\n",
    "a length in the trailers": b"0\r\ncontent-length: 5\r\n\r\n",
    "a transfer-encoding in the trailers": b"0\r\ntransfer-encoding: chunked\r\n\r\n",
    "a folded trailer": b"0\r\nx: y\r\n z\r\n\r\n",
    "a trailer without end": b"0\r\nx: " + b"y" * 170_000,
    "trailers without end": b"0\r\n" + b"x: y\r\n" * 200,
}


def assert_refused(talk: Conversation, *before: int) -> None:
    *earlier, refusal = talk.answers()
    assert [answer.status for answer in earlier] == list(before)
    assert 400 <= refusal.status <= 505
    assert refusal.json["error"]["message"]
    assert refusal.headers["connection"] == "close"
    assert refusal.headers["content-type"] == "application/json"
    assert talk.is_over
    assert talk.defects == []
    assert all("smuggled" not in seen.path for seen in talk.seen)


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_and_the_connection_ended(request_: bytes) -> None:
    talk = Conversation().say(request_ + NEXT)
    assert_refused(talk)
    assert talk.seen == []
    assert talk.refusals == [talk.answers()[0].status]


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_when_it_comes_byte_by_byte(request_: bytes) -> None:
    if len(request_) > 10_000:
        talk = Conversation().say(*[request_[i : i + 997] for i in range(0, len(request_), 997)])
    else:
        talk = Conversation().say(*[request_[i : i + 1] for i in range(len(request_))])
    assert_refused(talk)
    assert talk.seen == []


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_after_a_good_request_in_the_same_piece_was_answered(request_: bytes) -> None:
    talk = Conversation().say(GOOD + request_ + NEXT)
    assert_refused(talk, 200)
    assert [seen.path for seen in talk.seen] == ["/before"]


@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
def test_chunks_like_this_are_refused(chunks: bytes) -> None:
    talk = Conversation().say(post(TE + b"chunked", body=chunks) + ZERO + NEXT)
    assert_refused(talk)
    assert talk.seen == []


@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
def test_chunks_like_this_are_refused_after_a_good_request(chunks: bytes) -> None:
    talk = Conversation().say(GOOD + post(TE + b"chunked", body=chunks) + ZERO + NEXT)
    assert_refused(talk, 200)
    assert [seen.path for seen in talk.seen] == ["/before"]


@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
def test_chunks_like_this_interrupt_the_handler_that_waits_for_them(chunks: bytes) -> None:
    talk = Conversation().say(post(TE + b"chunked"))
    talk.say(*[chunks[i : i + 1000] for i in range(0, len(chunks), 1000)], ZERO, NEXT)
    assert_refused(talk)
    assert talk.seen == []
    assert [type(error).__name__ for error in talk.errors] == ["MalformedBody"]


ACCEPTED: dict[str, tuple[bytes, str]] = {
    "chunked in capitals": (post(TE + b"CHUNKED", body=b"1\r\nx\r\n0\r\n\r\n"), "x"),
    "chunked behind a tab, which is white space": (
        post(b"transfer-encoding:\tchunked", body=b"1\r\nx\r\n0\r\n\r\n"),
        "x",
    ),
    "a chunk extension, which is skipped": (post(TE + b"chunked", body=b'1;a=b;c="d"\r\nx\r\n0;e\r\n\r\n'), "x"),
    "a size with zeros before it": (post(TE + b"chunked", body=b"0001\r\nx\r\n000\r\n\r\n"), "x"),
    "a length with zeros before it": (post(CL + b"01", body=b"x"), "x"),
    "a body on GET": (b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx", "x"),
    "an empty body": (post(CL + b"0"), ""),
    "line ends before the request": (b"\r\n\r\n" + post(CL + b"1", body=b"x"), "x"),
    "a long target": (get(first=b"GET /" + b"a" * 60_000 + b" HTTP/1.1"), ""),
    "a hundred fields": (get(*[b"x%d: y" % i for i in range(99)]), ""),
    "bytes beyond ASCII in a value": (get(b"x: \xc3\xa4"), ""),
    "the asterisk": (get(first=b"OPTIONS * HTTP/1.1"), ""),
    "HTTP/1.0 without a host": (b"GET / HTTP/1.0\r\n\r\n", ""),
}


@pytest.mark.parametrize(("request_", "body"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_is_understood(request_: bytes, body: str) -> None:
    talk = Conversation().say(request_)
    assert talk.statuses == [200]
    assert talk.seen[0].body.decode() == body
    talk = Conversation().say(*[request_[i : i + 7] for i in range(0, len(request_), 7)])
    assert talk.statuses == [200]
    assert talk.seen[0].body.decode() == body


def test_trailers_are_dropped_and_become_headers_of_no_request() -> None:
    talk = Conversation().say(
        post(TE + b"chunked", body=b"1\r\nx\r\n0\r\nauthorization: Bearer evil\r\nx-other: 1\r\n\r\n"), GOOD
    )
    assert talk.statuses == [200, 200]
    for seen in talk.seen:
        assert b"authorization" not in seen.headers
        assert b"x-other" not in seen.headers


def test_trailers_do_not_change_the_headers_a_handler_has_seen() -> None:
    talk = Conversation().say(post(b"authorization: Bearer mine", TE + b"chunked", body=b"1\r\nx\r\n"))
    talk.say(b"0\r\nauthorization: Bearer evil\r\n\r\n")
    assert talk.statuses == [200]
    assert talk.seen[0].headers[b"authorization"] == b"Bearer mine"


def test_a_percent_encoded_target_is_decoded_and_its_query_is_not() -> None:
    talk = Conversation().say(get(first=b"GET /v1/m%2Fx/%C3%A4?q=%20a HTTP/1.1"))
    assert talk.seen[0].path.encode("latin-1").decode() == "/v1/m/x/ä"
    assert talk.seen[0].query == b"q=%20a"


def test_repeated_fields_are_joined() -> None:
    talk = Conversation().say(get(b"X-Tag: a", b"x-tag: b"))
    assert talk.seen[0].headers[b"x-tag"] == b"a, b"


def test_garbage_behind_a_good_request_is_refused_after_its_answer() -> None:
    talk = Conversation().say(GOOD + b"\x00garbage")
    assert_refused(talk, 200)


def test_what_follows_a_refusal_is_not_read() -> None:
    talk = Conversation().say(b"\x00garbage", GOOD, NEXT)
    assert_refused(talk)
    assert talk.seen == []


def test_data_behind_a_request_that_closes_is_not_read() -> None:
    talk = Conversation().say(get(b"connection: close") + NEXT)
    assert talk.statuses == [200]
    assert talk.is_over
    assert talk.refusals == []


@pytest.mark.parametrize("size", [100, 1000, 5000])
def test_a_small_header_limit_holds_however_the_bytes_arrive(size: int) -> None:
    request_ = get(b"x: " + b"a" * 2000)
    talk = Conversation(max_header_bytes=1024).say(*[request_[i : i + size] for i in range(0, len(request_), size)])
    assert talk.statuses == [431]
    assert talk.seen == []


def test_a_large_body_in_the_same_piece_does_not_count_as_header() -> None:
    body = b"b" * 300_000
    talk = Conversation(max_header_bytes=1024).say(post(CL + b"%d" % len(body), body=body))
    assert talk.statuses == [200]
    assert len(talk.seen[0].body) == len(body)


def test_a_header_block_cut_within_its_last_line_end_before_a_large_body_is_understood() -> None:
    body = b"b" * 300_000
    whole = post(CL + b"%d" % len(body), body=body)
    cut = whole.index(b"\r\n\r\n") + 2
    talk = Conversation().say(whole[:cut], whole[cut:])
    assert talk.statuses == [200]
    assert len(talk.seen[0].body) == len(body)


def test_more_pipelined_requests_than_anybody_sends_are_refused() -> None:
    talk = Conversation().say(GOOD * 2000)
    statuses = talk.statuses
    assert 100 <= len(statuses) < 2000
    assert set(statuses[:-1]) == {200}
    assert statuses[-1] == 400
    assert talk.is_over


H2C = (
    b"connection: Upgrade, HTTP2-Settings",
    b"upgrade: h2c",
    b"http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_offer_to_upgrade_is_ignored_as_java_clients_make_it_with_every_request(size: int) -> None:
    conversations = {
        "length": post(*H2C, CL + b"5", body=b"hello"),
        "chunks": post(*H2C, TE + b"chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        "nothing": post(*H2C, CL + b"0"),
        "websocket": get(b"connection: upgrade", b"upgrade: websocket"),
    }
    for kind, request_ in conversations.items():
        talk = Conversation().say(*[request_[i : i + size] for i in range(0, len(request_), size)])
        assert talk.statuses == [200], kind
        assert talk.seen[0].body == (b"hello" if kind in ("length", "chunks") else b"")
        assert not talk.is_over
        talk.say(*[request_[i : i + size] for i in range(0, len(request_), size)], GOOD)
        assert talk.statuses == [200, 200, 200], kind
        assert talk.seen[2].path == "/before"
        assert not talk.is_over


def test_an_offer_to_upgrade_hides_no_second_request() -> None:
    talk = Conversation().say(post(*H2C, CL + b"5", body=b"hello") + GOOD)
    assert talk.statuses in ([200, 200], [200, 400])
    assert len(talk.seen) == talk.statuses.count(200)


def test_a_request_without_a_body_that_offers_to_upgrade_may_be_followed_in_the_same_piece() -> None:
    talk = Conversation().say(get(*H2C) + GOOD)
    assert talk.statuses == [200, 200]


@pytest.mark.parametrize("chunks", [b"g\r\n", b"1\r\nxx\r\n"])
def test_bad_chunks_behind_an_offer_to_upgrade_are_refused(chunks: bytes) -> None:
    talk = Conversation().say(post(*H2C, TE + b"chunked", body=chunks))
    assert_refused(talk)
    assert talk.seen == []
