"""Which parts does a form have, and how is it written again? A strict reading of multipart/form-data (RFC 7578, RFC 2046).

What two parsers might read differently is refused, and a form is written again under a boundary of our own: whatever a client
hides behind look-alikes of its boundary, the model server finds the very parts that were found here. Contents are never
decoded; they are views of the body as it came, or lie in a file
(:mod:`~litemaas.gateway.endpoints.form_arrival`).
"""

from __future__ import annotations

import re

import msgspec

from litemaas.core.errors import InvalidField, MalformedBody
from litemaas.gateway.spool import Content, Spooled

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(
    rb"multipart/form-data((?:[ \t]*;[ \t]*[A-Za-z-]+=(?:\"[^\"\\]*\"|[^\s;\",]+))+)[ \t]*", re.IGNORECASE
)
_TYPE_PARAMETER = re.compile(rb";[ \t]*([A-Za-z-]+)=(?:\"([^\"\\]*)\"|([^\s;\",]+))")
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_LINE = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_DISPOSITION = re.compile(rb"form-data[ \t]*(?=;)", re.IGNORECASE)
_PARAMETER = re.compile(rb";[ \t]*([A-Za-z]+\*?)=(?:\"((?:[^\"\\]|\\.)*)\"|(" + _TOKEN + rb"))[ \t]*")
_NAME = re.compile(rb"[0-9A-Za-z_.\[\]-]{1,128}")
MAX_HEAD = 8 * 1024
_MAX_LINES = 8


class Part(msgspec.Struct, frozen=True, gc=False):
    """One part of a form. ``head``: its header lines as they came; ``name_at``: where the name stands in them, with quotes.

    ``filename`` is as written, None for a plain field.
    """

    name: str
    head: bytes
    name_at: tuple[int, int]
    content: Content
    filename: bytes | None = None


def boundary_of(content_type: bytes) -> bytes:
    """The boundary that a content-type header names.

    Errors: MalformedBody.
    """
    found = _TYPE.fullmatch(content_type)
    if found is None:
        raise MalformedBody("files are sent as multipart/form-data with a boundary", "request_body")
    parameters: dict[bytes, bytes] = {}
    for name, quoted, plain in _TYPE_PARAMETER.findall(found[1]):
        if name.lower() in parameters:
            raise MalformedBody("the content-type names a parameter twice", "request_body")
        parameters[name.lower()] = quoted or plain
    boundary = parameters.pop(b"boundary", b"")
    if not _BOUNDARY.fullmatch(boundary):
        raise MalformedBody("the content-type has no valid boundary", "request_body")
    if parameters.pop(b"charset", b"utf-8").lower() != b"utf-8" or parameters:
        raise MalformedBody("the content-type of a form has a boundary and nothing else", "request_body")
    return boundary


def split_parts(body: bytes, boundary: bytes, max_parts: int) -> list[Part]:
    """The parts of a form, in order.

    Errors: MalformedBody, also for more than ``max_parts``.
    """
    first = b"--" + boundary
    if not body.startswith(first + b"\r\n"):
        raise MalformedBody("the form does not begin with its boundary", "request_body")
    delimiter = re.compile(re.escape(b"\r\n" + first) + rb"(\r\n|--)")
    whole = memoryview(body)
    parts: list[Part] = []
    head_at = len(first) + 2
    while True:
        head_end = body.find(b"\r\n\r\n", head_at, head_at + MAX_HEAD)
        if head_end < 0:
            raise MalformedBody("a part of the form has no end to its header lines", "request_body")
        end = delimiter.search(body, head_end + 4)
        if end is None:
            raise MalformedBody("the form ends before its closing boundary", "request_body")
        if len(parts) >= max_parts:
            raise MalformedBody(f"the form has more than {max_parts} parts", "request_body")
        parts.append(part_of(body[head_at : head_end + 2], whole[head_end + 4 : end.start()]))
        head_at = end.end()
        if end[1] == b"--":
            if body[head_at : head_at + 3] not in (b"", b"\r\n"):
                raise MalformedBody("something follows the form's closing boundary", "request_body")
            return parts


