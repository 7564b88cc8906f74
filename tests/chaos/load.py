"""Who calls while things fail? Callers with different keys who ask for answers, streams and vectors at a steady pace."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import msgspec
from tests.integration.gateway.harness import QUESTION, until

from .stage import Stage

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/chat/completions", {**QUESTION, "max_tokens": 20}),
    ("/v1/chat/completions", {**QUESTION, "max_tokens": 30, "stream": True}),
    ("/v1/embeddings", {"model": "nomic", "input": ["How does a bill of lading work?", "And a waybill?"]}),
    ("/v1/chat/completions", {**QUESTION, "stream": True, "max_tokens": 10, "stream_options": {"include_usage": True}}),
    ("/v1/completions", {"model": "granite", "prompt": "Once upon a time", "max_tokens": 5}),
)
TIGHT_CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/chat/completions", {**QUESTION, "model": "tight", "max_tokens": 40}),
    ("/v1/chat/completions", {**QUESTION, "model": "tight", "stream": True}),
)
DONE = b"data: [DONE]\n\n"


class Answered(msgspec.Struct):
    """One call as its caller saw it. ``outcome``: ok, broken (a stream that told of an error), or the status."""

    key: str
    call_id: str
    outcome: str
    stream: bool
    took_s: float
    text: str


class Load:
    """``pace_s``: each caller's pause between two calls."""

    def __init__(self, stage: Stage, pace_s: float) -> None:
        self._stage = stage
        self._pace_s = pace_s
        self._goes_on = True
        self._callers: list[tuple[str, tuple[tuple[str, dict[str, Any]], ...]]] = []
        self.answers: list[Answered] = []

    def add(self, key: str, callers: int = 1, calls: tuple[tuple[str, dict[str, Any]], ...] = CALLS) -> None:
        self._callers += [(key, calls)] * callers

    def outcomes(self, key: str | None = None) -> Counter[str]:
        return Counter(answer.outcome for answer in self.answers if key in (None, answer.key))

    def words(self, key: str) -> set[str]:
        """What the key's callers were told when it was not an answer."""
        return {answer.text for answer in self.answers if answer.key == key and answer.text}

    async def more(self, calls: int, within_s: float = 30.0) -> None:
        """Waits until so many more calls have ended well."""
        goal = self.outcomes()["ok"] + calls

        async def has() -> bool:
            return self.outcomes()["ok"] >= goal

        await until(has, within_s)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Load]:
        async with asyncio.TaskGroup() as group:
            for number, (key, calls) in enumerate(self._callers):
                group.create_task(self._ask(number, key, calls))
            try:
                yield self
            finally:
                self._goes_on = False

    async def _ask(self, number: int, key: str, calls: tuple[tuple[str, dict[str, Any]], ...]) -> None:
        platform = self._stage.platforms[number % len(self._stage.platforms)]
        turn = number
        while self._goes_on:
            path, body = calls[turn % len(calls)]
            turn += 1
            began = monotonic()
            reply = await platform.post(path, key, body)
            stream = bool(body.get("stream"))
            whole = reply.status_code == 200 and (not stream or reply.content.endswith(DONE))
            outcome = "ok" if whole else "broken" if reply.status_code == 200 else str(reply.status_code)
            text = "" if outcome == "ok" else _last_told(reply.text)
            self.answers.append(
                Answered(key, reply.headers.get("x-litellm-call-id", ""), outcome, stream, monotonic() - began, text)
            )
            await asyncio.sleep(self._pace_s)  # a steady pace, not a wait for something


def _last_told(text: str) -> str:
    """What a caller heard last, in full: the last event of a stream that broke, or the whole answer."""
    return text.rstrip().rpartition("\n\n")[2]
