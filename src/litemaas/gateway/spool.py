"""Where does a large upload wait? In a file without a name, so that no call needs more memory than it has in flight.

An upload is taken in as a whole before its model server is called, as nginx does by default (``proxy_request_buffering``, nginx
documentation, 2026-11): the fields of a form may stand in any order, a slow client occupies no model server, and what was
taken in can be sent again. The file has no name in any directory: whatever ends the call or the process gives its room back.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Iterable
from typing import Final, Protocol

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.http.stepping import outside

PIECE_BYTES: Final = 256 * 1024
"""What is written to a file, read from it and sent at a time."""
_DISK_TIMEOUT_S: Final = 30.0


class Room:
    """What all uploads of a worker may take on disk together. Units: bytes."""

    __slots__ = ("_free",)

    def __init__(self, max_bytes: int) -> None:
        self._free = max_bytes

    def take(self, size: int) -> None:
        """Errors: ServiceUnavailable."""
        if size > self._free:
            raise ServiceUnavailable("too many large uploads are under way at this moment; try again")
        self._free -= size

    def give_back(self, size: int) -> None:
        self._free += size


class SpoolFile:
    """The file of one upload. ``size``: bytes in it.

    Threads read and write it, so that a slow disk stops no other call; none of them is ever left with a closed descriptor,
    which by then could be another file's.
    """

    __slots__ = ("_descriptor", "_in_use", "_room", "size")

    def __init__(self, room: Room) -> None:
        """Errors: OSError."""
        self._room = room
        self._in_use = threading.Lock()
        self.size = 0
        self._descriptor = -1
        with tempfile.TemporaryFile() as file:
            self._descriptor = os.dup(file.fileno())

    async def append(self, data: bytes) -> None:
        """Errors: ServiceUnavailable when there is no room for it."""
        self._room.take(len(data))
        self.size += len(data)
        try:
            await outside(asyncio.to_thread(self._write, data, self.size - len(data)), _DISK_TIMEOUT_S)
        except (OSError, TimeoutError) as error:
            raise ServiceUnavailable("the upload cannot be taken in at this moment; try again") from error

    async def read(self, start: int, size: int) -> bytes:
        """Errors: ServiceUnavailable."""
        try:
            data = await outside(asyncio.to_thread(self._read, start, size), _DISK_TIMEOUT_S)
        except (OSError, TimeoutError) as error:
            raise ServiceUnavailable("the upload cannot be read at this moment; try again") from error
        if not data:
            raise ServiceUnavailable("the upload cannot be read at this moment; try again")
        return data

    def close(self) -> None:
        """Gives its room back at once; where a thread still uses it, when that is done and nobody holds it any more."""
        if self._descriptor >= 0 and self._in_use.acquire(blocking=False):
            try:
                os.close(self._descriptor)
            finally:
                self._descriptor = -1
                self._in_use.release()
            self._room.give_back(self.size)

    def _write(self, data: bytes, at: int) -> None:
        view = memoryview(data)
        with self._in_use:
            while view:
                written = os.pwrite(self._descriptor, view, at)
                view, at = view[written:], at + written

    def _read(self, start: int, size: int) -> bytes:
        with self._in_use:
            return os.pread(self._descriptor, size, start)

    def __del__(self) -> None:
        self.close()


class Spooled:
    """A part of an upload that lies in its file. ``head``: its beginning, as far as somebody looks at it. Units: bytes."""

    __slots__ = ("file", "head", "size", "start")

    def __init__(self, file: SpoolFile, start: int, size: int, head: bytes) -> None:
        self.file = file
        self.start = start
        self.size = size
        self.head = head

    def __len__(self) -> int:
        return self.size


Content = memoryview | Spooled
"""What a part of a form holds: in memory, or in a file."""


def close_files(contents: Iterable[Content | bytes]) -> None:
    """Closes the files of what lies in files."""
    for content in contents:
        if isinstance(content, Spooled):
            content.file.close()


class Outgoing(Protocol):
    """A body that is sent piece by piece. ``size``: bytes of all of it."""

    size: int

    async def next(self) -> bytes:
        """The next piece, empty after the last."""


class Sending:
    """Pieces on their way, once. What is in memory goes as it is, what lies in a file is read when it is its turn."""

    __slots__ = ("_at", "_pieces", "_read", "size")

    def __init__(self, pieces: list[bytes | Spooled]) -> None:
        self._pieces = pieces
        self._at = 0
        self._read = 0  # bytes of the piece whose turn it is
        self.size = sum(len(piece) for piece in pieces)

    async def next(self) -> bytes:
        """Errors: ServiceUnavailable."""
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            if isinstance(piece, bytes):
                self._at += 1
                if piece:
                    return piece
                continue
            rest = piece.size - self._read
            if rest > 0:
                data = await piece.file.read(piece.start + self._read, min(rest, PIECE_BYTES))
                self._read += len(data)
                return data
            self._at += 1
            self._read = 0
        return b""
