"""Which calls run at this moment? Kept in a mapped file, for whoever cleans up after a crash of ours.

A call that dies with its worker has a client that heard a part of the answer and an engine that made it. So each running call
has a slot in a memory-mapped file: who asked, what serves it at which price, and, for a stream, its usage as far as it went.
What is written into mapped memory is the file's at once: ``kill -9`` loses nothing, and no call needs a system call for it.
At the next start each slot that is still taken becomes a usage record::

    slot = taken? | who counted | six counts | text | end of line

A slot is freed after its call's record is in the journal. A crash in between writes the same record twice, and the ledger
takes the first.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Final

from litemaas.core.errors import UpstreamDied
from litemaas.core.price import Price
from litemaas.core.pricing import cost_of
from litemaas.core.usage import Usage, UsageSource
from litemaas.gateway.records import NO_LABELS, NULL, SERVED_WELL, record_line

if TYPE_CHECKING:
    from litemaas.core.pricing import Cost

SLOT_BYTES: Final = 2048
_FIRST_SLOTS: Final = 128
_COUNTS: Final = Struct("<B6I")
_TEXT_AT: Final = 1 + _COUNTS.size
_END: Final = b"\n"
_SOURCES = (UsageSource.NONE, UsageSource.ENGINE, UsageSource.ESTIMATE, UsageSource.TOKENIZER)
_NO_COUNTS: Final = "\0" * _COUNTS.size
CRASHED = "gateway_crashed"
_HOW = f"failure\t500\t{CRASHED}\tthe gateway stopped in the middle of this call"
_CONVERSION_FAILED = f"failure\t500\t{UpstreamDied.code}\tthe model server could not convert it"
_BEGUN: Final = 7
"""Columns that are known before an engine is asked."""
NO_SLOT: Final = -1


class RunningCalls:
    """The slots of one worker. Fails open: a call that finds no slot, because the disk is full, runs without one."""

    __slots__ = ("_ended", "_free", "_map", "_path", "_slots")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._map: mmap.mmap | None = None
        self._slots = 0
        self._free: list[int] = []
        self._ended: list[int] = []

    def begin(self, slot: int, text: str) -> int:
        """Notes a call, or under its own ``slot`` that another deployment serves it now. Returns its slot.

        ``text``: as :func:`running_text` writes it, in one line.
        """
        note = f"{_NO_COUNTS}{text}\n"
        data = note.encode() if note.isascii() else note.encode("utf-8", "replace")  # the first is quicker
        size = len(data)
        if size >= SLOT_BYTES:
            return slot
        if slot < 0:
            if not self._free and not self._grow():
                return NO_SLOT
            slot = self._free.pop()
        at = slot * SLOT_BYTES
        memory = self._map
        if memory is not None:
            memory[at + 1 : at + 1 + size] = data
            memory[at] = 1
        return slot

    def progress(self, slot: int, usage: Usage) -> None:
        """Notes what a stream has used by now."""
        memory = self._map
        if slot >= 0 and memory is not None:
            _COUNTS.pack_into(
                memory, slot * SLOT_BYTES + 1, _SOURCES.index(usage.source), usage.prompt_tokens, usage.completion_tokens,
                usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens, usage.pages,
            )  # fmt: skip

    def end(self, slot: int) -> None:
        """The call has ended; its slot is kept until its record is written."""
        if slot >= 0:
            self._ended.append(slot)

    def drop(self, slot: int) -> None:
        """The call has ended and leaves no record: somebody else will write it."""
        memory = self._map
        if slot >= 0 and memory is not None:
            memory[slot * SLOT_BYTES] = 0
            self._free.append(slot)

    def forget_ended(self) -> None:
        """What has ended by now is in the journal."""
        memory = self._map
        if memory is not None and self._ended:
            for slot in self._ended:
                memory[slot * SLOT_BYTES] = 0
            self._free += self._ended
            self._ended.clear()

    def _grow(self) -> bool:
        """Doubles the slots. The blocks are allocated at once: mapped memory that the disk has no room for would kill us."""
        slots = self._slots * 2 or _FIRST_SLOTS
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | (0 if self._slots else os.O_TRUNC), 0o600)
            try:
                os.posix_fallocate(file, 0, slots * SLOT_BYTES)
                memory = mmap.mmap(file, slots * SLOT_BYTES)
            finally:
                os.close(file)
        except OSError:
            return False
        if self._map is not None:
            self._map.close()
        self._map = memory
        self._free += range(self._slots, slots)
        self._slots = slots
        return True

    def left_behind(self) -> list[str]:
        """Journal lines for the calls that an earlier life did not end."""
        try:
            data = self._path.read_bytes()
        except OSError:
            return []
        lines = [_line_of(data[at : at + SLOT_BYTES]) for at in range(0, len(data), SLOT_BYTES) if data[at] == 1]
        return [line for line in lines if line is not None]

    def start_over(self) -> None:
        """What was left behind is in the journal."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leaves nothing behind, unless a call has not ended."""
        if self._map is not None:
            idle = len(self._free) == self._slots
            self._map.close()
            self._map = None
            if idle:
                self.start_over()


