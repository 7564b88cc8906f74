"""Does the embedded Valkey come up whatever happened before, for those alone who know its password?"""

# ruff: noqa: ASYNC220, ASYNC240  a test does one thing at a time, so blocking its loop harms nobody

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import redis.asyncio
import redis.exceptions

from litemaas.db.embedded import EmbeddedValkey, PortBusy, StateDirectoryBusy
from litemaas.db.embedded.process import until

WITHIN_S = 30.0


@contextlib.asynccontextmanager
async def running(state_dir: Path, **options: object) -> AsyncIterator[EmbeddedValkey]:
    server = EmbeddedValkey(state_dir, **options)  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def ping(url: str) -> bool:
    async with redis.asyncio.Redis.from_url(url, socket_timeout=WITHIN_S) as client:
        return bool(await client.ping())


def is_running(process: psutil.Process) -> bool:
    """A dead child that nobody has waited for counts as gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


async def test_start_gives_a_working_url_that_stays_the_same(state_dir: Path) -> None:
    async with running(state_dir) as server:
        first_url = server.url
        assert await ping(server.url)
        assert await server.start() == first_url
    async with running(state_dir) as server:
        assert server.url == first_url
        assert await ping(server.url)


async def test_password_is_required_private_and_in_no_argument(state_dir: Path) -> None:
    async with running(state_dir) as server:
        password_file = state_dir / "valkey.password"
        password = password_file.read_text(encoding="ascii").strip()
        assert password in server.url
        with pytest.raises(redis.exceptions.AuthenticationError):
            await ping(server.url.replace(f":{password}@", ""))
        with pytest.raises(redis.exceptions.AuthenticationError):
            await ping(server.url.replace(password, "wrong"))
        process = psutil.Process(server.pid)
        assert password not in " ".join([*process.cmdline(), *process.environ().values()])
    assert password_file.stat().st_mode & 0o777 == 0o600
    assert password not in (state_dir / "log" / "valkey.log").read_text(encoding="utf-8")


async def test_counters_are_never_written_to_disk(state_dir: Path) -> None:
    async with running(state_dir) as server:
        before = {path.name for path in state_dir.iterdir()}
        async with redis.asyncio.Redis.from_url(server.url, socket_timeout=WITHIN_S) as client:
            await client.incr("calls")
            assert (await client.config_get("save"))["save"] == ""
        await server.stop()
        await server.start()
        async with redis.asyncio.Redis.from_url(server.url, socket_timeout=WITHIN_S) as client:
            assert await client.get("calls") is None
        assert {path.name for path in state_dir.iterdir()} == before


async def test_stop_leaves_no_process(state_dir: Path) -> None:
    async with running(state_dir) as server:
        process = psutil.Process(server.pid)
    assert server.pid is None
    assert not is_running(process)


async def test_killed_server_can_be_started_again(state_dir: Path) -> None:
    async with running(state_dir) as server:
        os.kill(server.pid or 0, signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL
        await server.start()
        assert await ping(server.url)


async def test_second_server_in_one_place_is_refused(state_dir: Path) -> None:
    async with running(state_dir) as server:
        with pytest.raises(StateDirectoryBusy, match=f"process {os.getpid()}"):
            await EmbeddedValkey(state_dir).start()
        assert await ping(server.url)


async def test_server_left_behind_is_replaced_on_the_same_port(state_dir: Path) -> None:
    server = EmbeddedValkey(state_dir)
    await server.start()
    former = psutil.Process(server.pid)
    server._lock.release()  # as the kernel does for a killed parent
    async with running(state_dir) as successor:
        assert successor.url == server.url
        assert successor.pid != former.pid
        assert await until(lambda: not is_running(former), WITHIN_S)
    await server.stop()


@contextlib.asynccontextmanager
async def stranger(port: int = 0) -> AsyncIterator[int]:
    """A server that speaks another protocol; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        yield server.sockets[0].getsockname()[1]


async def test_stranger_on_last_times_port_is_left_alone(state_dir: Path) -> None:
    async with running(state_dir) as server:
        former_url = server.url
    async with stranger(int((state_dir / "valkey.port").read_text(encoding="ascii"))), running(state_dir) as server:
        assert server.url != former_url
        assert await ping(server.url)


async def test_wanted_port_that_is_busy_is_named(state_dir: Path) -> None:
    async with stranger() as port:
        with pytest.raises(PortBusy, match=f"port {port} is in use"):
            await EmbeddedValkey(state_dir, port=port).start()


_PARENT = """
import asyncio, sys
from pathlib import Path
from litemaas.db.embedded import EmbeddedValkey
async def main():
    server = EmbeddedValkey(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
async def test_server_dies_with_its_killed_parent(state_dir: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT, str(state_dir)], stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            server = psutil.Process(int(parent.stdout.readline()))
        finally:
            parent.kill()
        assert await until(lambda: not is_running(server), WITHIN_S)


async def test_shared_valkey_is_empty_for_each_test(redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(redis_url, socket_timeout=WITHIN_S) as client:
        assert await client.dbsize() == 0
        await client.set("left", "over")
