"""Has this header block been seen before? Clients and engines repeat theirs to the byte, but for the length of the body.

A block goes in only after it was parsed strictly, together with what was understood. Equal bytes mean the same again, so the
next one needs no parser; the digits of ``content-length`` may differ, because any digits there are as valid as the first were.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")
_MAX_HEAD = 4096
_MAX_DIGITS = 9
_LENGTH_NAMES = (b"\r\ncontent-length: ", b"\r\nContent-Length: ")
_NAME_SIZE = len(_LENGTH_NAMES[0])


class HeadCache(Generic[T]):
    """Header block → what it means. The oldest goes when it is full."""

    __slots__ = ("_known", "_size")

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._known: dict[bytes, T] = {}

    def find(self, data: bytes) -> tuple[T, int, int] | None:
        """The meaning of the block that ``data`` begins with, where its body begins, and how long that is."""
        split = _split(data)
        if split is None:
            return None
        known = self._known.get(split[0])
        return None if known is None else (known, split[1], split[2])

    def learn(self, data: bytes, meaning: T) -> None:
        """``data`` is one whole message without transfer-encoding, and it was understood as ``meaning``."""
        split = _split(data)
        if split is not None and len(data) == split[1] + split[2]:
            if len(self._known) >= self._size and split[0] not in self._known:
                del self._known[next(iter(self._known))]
            self._known[split[0]] = meaning


def _split(data: bytes) -> tuple[bytes, int, int] | None:
    """The block without the digits of its length, the end of the block, and those digits' value."""
    end = data.find(b"\r\n\r\n") + 4
    if end == 3 or end > _MAX_HEAD:
        return None
    at = data.find(_LENGTH_NAMES[0], 0, end)
    if at < 0:
        at = data.find(_LENGTH_NAMES[1], 0, end)
        if at < 0:
            return data[:end], end, 0
    at += _NAME_SIZE
    stop = data.find(b"\r\n", at)
    digits = data[at:stop]
    if not digits.isdigit() or len(digits) > _MAX_DIGITS:
        return None
    return data[:at] + data[stop:end], end, int(digits)
