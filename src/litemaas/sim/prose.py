"""What does a simulated model say? Whole English sentences, chosen by a seed, already cut into tokens."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from litemaas.sim.tokens import split_tokens

_OPENINGS = (
    "This answer was written by a simulated model.",
    "You are talking to a simulated model.",
    "A simulated model is happy to help with that.",
    "Here is what a simulated model has to say about it.",
)
_SENTENCES = (
    "One endpoint and one key are enough to reach every model of the organisation.",
    "Each call is counted once, and the sum of the calls is the bill.",
    "The first token takes the longest, because the whole prompt is read before it.",
    "A short question often gets a better answer than a long one.",
    "The budget is reserved before the call and settled after it.",
    "Streaming shows the words as they are made, one small piece at a time.",
    "If a replica stops, another one carries on where the ledger says.",
    "Good examples in the prompt save many words of explanation.",
    "The catalogue lists every model with its price and its limits.",
    "A key that was revoked stops working within a second.",
    "Two models can share a name when they give the same service.",
    "Embeddings turn a text into numbers that can be compared.",
    "A document becomes plain text first, and only then a good prompt.",
    "The same words with the same seed always lead to the same answer.",
    "Rate limits keep one busy user from starving all the others.",
    "Nothing here was looked up, so please check it before you rely on it.",
    "It helps to say who the reader is and how long the text may be.",
    "Most of the time is spent waiting, and very little of it is spent thinking.",
    "Ask for a list when you want a list, and for a table when you want a table.",
    "The numbers on the screen are the numbers in the database.",
    "A workshop with a hundred people needs a hundred keys and a single call.",
    "Every token has a price, even the ones that nobody reads.",
    "When the limit is reached the answer says so, and says when to try again.",
    "A model that runs close to its data is quick to reach and easy to trust.",
    "Simple tools are easy to explain, and easy to repair on a Friday evening.",
    "The weather outside has no influence on this text at all.",
    "A careful test begins with a question whose answer is already known.",
    "Small steps are easy to check, and easy to take back.",
    "The cache remembers how a prompt began, and skips that part the next time.",
    "Reading the error message first is usually the fastest way forward.",
    "In the end the plain solution wins more often than the clever one.",
    "That is all for now, but there is always more to say.",
)


class Piece(NamedTuple):
    """What one step of a generation adds to the answer: usually one token."""

    delta: bytes  # the ``delta`` member of a chat chunk
    escaped: bytes  # the text as the inside of a JSON string
    text: str
    tokens: int


def escape(text: str) -> bytes:
    """The text as the inside of a JSON string."""
    return orjson.dumps(text)[1:-1]


def content_piece(text: str, tokens: int = 1) -> Piece:
    escaped = escape(text)
    return Piece(b'{"content":"%s"}' % escaped, escaped, text, tokens)


def content_pieces(text: str) -> list[Piece]:
    return [content_piece(token) for token in split_tokens(text)]


class Prose:
    """The sentences, prepared once so that an answer is put together without work per token."""

    def __init__(self) -> None:
        self._openings = [content_pieces(text) for text in _OPENINGS]
        self._sentences = [content_pieces(" " + text) for text in _SENTENCES]

    def write(self, seed: int, exactly: int | None = None, at_least: int = 0) -> list[Piece]:
        """An answer of whole sentences, 20 to 60 tokens long by the seed, or of ``exactly`` so many tokens.

        The pieces join to a text whose tokens they are.
        """
        length = max(20 + (seed >> 8) % 22, at_least) if exactly is None else exactly
        pieces = list(self._openings[seed % len(self._openings)])
        state = seed
        while len(pieces) < length:
            state = (state * 1_103_515_245 + 12_345) & 0x7FFFFFFF  # the C standard's example generator
            pieces += self._sentences[(state >> 16) % len(self._sentences)]
        return pieces if exactly is None else pieces[:exactly]

    def paragraph(self, seed: int, sentences: int) -> str:
        """So many sentences as one text."""
        state, chosen = seed, []
        for _ in range(sentences):
            state = (state * 1_103_515_245 + 12_345) & 0x7FFFFFFF
            chosen.append(_SENTENCES[(state >> 16) % len(_SENTENCES)])
        return " ".join(chosen)
