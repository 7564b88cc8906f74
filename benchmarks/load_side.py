"""What runs on the load's core? The upstream and the clients in one process, told by stdin what to do.

One line of JSON per command, one per answer; an empty command asks how many calls the upstream has answered so far. Ends when
stdin does.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys

import uvloop

from benchmarks.load import Load
from benchmarks.upstream import Streams, Upstream

_LOOK_EVERY_S = 0.05
_STALLED_NS = 1_000_000_000


async def _advance_stalled(streams: Streams) -> None:
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        streams.advance_stalled(_STALLED_NS)


_NICE = 5
"""This process never sleeps during a round; PostgreSQL and Valkey on the same core go first."""


async def serve() -> None:
    os.nice(_NICE)
    loop = asyncio.get_running_loop()
    streams = Streams()
    server = await loop.create_server(lambda: Upstream(loop, streams), "127.0.0.1", 0, backlog=1024)
    load = Load(streams)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    watch = asyncio.create_task(_advance_stalled(streams))
    _say({"port": server.sockets[0].getsockname()[1]})
    gc.freeze()
    while line := await reader.readline():
        command = json.loads(line)
        _say(await load.run(command) if command else {"served": streams.served})
    watch.cancel()
    server.close()


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(serve())