def price_text(price: Price) -> str:
    parts = (
        price.version, price.input_per_million, price.output_per_million, price.cached_input_per_million,
        price.cache_write_per_million, price.reasoning_per_million, price.page_per_million, price.request_per_million,
        price.second_per_million, price.character_per_million, price.image_per_million,
        price.audio_input_per_million, price.audio_output_per_million, price.input_above_128k_per_million,
        price.output_above_128k_per_million, price.input_above_200k_per_million, price.output_above_200k_per_million,
        price.cached_input_above_200k_per_million, price.cache_write_above_200k_per_million,
    )  # fmt: skip
    return ",".join("" if part is None else str(part) for part in parts)


def running_text(begun: str, held: int, price: str, tail: str) -> str:
    """Everything that is known of a call before its answer. ``begun``: :func:`~litemaas.gateway.records.begun_text`."""
    return f"{begun}\t{held}\t{price}\t{tail}"


def _read(text: str) -> tuple[str, str, str, str]:
    """What :func:`running_text` was given. Errors: ValueError."""
    *begun, held, price, tail = text.split("\t", _BEGUN + 2)
    if len(begun) != _BEGUN:
        raise ValueError("a part is missing")
    return "\t".join(begun), held, price, tail


def finished_line(record: str, usage: Usage, documents: int, succeeded: bool, held: int) -> tuple[str, Cost]:
    """The record of a conversion that has ended long after it was asked for, and what it cost.

    ``record``: as :func:`running_text` wrote it. ``documents``: paid at the price per request, where pages have none.
    """
    begun, _, price, tail = _read(record)
    prices = _price(price)
    requests = 0 if usage.pages and prices.page_per_million else documents
    cost = cost_of(usage, prices, requests)
    outcome = SERVED_WELL if succeeded else _CONVERSION_FAILED
    return record_line(begun, held, 0, NULL, outcome, NULL, usage, cost, NO_LABELS, tail), cost


def _line_of(slot: bytes) -> str | None:
    """The record of a call that a crash ended: what a stream had used is paid, an answer that never came is not."""
    text, _, _ = slot[_TEXT_AT:].partition(_END)
    try:
        begun, held, price, tail = _read(text.decode("utf-8", "replace"))
        source, prompt, completion, cached, written, reasoning, pages = _COUNTS.unpack_from(slot, 1)
        usage = Usage(prompt, completion, cached, written, reasoning, pages, _SOURCES[source])
        return record_line(begun, int(held), 0, NULL, _HOW, NULL, usage, _cost(usage, price), NO_LABELS, tail)
    except (ValueError, IndexError):
        return None  # the crash was in the very moment in which it was written: the call had not reached an engine


def _cost(usage: Usage, price: str) -> Cost:
    return cost_of(usage, _price(price), 1 if usage.total_tokens or usage.pages else 0)


def _price(text: str) -> Price:
    parts = [int(part) if part else None for part in text.split(",")]
    return Price(*parts)  # type: ignore[arg-type]  # those without None have a number
