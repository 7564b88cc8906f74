"""Where are usage records between the end of a call and PostgreSQL? In segment files, written before the client hears the end.

One line per record in PostgreSQL's COPY text format, with a checksum as its last column: what was written is sent to the
database as it is, and after a crash the same files are read again. The journal is the queue: memory holds offsets only.

``write`` reaches the operating system, so ``kill -9`` loses nothing; only while PostgreSQL is away are the files forced to
disk, because only then they hold more than the last fraction of a second.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.running import RunningCalls

_CHUNK = 4 * 1024 * 1024


class Journal:
    """The segments of one worker; its directory is locked, so that two processes never share a worker's name.

    Errors: ServiceUnavailable from the constructor when another process holds the directory.
    """

    def __init__(self, directory: Path, segment_bytes: int, max_bytes: int) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise ServiceUnavailable(f"another gateway process already works as {directory.name!r}") from None
        self._segments = sorted(directory.glob("*.log"))
        self._waiting = self._written = sum(path.stat().st_size for path in self._segments)
        self._reading_from = 0
        self._old = set(self._segments)
        self.is_failing = False
        self._unwritten: list[str] = []
        self._current = -1
        self._size = 0
        self._torn = False
        """Whether the segment ends with half a line."""
        self._open_segment()
        self.running = RunningCalls(directory / "running")
        for line in self.running.left_behind():
            self.append(line)
        self.flush()
        if not self.is_failing:
            self.running.start_over()

    def _open_segment(self) -> None:
        """Errors: OSError; then the segment before it goes on. (A closed number would soon be somebody's connection.)"""
        number = int(self._segments[-1].stem) + 1 if self._segments else 1
        path = self._directory / f"{number:012d}.log"
        before, self._current = self._current, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._segments.append(path)
        self._size = 0
        if before >= 0:
            with suppress(OSError):
                os.close(before)

    # -- writing ------------------------------------------------------------------------------------------------------

    def append(self, columns: str) -> None:
        """Takes one record; :meth:`flush` writes it. ``columns``: its COPY line without the checksum and the end of line."""
        self._unwritten.append(columns)

    def flush(self) -> None:
        """Writes what was appended, in one piece. What the disk does not take stays in memory and is tried again."""
        if not self._unwritten:
            return
        lines = []
        for columns in self._unwritten:
            data = columns.encode("utf-8", "replace")
            lines.append(b"%b\t%08x\n" % (data, crc32(data)))
        data = b"".join(lines) if not self._torn else b"\n" + b"".join(lines)
        try:
            written = os.write(self._current, data)
        except OSError:
            written = 0
        self.is_failing = written != len(data)
        if self.is_failing:
            self._take_back(written)
            return
        self._torn = False
        self._unwritten.clear()
        self.running.forget_ended()
        self._count(written)
        if self._size >= self._segment_bytes:
            with suppress(OSError):  # the next write tries again
                self._open_segment()

    def _take_back(self, written: int) -> None:
        """The disk became full within a line: half a record must not stay, or else stands on a line of its own."""
        try:
            if written:
                os.ftruncate(self._current, self._size)
        except OSError:
            self._torn = True
            self._count(written)

    def _count(self, written: int) -> None:
        self._size += written
        self._waiting += written
        self._written += written

    def check_room(self) -> None:
        """Errors: ServiceUnavailable when a call could not be accounted for; then it must not begin."""
        if self.is_failing:
            self.flush()
            if self.is_failing:
                raise ServiceUnavailable("the usage journal cannot be written; try again later")
        if self._waiting > self._max_bytes:
            raise ServiceUnavailable("too many usage records wait for the database; try again later")

    def position(self) -> int | None:
        """Where everything stands that was appended by now, so that :meth:`is_stored` can be asked for it.

        None while the disk does not take it.
        """
        self.flush()
        return None if self._unwritten else self._written

    def is_stored(self, position: int) -> bool:
        """Whether everything up to there is in the database, or set aside for good."""
        return self._written - self._waiting >= position

    @property
    def waiting_bytes(self) -> int:
        return self._waiting

    # -- reading ------------------------------------------------------------------------------------------------------

    def next_batch(self) -> tuple[bytes, int]:
        """Whole lines that are not in the database yet, oldest first, and how many bytes of the segment they stand for."""
        self.flush()
        while True:
            path = self._segments[0]
            with path.open("rb") as file:
                file.seek(self._reading_from)
                data = file.read(_CHUNK)
                if len(data) == _CHUNK and b"\n" not in data:
                    data += file.readline()
            end = data.rfind(b"\n") + 1
            if end:
                return self._sound(path, data[:end]), end
            if len(self._segments) == 1:
                return b"", 0
            if data:  # half a line that a crash left behind; its client never heard the end of the call
                self.set_aside(data + b"\n")
            self._drop_first(len(data))

    def _sound(self, path: Path, lines: bytes) -> bytes:
        """Lines of this process are sound; those found at the start are checked, and half-written ones are set aside."""
        if path not in self._old:
            return lines.replace(b"\n\n", b"\n").lstrip(b"\n")
        sound: list[bytes] = []
        broken: list[bytes] = []
        for line in lines.split(b"\n")[:-1]:
            columns, _, checksum = line.rpartition(b"\t")
            (sound if checksum == b"%08x" % crc32(columns) else broken).append(line)
        if lost := [line for line in broken if line]:
            self.set_aside(b"\n".join(lost) + b"\n")
        return b"".join(line + b"\n" for line in sound)

    def done(self, size: int) -> None:
        """The first ``size`` bytes of what ``next_batch`` showed are in the database."""
        self._reading_from += size
        self._waiting -= size
        if len(self._segments) > 1 and self._reading_from >= self._segments[0].stat().st_size:
            self._drop_first(0)

    def _drop_first(self, unread: int) -> None:
        path = self._segments.pop(0)
        self._waiting -= unread
        self._reading_from = 0
        self._old.discard(path)
        path.unlink()

    def set_aside(self, lines: bytes) -> None:
        """Keeps lines that the database can never take, for a person to look at."""
        with (self._directory / "rejected").open("ab") as file:
            file.write(lines)

    def sync(self) -> None:
        """Forces what was written to disk; blocks, so it belongs into a thread."""
        os.fdatasync(self._current)

    def close(self) -> None:
        self.flush()
        self.running.close()
        os.close(self._current)
        if self._waiting == 0:
            for path in self._segments:
                path.unlink(missing_ok=True)
        os.close(self._lock)
