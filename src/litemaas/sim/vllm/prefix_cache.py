"""How much of a prompt has the engine seen before? vLLM's prefix cache: whole blocks, from the beginning."""

from __future__ import annotations

from collections.abc import Sequence

BLOCK_TOKENS = 16  # vLLM's default block size


class PrefixCache:
    """The blocks of earlier prompts; each block is known by its tokens and the block before it."""

    def __init__(self, capacity_blocks: int = 65_536) -> None:
        self._blocks: dict[tuple[int, tuple[str, ...]], int] = {}
        self._capacity = capacity_blocks
        self._numbered = 0

    @property
    def share_used(self) -> float:
        return len(self._blocks) / self._capacity

    def look_up(self, tokens: Sequence[str]) -> int:
        """The number of tokens found, and remembers the prompt; the last token is never found, as it must be computed."""
        found = parent = 0
        hitting = True
        for start in range(0, len(tokens) - BLOCK_TOKENS + 1, BLOCK_TOKENS):
            key = (parent, tuple(tokens[start : start + BLOCK_TOKENS]))
            block = self._blocks.get(key)
            if block is None:
                hitting = False
                if len(self._blocks) >= self._capacity:
                    self._blocks.clear()
                self._numbered += 1
                block = self._blocks[key] = self._numbered
            elif hitting and start + BLOCK_TOKENS < len(tokens):
                found += BLOCK_TOKENS
            parent = block
        return found

    def clear(self) -> None:
        self._blocks.clear()
