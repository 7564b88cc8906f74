"""Where may a server of a test listen, and when does it?"""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import suppress

_BELOW_CONNECTIONS = range(15_000, 32_000)
"""No system takes these for the near end of a connection, as it might a port that it has just called free."""


def free_port() -> int:
    while True:
        port = random.SystemRandom().choice(_BELOW_CONNECTIONS)  # pytest-randomly gives all processes the same seed
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


async def until_listening(port: int, within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
