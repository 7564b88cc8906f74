"""Do a thousand concurrent streams fit one worker? ``python -m benchmarks.many_streams``: completeness, memory, added delay.

Streams begin one after the other, so that a first token is waited for while all earlier streams are under way; each sends an
event every ``EVENT_S``. The same load is given to the engine directly and then, several times, through the gateway, whose
memory is read before, during and after.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import re
import shutil
import signal
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import uvloop

from benchmarks import canned, machine
from benchmarks.candidates.base import Candidate, Place
from benchmarks.candidates.litemaas import litemaas
from benchmarks.processes import cpu_ns, rss_bytes, tree

EVENT_S = 0.25
"""Between two events of a stream: 4 tokens a second, a slow engine; many streams at once are what is measured."""
FIRST_S = 0.02
STARTS_PER_S = 200
WITHIN_S = 120.0
TTFT_BAR_MS = 10.0
GROWTH_BAR = 0.1
"""Memory after the last round may be this much above that after the first one."""
_RESULTS = machine.ROOT / "benchmarks" / "results"
_CHUNKS = canned.chunks(continuous_usage=True)
_TAIL = canned.usage_chunk() + canned.end_of_stream()
_LENGTH = re.compile(rb"\r\ncontent-length: ?(\d+)", re.IGNORECASE)


class Engine(asyncio.Protocol):
    """One connection to an engine that sends an event every ``EVENT_S``."""

    def __init__(self) -> None:
        self._rest = b""
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._rest += data
        end = self._rest.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(self._rest, 0, end)
        if end >= 4 and len(self._rest) >= end + (int(length[1]) if length else 0):
            self._rest = b""
            self._next = 0
            self._timer = asyncio.get_running_loop().call_later(FIRST_S, self._send)

    def _send(self) -> None:
        self._transport.write(_CHUNKS[self._next])
        self._next += 1
        if self._next == len(_CHUNKS):
            self._transport.write(_TAIL)
        else:
            self._timer = asyncio.get_running_loop().call_later(EVENT_S, self._send)


@dataclass
class Seen:
    """What the clients of one round saw. Units: seconds."""

    first_s: list[float] = field(default_factory=list)
    whole: int = 0
    broken: list[str] = field(default_factory=list)
    running: int = 0
    most_running: int = 0


class Client(asyncio.Protocol):
    """One stream on a connection of its own."""

    def __init__(self, message: bytes, seen: Seen) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._message = message
        self._seen = seen
        self._words = 0
        self._tail = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._began = perf_counter()
        self._transport.write(self._message)
        self._seen.running += 1
        self._seen.most_running = max(self._seen.most_running, self._seen.running)

    def data_received(self, data: bytes) -> None:
        if not self._words and b"data:" in data:
            self._seen.first_s.append(perf_counter() - self._began)
        self._words += data.count(b'"choices":[{')
        self._tail = (self._tail + data)[-200:]
        if self._tail.endswith(b"0\r\n\r\n"):
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._seen.running -= 1
        if self._words == canned.CHUNKS and self._tail.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
            self._seen.whole += 1
        else:
            self._seen.broken.append(f"{self._words} events, {exc!r}, {self._tail!r}")
        self.ended.set_result(None)


async def one_round(candidate: Candidate, streams: int) -> dict[str, Any]:
    """All streams begin, overlap and end; what the candidate's process held meanwhile."""
    seen = Seen()
    body = canned.request_body(candidate.model, 0)
    message = (
        b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: %b\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (candidate.path.encode(), candidate.authorization.encode(), len(body), body)
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    pids = tree(candidate.pid) if candidate.pid is not None else []
    before, cpu_before, began = rss_bytes(pids), cpu_ns(pids), loop.time()
    clients, peak = [], before
    async with asyncio.timeout(WITHIN_S):
        for number in range(streams):
            await asyncio.sleep(max(0.0, began + number / STARTS_PER_S - loop.time()))
            _, client = await loop.create_connection(lambda: Client(message, seen), "127.0.0.1", candidate.port)
            clients.append(client)
        while not all(client.ended.done() for client in clients):
            peak = max(peak, rss_bytes(pids))
            await asyncio.sleep(0.2)
    if not seen.first_s:
        raise RuntimeError(f"no stream began: {seen.broken[:1]}")
    first_ms = sorted(second * 1000 for second in seen.first_s)
    return {
        "whole": seen.whole, "broken": len(seen.broken), "example": seen.broken[:1], "most_at_once": seen.most_running,
        "first_p50_ms": round(statistics.median(first_ms), 3), "first_p99_ms": round(first_ms[int(len(first_ms) * 0.99)], 3),
        "cpu_s": round((cpu_ns(pids) - cpu_before) / 1e9, 3), "rss_before_mib": before >> 20, "rss_peak_mib": peak >> 20,
        "rss_after_mib": rss_bytes(pids) >> 20,
    }  # fmt: skip


async def refused_before_the_first(candidate: Candidate) -> int:
    """Calls until one was admitted: a Valkey that has just been started gives nothing out for a second."""
    for refused in range(100):
        try:
            await one_round(candidate, 1)
        except RuntimeError:
            await asyncio.sleep(0.1)
        else:
            return refused
    raise RuntimeError("no call is admitted")


async def measure(place: Place, streams: int, rounds: int) -> dict[str, Any]:
    direct = Candidate("direct", place.upstream_port)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(litemaas(place))
        refused = await refused_before_the_first(gateway)
        await one_round(gateway, 50)  # what is loaded and pooled once is no growth
        gc.freeze()
        results: dict[str, list[dict[str, Any]]] = {"direct": [], "litemaas": []}
        for number in range(rounds):
            for candidate in (direct, gateway):
                print(f"· round {number + 1} of {rounds}, {streams} streams, {candidate.name}", flush=True)
                results[candidate.name].append(await one_round(candidate, streams))
        assert gateway.audit is not None
        audit = await gateway.audit(51 + streams * rounds, refused)
    added = statistics.median(
        ours["first_p50_ms"] - theirs["first_p50_ms"]
        for ours, theirs in zip(results["litemaas"], results["direct"], strict=True)
    )
    ours = results["litemaas"]
    growth = ours[-1]["rss_after_mib"] / ours[0]["rss_after_mib"] - 1
    bars = {
        "all complete": all(r["whole"] == streams and not r["broken"] for r in ours),
        "all at once": all(r["most_at_once"] == streams for r in ours),
        f"added p50 of the first event ≤ {TTFT_BAR_MS:g} ms": added <= TTFT_BAR_MS,
        f"memory grows by ≤ {GROWTH_BAR:.0%} from the first round to the last": growth <= GROWTH_BAR,
    }
    return {
        "streams": streams, "events_per_stream": canned.CHUNKS, "event_s": EVENT_S, "added_first_p50_ms": round(added, 3),
        "growth": round(growth, 4), "bars": bars, "audit": audit, "rounds": results,
    }  # fmt: skip


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))
    sut_core, load_core = cores[0], cores[-1]
    os.sched_setaffinity(0, {load_core})
    folder = Path(tempfile.mkdtemp(prefix="litemaas-streams-"))
    server = await asyncio.get_running_loop().create_server(Engine, "127.0.0.1", 0, backlog=4096)
    try:
        place = Place(folder, folder, sut_core, load_core, server.sockets[0].getsockname()[1])
        result = await measure(place, arguments.streams, arguments.rounds)
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
    command = " ".join(["python -m benchmarks.many_streams", *sys.argv[1:]])
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {"at": now, "command": command, "machine": machine.describe({}), "commit": machine.commit(), **result}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--no-save", action="store_true", help="only print")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = uvloop.run(run(arguments))
    print(
        json.dumps({name: value for name, value in result.items() if name != "machine"}, indent=1, ensure_ascii=False)
    )
    if not arguments.no_save:
        name = f"many-streams-{result['at'][:10]}-{result['commit']['commit'][:8]}.json"
        (_RESULTS / name).write_text(json.dumps(result, indent=1) + "\n")
        print(f"· kept as benchmarks/results/{name}")
    return 0 if all(result["bars"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
