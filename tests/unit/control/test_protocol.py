"""Does what is no request hear a problem, as every request does?"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import orjson
import pytest
import uvicorn
from uvicorn.server import ServerState

from litemaas.control.app.protocol import ProblemProtocol


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("no request can be asked of anybody")


@pytest.mark.parametrize(
    "sent",
    [b"GET /api/v1/models?name=" + b"0" * 66_000 + b" HTTP/1.1\r\nhost: here\r\n\r\n", b"\x16\x03\x01 hello\r\n\r\n"],
)
async def test_what_is_no_request_is_told_so_by_a_problem(sent: bytes):
    config = uvicorn.Config(nobody, log_config=None, lifespan="off")
    config.load()
    wire = Wire()
    protocol = ProblemProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    protocol.connection_made(cast("asyncio.Transport", wire))
    protocol.data_received(sent)
    head, _, body = wire.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    problem = orjson.loads(body)
    assert (problem["status"], problem["code"]) == (400, "VALIDATION_ERROR")
    assert f"content-length: {len(body)}".encode() in head
    assert wire.is_closed