def part_of(head: bytes, content: Content) -> Part:
    """The part with these header lines. Errors: MalformedBody."""
    lines = head[:-2].split(b"\r\n")
    seen: set[bytes] = set()
    part: Part | None = None
    at = 0
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None or found[1].lower() in seen or len(seen) == _MAX_LINES:
            raise MalformedBody("a part of the form has malformed, repeated or too many header lines", "request_body")
        seen.add(found[1].lower())
        if found[1].lower() == b"content-disposition":
            part = _disposed(head, at + found.start(2), at + found.end(2), content)
        at += len(line) + 2
    if part is None:
        raise MalformedBody("a part of the form has no content-disposition", "request_body")
    return part


def _disposed(head: bytes, start: int, end: int, content: Content) -> Part:
    """The part whose content-disposition stands in ``head`` from ``start`` to ``end``."""
    kind = _DISPOSITION.match(head, start, end)
    if kind is None:
        raise MalformedBody("a part of the form is not form-data", "request_body")
    at = kind.end()
    values: dict[bytes, bytes] = {}
    name_at = (0, 0)
    while at < end:
        found = _PARAMETER.match(head, at, end)
        if found is None or found[1].lower() in values:
            raise MalformedBody("a part of the form has a malformed content-disposition", "request_body")
        name = found[1].lower()
        place = 2 if found[2] is not None else 3
        values[name] = found[place]
        if name == b"name":
            name_at = (found.start(1) + 5, found.end(place) + (place == 2))
        at = found.end()
    name = values.pop(b"name", b"")
    filename = values.pop(b"filename", None)
    extended = values.pop(b"filename*", None)
    if values or not _NAME.fullmatch(name):
        raise MalformedBody("a part of the form has no plain name", "request_body")
    return Part(name.decode(), head, name_at, content, filename if filename is not None else extended)


def renamed(part: Part, name: str) -> Part:
    """The same part under another name."""
    start, end = part.name_at
    written = f'"{name}"'.encode()
    head = part.head[:start] + written + part.head[end:]
    return Part(name, head, (start, start + len(written)), part.content, part.filename)


def field(name: str, value: str) -> Part:
    """A plain field."""
    head = f'Content-Disposition: form-data; name="{name}"\r\n'.encode()
    return Part(name, head, (len(head) - 4 - len(name), len(head) - 2), memoryview(value.encode()))


def text_of_part(part: Part, max_bytes: int) -> str:
    """The value of a plain field.

    Units: bytes. Errors: InvalidField.
    """
    if len(part.content) > max_bytes:
        raise InvalidField(f"{part.name} is longer than {max_bytes} bytes", part.name)
    if isinstance(part.content, Spooled):  # only files are
        raise InvalidField(f"{part.name} must be a plain field", part.name)
    try:
        return str(part.content, "utf-8")
    except UnicodeDecodeError:
        raise InvalidField(f"{part.name} is not UTF-8", part.name) from None


def pieces_of(parts: list[Part], boundary: bytes) -> list[bytes | Spooled]:
    """The form of these parts, what is in memory in as few pieces as there can be.

    ``boundary`` must not occur in any of them: it has to be one that nobody could foresee.
    """
    pieces: list[bytes | Spooled] = []
    together: list[bytes | memoryview] = []
    for part in parts:
        together += (b"--", boundary, b"\r\n", part.head, b"\r\n")
        if isinstance(part.content, Spooled):
            pieces += (b"".join(together), part.content)
            together = []
        else:
            together.append(part.content)
        together.append(b"\r\n")
    together += (b"--", boundary, b"--\r\n")
    pieces.append(b"".join(together))
    return pieces


def render_parts(parts: list[Part], boundary: bytes) -> bytes:
    """The form of parts that are all in memory; ``boundary`` as for :func:`pieces_of`."""
    return whole_of(pieces_of(parts, boundary))


def whole_of(pieces: list[bytes | Spooled]) -> bytes:
    """A form that is in memory. Errors: ValueError when it is not."""
    (whole,) = pieces
    if isinstance(whole, Spooled):
        raise ValueError("this form lies in a file")  # noqa: TRY004 - what is where differs, not what it is
    return whole


def beginning_of(content: Content, size: int) -> bytes:
    """The first bytes of a part. Units: bytes; of what lies in a file, as many as were kept."""
    return content.head[:size] if isinstance(content, Spooled) else bytes(content[:size])
