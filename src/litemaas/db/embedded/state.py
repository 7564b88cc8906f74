"""What is kept beside the embedded servers' data? A lock, generated passwords and the ports they had last time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
from pathlib import Path
from types import TracebackType

from litemaas.db.embedded.errors import PortBusy, StateDirectoryBusy, StateDirectoryUnusable

_LOOPBACK = "127.0.0.1"


def make_private_directory(directory: Path) -> Path:
    """The directory with all links resolved, made with mode 0700 where it is missing."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory.resolve(strict=True)
    except OSError as error:
        raise StateDirectoryUnusable(
            f"{directory} cannot be made: {error.strerror}. Set LITEMAAS_STATE_DIR to a directory you may write to."
        ) from error


class StateLock:
    """One process at a time uses a state directory; the kernel gives the lock back when its holder dies.

    A process that is forked without exec shares the lock and holds it on.

    Errors: StateDirectoryBusy with the holder's pid
    """

    def __init__(self, state_dir: Path, name: str = "state.lock") -> None:
        self._path = state_dir / name
        self._fd: int | None = None

    def acquire(self) -> None:
        make_private_directory(self._path.parent)
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise StateDirectoryUnusable(
                f"{self._path} belongs to another user: start as that user, give the directory to yourself, "
                "or set LITEMAAS_STATE_DIR to one of your own."
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise self._busy(holder) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """The file stays: removing it would let two processes lock two files of one name."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _busy(self, holder: str) -> StateDirectoryBusy:
        pid = int(holder) if holder.isdigit() else None
        who = f"process {pid}" if pid else "another process"
        return StateDirectoryBusy(
            f"{self._path.parent} is in use by {who}: stop it first, or set LITEMAAS_STATE_DIR to another directory.",
            pid,
        )

    def __enter__(self) -> StateLock:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


def keep_secret(path: Path) -> str:
    """The password kept at ``path`` with mode 0600, generated when there is none; letters and digits only."""
    with contextlib.suppress(FileNotFoundError):
        kept = path.read_text(encoding="ascii").strip()
        if kept:
            return kept
    secret = secrets.token_hex(24)
    _replace(path, secret)
    return secret


def settle_port(record: Path, wanted: int) -> int:
    """The port to listen on: the wanted one, else last time's while it is free, else one from the system.

    Errors: PortBusy when a certain port is wanted
    """
    if wanted and not is_free(wanted):
        raise PortBusy(f"port {wanted} is in use: stop who listens there, or choose another port.", wanted)
    former = remembered_port(record)
    port = wanted or (former if former and is_free(former) else _any_port())
    if port != former:
        _replace(record, str(port))
    return port


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def remembered_port(record: Path) -> int | None:
    """The port of the last start, if one is known."""
    try:
        text = record.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return int(text) if text.isdigit() and 0 < int(text) < 65536 else None


def is_free(port: int) -> bool:
    """Whether a server of ours could listen on the loopback there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: TIME_WAIT does not count
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def _replace(path: Path, text: str) -> None:
    """Whole or not at all, also when the machine stops in between."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
