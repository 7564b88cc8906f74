"""How do we go on in HTTP/1.1 with a client that offered another protocol? Its offer is ignored, as RFC 9110 7.8 allows.

Java's HttpClient offers ``h2c`` with every request over plain HTTP. llhttp stops behind the header block of such a request, for
it takes what follows for the other protocol. So a second parser is brought to the same point by a header block of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools

if TYPE_CHECKING:
    from collections.abc import Callable

    from litemaas.gateway.http.messages import Request


class BodyCallbacks:
    """What a parser that reads only one body tells: nothing of the header block, for that was read before."""

    def __init__(self, on_body: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self.on_body = on_body
        self.on_message_complete = on_end


def has_body(request: Request) -> bool:
    return bool(request.length) or b"transfer-encoding" in request.headers


def body_parser(request: Request, callbacks: BodyCallbacks) -> httptools.HttpRequestParser:
    """A parser that stands where the body of ``request`` begins."""
    framing = b"transfer-encoding: chunked" if request.length is None else b"content-length: %d" % request.length
    parser = httptools.HttpRequestParser(callbacks)
    # "close", so that anything behind the body is an error: its callbacks would lead nowhere.
    parser.feed_data(b"POST / HTTP/1.1\r\nconnection: close\r\n%b\r\n\r\n" % framing)
    return parser
