"""What is one round of load? Some clients at once, for some seconds; all that is under way at the end is still answered."""

from __future__ import annotations

import asyncio
from itertools import count
from time import perf_counter_ns
from typing import Any

from benchmarks import canned
from benchmarks.clients import CallClient, Client, Seen, StreamClient
from benchmarks.figures import percentile
from benchmarks.upstream import Streams

_GRACE_S = 20.0


class Load:
    """Runs rounds. The numbers of streams never repeat, or a client could confirm another's."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._numbers = count(1)
        self._is_awake = False

    async def run(self, command: dict[str, Any]) -> dict[str, Any]:
        """One round. ``command``: kind, port, path, model, answered_model, authorization, parallel, seconds, most_calls."""
        loop = asyncio.get_running_loop()
        seen = Seen()
        unseen_before = self._streams.unseen
        deadline = loop.time() + command["seconds"]
        left = command["most_calls"]
        whole = _message(command, None)

        def ask() -> tuple[int, bytes] | None:
            nonlocal left
            if left <= 0 or loop.time() >= deadline:
                return None
            left -= 1
            if command["kind"] == "json":
                return 0, whole
            number = next(self._numbers)
            return number, _message(command, number)

        def client() -> Client:
            if command["kind"] == "json":
                return CallClient(ask, seen, command["answered_model"])
            return StreamClient(ask, seen, self._streams)

        self._stay_awake(loop)
        started = perf_counter_ns()
        connections = [loop.create_connection(client, "127.0.0.1", command["port"]) for _ in range(command["parallel"])]
        clients = [protocol for _, protocol in await asyncio.gather(*connections)]
        _, hanging = await asyncio.wait([one.gone for one in clients], timeout=command["seconds"] + _GRACE_S)
        elapsed_ns = perf_counter_ns() - started
        self._is_awake = False
        for one in clients:
            if one.gone in hanging:
                one.abort()
        if hanging:
            await asyncio.wait(hanging, timeout=5)
        self._streams.running.clear()
        return _summary(seen, elapsed_ns) | {"unseen": self._streams.unseen - unseen_before}

    def _stay_awake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keeps the loop turning while a round runs.

        Else the candidate would pay for waking this process with each message to it. Over a network it would not, and a
        candidate that is quick enough to keep the load busy would not, either: the slower ones would look slower still.
        """
        self._is_awake = True

        def turn() -> None:
            if self._is_awake:
                loop.call_soon(turn)

        turn()


def _summary(seen: Seen, elapsed_ns: int) -> dict[str, Any]:
    return {
        "requests": seen.answers,
        "events": seen.events,
        "reads": seen.reads,
        "errors": seen.errors,
        "example": seen.example,
        "seconds": elapsed_ns / 1e9,
        "p50_us": percentile(seen.first_ns, 50) / 1000,
        "p99_us": percentile(seen.first_ns, 99) / 1000,
        "event_p50_us": percentile(seen.event_ns, 50) / 1000,
        "event_p99_us": percentile(seen.event_ns, 99) / 1000,
    }


def _message(command: dict[str, Any], number: int | None) -> bytes:
    body = canned.request_body(command["model"], number)
    head = (
        f"POST {command['path']} HTTP/1.1\r\nhost: 127.0.0.1:{command['port']}\r\ncontent-type: application/json\r\n"
        f"authorization: {command['authorization']}\r\naccept: */*\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
