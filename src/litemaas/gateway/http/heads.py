"""Has this header block been seen before? Clients and engines repeat theirs to the byte, but for the length of the body.

A block goes in only after it was parsed strictly, together with what was understood. Equal bytes mean the same again, so the
next one needs no parser; the digits of ``content-length`` may differ, because any digits there are as valid as the first were.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

T = TypeVar("T")
_MAX_HEAD: Final = 4096
_MAX_DIGITS: Final = 9
_LENGTH_NAMES = (b"\r\ncontent-length: ", b"\r\nContent-Length: ")
_NAME_SIZE: Final = len(_LENGTH_NAMES[0])


class KnownHead(Generic[T]):
    """A block that was understood, as what stands before and after the digits of its length. ``meaning``: what it says.

    ``_last``: the block of the last message with its digits, ``_last_size``: of that whole message; most resemble the last.
    """

    __slots__ = ("_after", "_before", "_has_length", "_last", "_last_at", "_last_size", "meaning")

    def __init__(self, before: bytes, after: bytes, meaning: T) -> None:
        self._before = before
        self._after = after
        self._has_length = bool(after)
        self.meaning = meaning
        self._last = b""
        self._last_at = 0
        self._last_size = -1

    def body_at(self, data: bytes) -> int:
        """Where the body begins, if ``data`` is exactly one message under this block; else -1."""
        if len(data) == self._last_size and data[: self._last_at] == self._last:
            return self._last_at
        at = self._measured(data)
        if at >= 0:
            self._last, self._last_at, self._last_size = data[:at], at, len(data)
        return at

    def _measured(self, data: bytes) -> int:
        before, after = self._before, self._after
        at = len(before)
        if data[:at] != before:
            return -1
        if not self._has_length:
            return at if len(data) == at else -1
        stop = data.find(b"\r", at, at + _MAX_DIGITS + 1)
        if stop <= at or data[stop : stop + len(after)] != after:
            return -1
        digits = data[at:stop]
        if not digits.isdigit():
            return -1
        at = stop + len(after)
        return at if at + int(digits) == len(data) else -1


class HeadCache(Generic[T]):
    """Header block → what it means. The oldest goes when it is full."""

    __slots__ = ("_known", "_size")

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._known: dict[bytes, KnownHead[T]] = {}

    def find(self, data: bytes) -> KnownHead[T] | None:
        """The block that ``data`` begins with, if it is known."""
        parts = _split(data)
        return None if parts is None else self._known.get(parts[0] + parts[1])

    def learn(self, data: bytes, meaning: T) -> None:
        """``data`` is one whole message without transfer-encoding, and it was understood as ``meaning``."""
        parts = _split(data)
        if parts is None:
            return
        head = KnownHead(parts[0], parts[1], meaning)
        if head.body_at(data) >= 0:
            block = parts[0] + parts[1]
            if len(self._known) >= self._size and block not in self._known:
                del self._known[next(iter(self._known))]
            self._known[block] = head


def _split(data: bytes) -> tuple[bytes, bytes] | None:
    """The block before and after the digits of its length; nothing stands after in a block without one."""
    end = data.find(b"\r\n\r\n") + 4
    if end == 3 or end > _MAX_HEAD:
        return None
    at = data.find(_LENGTH_NAMES[0], 0, end)
    if at < 0:
        at = data.find(_LENGTH_NAMES[1], 0, end)
        if at < 0:
            return data[:end], b""
    at += _NAME_SIZE
    return data[:at], data[data.find(b"\r\n", at) : end]
