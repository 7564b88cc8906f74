"""How is a JSON body read and changed without touching the rest? By its top-level members, kept as the bytes they came in.

Rebuilding a body from its members also settles what two parsers might read differently: a name that stands twice, or is
spelled with escapes, goes upstream once and plainly, with the value that we routed and billed by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from litemaas.core.errors import InvalidField, MalformedBody

Members = dict[str, Any]
"""Name → raw JSON (``msgspec.Raw`` or bytes), in the order of arrival."""

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_string: Final = msgspec.json.Decoder(str)
_integer: Final[msgspec.json.Decoder[int | None]] = msgspec.json.Decoder(int | None)
_anything: Final = msgspec.json.Decoder()
encode: Final = msgspec.json.Encoder().encode
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not the JSON that was expected."""


def read_request(body: bytes) -> Members:
    """The top-level members of a client's body, which is checked as a whole: what is only sent on must be UTF-8, too.

    Errors: MalformedBody.
    """
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise MalformedBody(f"the request body is not a JSON object: {_reason(error)}", "request_body") from None
    return read_members(body)


def read_members(body: bytes) -> Members:
    """The top-level members of a JSON object.

    Errors: MalformedBody.
    """
    try:
        return _members.decode(body)
    except NOT_JSON as error:
        raise MalformedBody(f"the request body is not a JSON object: {_reason(error)}", "request_body") from None


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error) if isinstance(error, msgspec.DecodeError) else "it is not UTF-8"


class _Names(dict[str, bytes]):
    """Member names as they follow another member; common ones are encoded once, what clients make up fills no memory."""

    def __missing__(self, name: str) -> bytes:
        written = b",%b:" % encode(name)
        if len(self) < 500 and len(name) < 50:
            self[name] = written
        return written


_names: Final = _Names()


def render(members: Mapping[str, Any]) -> bytes:
    """The JSON object of these members; values are written as they are."""
    pieces: list[Any] = [b"{"]
    for name, raw in members.items():
        pieces.append(_names[name])
        pieces.append(raw)
    if len(pieces) > 1:
        pieces[1] = pieces[1][1:]  # before the first member stands no comma
    pieces.append(b"}")
    return b"".join(pieces)


def with_value(body: bytes, members: Members, name: str, value: bytes) -> bytes | None:
    """``body`` with another value of one member; None where it has to be rendered anew.

    ``members``: as :func:`read_members` read them from ``body``. A body that is no longer than its members need holds nothing
    but them: no name stands twice or is spelled with escapes, so there is nothing that :func:`render` would settle.
    """
    size = 1
    at = 0
    for member, raw in members.items():
        if member == name:
            at = size + len(member) + 3
        size += len(member) + len(raw) + 4  # quotes, a colon, and a comma or the last brace
    if not at or size != len(body):
        return None
    return b"%b%b%b" % (body[:at], value, body[at + len(members[name]) :])


def text_of(members: Members, name: str) -> str | None:
    """A string member, or None when it is absent or null.

    Errors: InvalidField.
    """
    raw = members.get(name)
    if raw is None:
        return None
    try:
        return _string.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if bytes(raw) == b"null":
            return None
        raise InvalidField(f"{name} must be a text", name) from None


def count_of(members: Members, name: str) -> int | None:
    """A whole number that is not negative, or None when it is absent or null.

    Errors: InvalidField.
    """
    raw = members.get(name)
    if raw is None:
        return None
    try:
        number = _integer.decode(raw)
    except msgspec.DecodeError:
        raise InvalidField(f"{name} must be a whole number", name) from None
    if number is not None and number < 0:
        raise InvalidField(f"{name} must not be negative", name)
    return number


def flag_of(members: Members, name: str) -> bool:
    """Whether a member is ``true``; absent and null are false.

    Errors: InvalidField.
    """
    raw = members.get(name)
    if raw is None:
        return False
    match bytes(raw):
        case b"true":
            return True
        case b"false" | b"null":
            return False
    raise InvalidField(f"{name} must be true or false", name)


def value_of(members: Members, name: str) -> Any:
    """A member as Python values, or None when it is absent.

    Errors: InvalidField.
    """
    raw = members.get(name)
    if raw is None:
        return None
    try:
        return _anything.decode(raw)
    except NOT_JSON:
        raise InvalidField(f"{name} is not valid JSON", name) from None


def object_of(members: Members, name: str) -> dict[str, Any]:
    """A member that must be an object, as Python values; empty when it is absent or null.

    Errors: InvalidField.
    """
    value = value_of(members, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidField(f"{name} must be an object", name)
    return value
