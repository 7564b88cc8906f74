"""How do thousands call at the same moment? Each on a connection of its own; all connect first, then all send at once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

CONNECTING_AT_ONCE = 100
WITHIN_S = 90.0


def message(key: str, body: dict[str, Any], path: str = "/v1/chat/completions") -> bytes:
    content = json.dumps(body).encode()
    return (
        b"POST %b HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer %b\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (path.encode(), key.encode(), len(content), content)
    )


async def call_at_once(ports: Sequence[int], count: int, what: bytes) -> Counter[str]:
    """How often each was answered: the status, and the words of a refusal that is the server's; spread over the ports."""
    turn = asyncio.Semaphore(CONNECTING_AT_ONCE)
    go = asyncio.Event()
    connected = 0

    async def call(port: int) -> str:
        nonlocal connected
        async with turn:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        connected += 1
        if connected == count:
            go.set()
        await go.wait()
        writer.write(what)
        told = await _told(reader)
        writer.close()
        return told

    async with asyncio.timeout(WITHIN_S):
        return Counter(await asyncio.gather(*(call(ports[number % len(ports)]) for number in range(count))))


async def _told(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    body = await reader.readexactly(length)
    status = head.split(b" ", 2)[1].decode()
    return status if status < "500" else f"{status} {json.loads(body)['error']['message']}"
