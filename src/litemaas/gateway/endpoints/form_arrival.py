"""How does a form come in that is too large for memory? Fields stay, files go to disk beyond a few hundred kilobytes."""

from __future__ import annotations

from litemaas.core.errors import BodyTooLarge, InvalidField, MalformedBody, ServiceUnavailable
from litemaas.gateway.endpoints.form_scanner import Began, Ended, FormScanner
from litemaas.gateway.endpoints.multipart import Part, boundary_of, part_of
from litemaas.gateway.endpoints.sound import HEAD_BYTES
from litemaas.gateway.http.messages import Request
from litemaas.gateway.spool import PIECE_BYTES, Content, Room, Spooled, SpoolFile

MAX_FIELD = 64 * 1024
_MAX_FIELDS = 1024 * 1024
"""Bytes that the fields of a form may have together."""


async def arriving_parts(request: Request, max_body: int, max_parts: int, room: Room) -> list[Part]:
    """The parts of a form, once all of it has arrived.

    Units: bytes. Errors: BodyTooLarge as soon as that is certain; InvalidRequest; ServiceUnavailable; ClientGone.
    """
    scanner = FormScanner(boundary_of(request.headers.get(b"content-type", b"")), max_parts)
    arrival = _Arrival(room)
    try:
        await _take_in(request, max_body, scanner, arrival)
    except BaseException:
        arrival.close()
        raise
    return arrival.parts


async def _take_in(request: Request, max_body: int, scanner: FormScanner, arrival: _Arrival) -> None:
    size = request.length or 0
    if size <= max_body:
        size = 0
    while size <= max_body and (data := await request.take()):
        size += len(data)
        if size > max_body:
            break
        for event in scanner.feed(data):
            if isinstance(event, bytes):
                arrival.add(event)
            elif isinstance(event, Began):
                arrival.begin(event.head)
            elif isinstance(event, Ended):
                await arrival.end()
        await arrival.relieve()
    if size > max_body:
        raise BodyTooLarge(f"the body is larger than {max_body} bytes, the most that is taken here")
    scanner.finish()


class _Arrival:
    """Puts parts together. ``parts``: those that are complete."""

    __slots__ = (
        "_fields", "_file", "_head", "_in_memory", "_part", "_pieces", "_size", "_start", "_waiting", "parts", "room",
    )  # fmt: skip

    def __init__(self, room: Room) -> None:
        self.room = room
        self.parts: list[Part] = []
        self._part: Part | None = None
        self._file: SpoolFile | None = None
        self._pieces: list[bytes] = []
        self._waiting = 0  # bytes of the part under way that are in memory
        self._in_memory = 0  # bytes of complete files that are
        self._fields = 0
        self._begin_content()

    def begin(self, head: bytes) -> None:
        self._part = part_of(head, memoryview(b""))
        self._begin_content()

    def _begin_content(self) -> None:
        self._pieces = []
        self._waiting = 0
        self._size = 0
        self._head = b""
        self._start = -1

    def add(self, data: bytes) -> None:
        """Errors: InvalidField, MalformedBody for fields that are too long."""
        part = self._part
        self._pieces.append(data)
        self._waiting += len(data)
        self._size += len(data)
        if part is not None and part.filename is None:
            self._fields += len(data)
            if self._size > MAX_FIELD:
                raise InvalidField(f"{part.name} is longer than {MAX_FIELD} bytes", part.name)
            if self._fields > _MAX_FIELDS:
                raise MalformedBody(f"the form's fields are larger than {_MAX_FIELDS} bytes", "request_body")
        elif len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]

    async def relieve(self) -> None:
        """What is under way goes to disk, once there is enough of it. Errors: ServiceUnavailable."""
        part = self._part
        if part is not None and part.filename is not None and self._waiting + self._in_memory >= PIECE_BYTES:
            await self._spill()

    def close(self) -> None:
        """Nobody wants it any more."""
        if self._file is not None:
            self._file.close()

    async def _spill(self) -> None:
        if self._file is None:
            try:
                self._file = SpoolFile(self.room)
            except OSError as error:
                raise ServiceUnavailable("the upload cannot be taken in at this moment; try again") from error
        if self._start < 0:
            self._start = self._file.size
        data = b"".join(self._pieces)
        self._pieces = []
        self._waiting = 0
        await self._file.append(data)

    async def end(self) -> None:
        """The part is complete. Errors: ServiceUnavailable."""
        part = self._part
        if part is None:
            return
        if self._start >= 0 and self._waiting:
            await self._spill()
        await self.relieve()
        content: Content
        if self._start >= 0 and self._file is not None:
            content = Spooled(self._file, self._start, self._size, self._head)
        else:
            content = memoryview(b"".join(self._pieces))
            if part.filename is not None:
                self._in_memory += self._size
        self.parts.append(Part(part.name, part.head, part.name_at, content, part.filename))
        self._part = None
        self._begin_content()
