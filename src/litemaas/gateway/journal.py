"""Where are usage records between the end of a call and PostgreSQL? In segment files, written before the client hears the end.

One line per record in PostgreSQL's COPY text format, with a checksum as its last column: what was written is sent to the
database as it is, and after a crash the same files are read again. The journal is the queue: memory holds offsets only.

The end of the newest segment is mapped into memory, and a record is written by copying it there. What is in mapped memory is
the file's at once, so ``kill -9`` loses nothing, and no call needs a system call for its record. The blocks are allocated
before they are mapped, a step at a time: a full disk shows then, and nowhere else. What of a step is not written yet is zeros,
which no record holds. Only while PostgreSQL is away are the files forced to disk, because only then they hold more than the
last fraction of a second.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.running import RunningCalls

_CHUNK: Final = 4 * 1024 * 1024
_STEP: Final = 512 * 1024
"""Bytes that are allocated and mapped at once; the most of a step that an idle worker keeps in memory."""
_GRAIN: Final = mmap.ALLOCATIONGRANULARITY


class Segment:
    """One file. ``size``: of the records in it. ``is_old``: an earlier life wrote it, so its lines must be checked."""

    __slots__ = ("is_old", "path", "size")

    def __init__(self, path: Path, size: int, is_old: bool) -> None:
        self.path = path
        self.size = size
        self.is_old = is_old


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
        self._segments = [Segment(path, _written_of(path), True) for path in sorted(directory.glob("*.log"))]
        self._waiting = self._written = sum(segment.size for segment in self._segments)
        self._reading_from = 0
        self.is_failing = False
        self._unwritten: list[str] = []
        self._current = -1
        self._memory: mmap.mmap | None = None
        self._mapped_from = self._mapped_to = 0
        """The part of the newest segment that is mapped."""
        self._size = 0
        self._open_segment()
        self.running = RunningCalls(directory / "running")
        for line in self.running.left_behind():
            self.append(line)
        self.flush()
        if not self.is_failing:
            self.running.start_over()

    def _open_segment(self) -> None:
        """Errors: OSError; then the segment before it goes on. (A closed number would soon be somebody's connection.)"""
        number = int(self._segments[-1].path.stem) + 1 if self._segments else 1
        path = self._directory / f"{number:012d}.log"
        current = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if self._current >= 0:
            self._leave_segment()
        self._current = current
        self._segments.append(Segment(path, 0, False))
        self._size = 0

    def _leave_segment(self) -> None:
        """Gives back what was allocated and not written."""
        self._segments[-1].size = self._size
        if self._memory is not None:
            self._memory.close()
            self._memory = None
            self._mapped_from = self._mapped_to = 0
        with suppress(OSError):
            os.ftruncate(self._current, self._size)
        with suppress(OSError):
            os.close(self._current)

    # -- writing ------------------------------------------------------------------------------------------------------

    def append(self, columns: str) -> None:
        """Takes one record; :meth:`flush` writes it. ``columns``: its COPY line without the checksum and the end of line."""
        self._unwritten.append(columns)

    def flush(self) -> None:
        """Writes what was appended. What the disk has no room for stays in memory and is tried again."""
        if not self._unwritten:
            return
        pieces: list[bytes] = []
        for columns in self._unwritten:
            data = columns.encode() if columns.isascii() else columns.encode("utf-8", "replace")  # the first is quicker
            pieces.append(data)
            pieces.append(b"\t%d\n" % crc32(data))
        lines = b"".join(pieces)
        size = len(lines)
        memory = self._memory
        if memory is None or self._size + size > self._mapped_to:
            memory = self._make_room(size)
            if memory is None:
                self.is_failing = True
                return
        at = self._size - self._mapped_from
        memory[at : at + size] = lines
        self.is_failing = False
        self._unwritten.clear()
        self.running.forget_ended()
        self._size += size
        self._waiting += size
        self._written += size
        if self._size >= self._segment_bytes:
            with suppress(OSError):  # the next write tries again
                self._open_segment()

    def _make_room(self, size: int) -> mmap.mmap | None:
        """Maps the next step of the segment, with room for ``size`` bytes; None while the disk has none.

        Allocated first: mapped memory that the disk has no room for would kill us.
        """
        start = self._size - self._size % _GRAIN
        length = max(_STEP, self._size + size - start + _GRAIN - 1)
        length -= length % _GRAIN
        try:
            os.posix_fallocate(self._current, start, length)
            memory = mmap.mmap(self._current, length, offset=start)
        except OSError:
            return None
        if self._memory is not None:
            self._memory.close()
        self._memory = memory
        self._mapped_from, self._mapped_to = start, start + length
        return memory

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

    @property
    def written_bytes(self) -> int:
        """The position of the end of what was written."""
        return self._written

    # -- reading ------------------------------------------------------------------------------------------------------

    def next_batch(self) -> tuple[bytes, int]:
        """Whole lines that are not in the database yet, oldest first, and how many bytes of the segment they stand for."""
        self.flush()
        while True:
            segment = self._segments[0]
            is_newest = len(self._segments) == 1
            data = self._read(segment.path, (self._size if is_newest else segment.size) - self._reading_from)
            end = data.rfind(b"\n") + 1
            if end:
                return (self._sound(data[:end]) if segment.is_old else data[:end]), end
            if is_newest:
                return b"", 0
            if data:  # half a line that a crash left behind; its client never heard the end of the call
                self.set_aside(data + b"\n")
            self._drop_first(len(data))

    def _read(self, path: Path, there: int) -> bytes:
        """A chunk, or a whole line if that is longer; at most what is there."""
        with path.open("rb") as file:
            file.seek(self._reading_from)
            data = file.read(min(_CHUNK, there))
            if there > _CHUNK and b"\n" not in data:
                data += file.readline(there - len(data))
        return data

    def _sound(self, lines: bytes) -> bytes:
        """Lines of this process are sound; those found at the start are checked, and half-written ones are set aside."""
        sound: list[bytes] = []
        broken: list[bytes] = []
        for line in lines.split(b"\n")[:-1]:
            columns, _, checksum = line.rpartition(b"\t")
            (sound if checksum == b"%d" % crc32(columns) else broken).append(line)
        if lost := [line for line in broken if line]:
            self.set_aside(b"\n".join(lost) + b"\n")
        return b"".join(line + b"\n" for line in sound)

    def done(self, size: int) -> None:
        """The first ``size`` bytes of what ``next_batch`` showed are in the database."""
        self._reading_from += size
        self._waiting -= size
        if len(self._segments) > 1 and self._reading_from >= self._segments[0].size:
            self._drop_first(0)

    def _drop_first(self, unread: int) -> None:
        segment = self._segments.pop(0)
        self._waiting -= unread
        self._reading_from = 0
        segment.path.unlink()

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
        self._leave_segment()
        if self._waiting == 0:
            for segment in self._segments:
                segment.path.unlink(missing_ok=True)
        os.close(self._lock)


def _written_of(path: Path) -> int:
    """How much of a segment was written; what was only allocated is zeros."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read() == b"\n":
            return size
        file.seek(0)
        return len(file.read().rstrip(b"\0"))
