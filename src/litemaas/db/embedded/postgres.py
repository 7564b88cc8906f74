"""How does PostgreSQL run on one machine without being installed? From a wheel's binaries, under our own launcher."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from litemaas.db.embedded.cluster import DATABASE, LADDER, ROLE, Cluster
from litemaas.db.embedded.errors import PortBusy, ServerDidNotStart, StateDirectoryUnusable
from litemaas.db.embedded.process import ServerProcess, until
from litemaas.db.embedded.state import StateLock, make_private_directory, settle_port
from litemaas.db.embedded.unprivileged import Identity, possible_identities

_CONNECT_WITHIN_S = 5.0
_BIND_ATTEMPTS = 5

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path is limited to 107 bytes and a clone's is not
    "max_connections": "200",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "jit": "off",
    "logging_collector": "off",  # stderr goes to our bounded log
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] ",
    # Statements and row values can hold what no log may hold
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length_on_error": "0",
}
# One call instead of opening every file before recovery; macOS has no such call
_LINUX_SETTINGS = {"recovery_init_sync_method": "syncfs"}
# Files are left to the kernel; a killed server loses nothing by that, a machine without power everything
_FLEETING_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """A PostgreSQL 16 whose data lie under ``<state_dir>/postgres`` and which ends when this process does.

    ``port``: 0 keeps last time's while it is free. ``identities``: as whom it may run, tried in order.
    ``shared_buffers``: as PostgreSQL spells it; None = as much as suits a laptop.
    ``fleeting``: for data that need not outlive the machine, such as those of tests: nothing waits for the disk.
    Committed data survive ``kill -9`` of anything; a server left behind by a killed parent is ended first.
    Start and stop it from a thread that lives as long as the server: on Linux the kernel ends it with that thread.

    Errors: EmbeddedServerError
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        port: int = 0,
        identities: Sequence[Identity] | None = None,
        fleeting: bool = False,
        shared_buffers: str | None = None,
        start_within_s: float = 60.0,
    ) -> None:
        self._state_dir = state_dir
        self._wanted_port = port
        self._identities = identities
        self._own_settings = dict(_FLEETING_SETTINGS) if fleeting else {}
        if shared_buffers is not None:
            self._own_settings["shared_buffers"] = shared_buffers
        self._start_within_s = start_within_s
        self._lock = StateLock(state_dir, "postgres.lock")
        self._process: ServerProcess | None = None
        self._identity: Identity | None = None
        self._url = ""

    @property
    def url(self) -> str:
        if not self._url:
            raise ServerDidNotStart("the embedded PostgreSQL has not been started: await start() first.")
        return self._url

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.is_running else None

    @property
    def identity(self) -> Identity | None:
        """As whom it runs."""
        return self._identity

    async def start(self) -> str:
        """Starts it, or leaves it running; its URL. What an earlier run left half done is repaired."""
        if self.pid is not None:
            return self.url
        await self.stop()
        self._lock.acquire()
        try:
            state_dir = make_private_directory(self._state_dir)
            cluster = await Cluster.open(state_dir, self._identities or possible_identities())
            await cluster.end_leftover()
            self._url = await self._serve(cluster, await cluster.prepare())
            self._identity = cluster.disguise.identity
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def stop(self) -> None:
        """Ends it: open transactions are rolled back, a checkpoint makes the next start quick."""
        if self._process is not None:
            await self._process.stop()
            self._process = None
        self._lock.release()

    async def wait(self) -> int:
        """Waits until the server ends by itself or by force; its exit status, negative for a signal."""
        if self._process is None:
            raise ServerDidNotStart("the embedded PostgreSQL has not been started: await start() first.")
        return await self._process.wait()

    async def _serve(self, cluster: Cluster, password: str) -> str:
        """Starts and waits until a connection works; a port taken meanwhile is replaced by another."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._start_within_s
        log = cluster.state_dir / "log" / "postgres.log"
        binds = 0
        while True:
            port = settle_port(cluster.state_dir / "postgres.port", self._wanted_port)
            url = f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}"
            self._process = ServerProcess(cluster.serve({**_settings(port), **self._own_settings}), log, LADDER)
            if await _answers(self._process, url, deadline):
                return url
            said, is_running = self._process.said(), self._process.is_running
            await self._process.stop()
            if is_running or loop.time() >= deadline:
                raise _did_not_start(f"did not answer within {self._start_within_s:.0f} s", log, said)
            if "could not create any TCP/IP sockets" in said:
                binds += 1
                if self._wanted_port or binds == _BIND_ATTEMPTS:
                    raise PortBusy(f"port {port} is in use: stop who listens there, or choose another port.", port)
            elif "still in use" not in said:  # the processes of a killed server are gone in a moment
                raise _did_not_start("ended at once", log, said)
            await asyncio.sleep(0.1)


def _settings(port: int) -> dict[str, str]:
    return {**_SETTINGS, **(_LINUX_SETTINGS if sys.platform == "linux" else {}), "port": str(port)}


async def _answers(process: ServerProcess, url: str, deadline: float) -> bool:
    """Whether a connection works before the deadline and before the server ends."""
    loop = asyncio.get_running_loop()
    while process.is_running and loop.time() < deadline:
        try:
            connection = await asyncpg.connect(url, ssl=False, timeout=_CONNECT_WITHIN_S)
            await connection.close(timeout=_CONNECT_WITHIN_S)
        except asyncpg.InvalidPasswordError as error:
            raise StateDirectoryUnusable(
                "postgres.password in the state directory does not fit the data beside it: put the right one back, or "
                "remove the file and start again for a new one."
            ) from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # not yet; TimeoutError is an OSError
            await until(lambda: not process.is_running, 0.03)
        else:
            return True
    return False


def _did_not_start(what: str, log: Path, said: str) -> ServerDidNotStart:
    return ServerDidNotStart(f"the embedded PostgreSQL {what}; the end of {log}:\n{said or '(nothing)'}")
