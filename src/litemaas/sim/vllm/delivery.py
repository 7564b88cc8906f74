"""How does an answer that was decided reach the client, at which pace, and what is counted when it does not?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from litemaas.sim.behaviour import Conduct
from litemaas.sim.counters import Entry
from litemaas.sim.exchange import JSON, ClientLeft, Exchange
from litemaas.sim.vllm import frames
from litemaas.sim.vllm.generation import Generation
from litemaas.sim.vllm.requests import Sampling

MakeFrames = Callable[[str, int, str, int, int | None], frames.Frames]
MakeAnswer = Callable[[str, int, str, list[Generation], dict[str, Any] | None], bytes]


class Job(Struct):
    """A request that was understood: what will be answered."""

    engine_id: str
    created: int
    model: str
    request: Sampling
    generations: list[Generation]
    prompt_tokens: int
    cached_tokens: int

    @property
    def completion_tokens(self) -> int:
        return sum(generation.tokens for generation in self.generations)

    @property
    def reasoning_tokens(self) -> int:
        return sum(generation.reasoning_tokens for generation in self.generations)

    def usage(self) -> dict[str, Any]:
        return frames.usage_member(
            self.prompt_tokens, self.completion_tokens, self.cached_tokens, self.reasoning_tokens
        )


async def deliver_whole(exchange: Exchange, job: Job, conduct: Conduct, make_answer: MakeAnswer) -> None:
    """Sends the answer in one piece, after the time that its making takes."""
    entry = exchange.entry
    began = time.monotonic()
    longest = max(len(generation.pieces) for generation in job.generations)
    planned_s = conduct.whole_answer_s(max(0, longest - 1))
    if planned_s > 0 and not await exchange.peer.sleep(planned_s):
        _count_part(entry, job, (time.monotonic() - began) / planned_s)
        raise ClientLeft
    _count_prompt(entry, job)
    entry.completion_tokens, entry.reasoning_tokens = job.completion_tokens, job.reasoning_tokens
    usage = None if conduct.behaviour.omit_usage else job.usage()
    body = make_answer(job.engine_id, job.created, job.model, job.generations, usage)
    await exchange.answer(200, body, JSON)


async def deliver_stream(exchange: Exchange, job: Job, conduct: Conduct, make_frames: MakeFrames) -> None:
    """Sends the answer event by event; the head goes out before the first token is made, as at vLLM."""
    behaviour, entry, generations = conduct.behaviour, exchange.entry, job.generations
    options = job.request.stream_options
    tells_usage = options is not None and bool(options.include_usage) and not behaviour.omit_usage
    continuous = tells_usage and options is not None and bool(options.continuous_usage_stats)
    shown = job.prompt_tokens if continuous and not behaviour.ignore_continuous_usage else None
    events = make_frames(job.engine_id, job.created, job.model, len(generations), shown)
    await exchange.start_stream()
    first_s = conduct.first_token_s()
    if first_s > 0 and not await exchange.peer.sleep(first_s):
        raise ClientLeft
    _count_prompt(entry, job)
    for choice in range(len(generations)):
        opening = events.opening(choice)
        if opening is not None:
            await exchange.write(opening)
    await _write_pieces(exchange, conduct, generations, events)
    if tells_usage:
        await exchange.write(events.usage(job.usage()))
    await exchange.finish(frames.DONE)


async def _write_pieces(
    exchange: Exchange, conduct: Conduct, generations: list[Generation], events: frames.Frames
) -> None:
    """Writes token after token, all choices in turn, and counts each once it is written."""
    entry, loop = exchange.entry, asyncio.get_running_loop()
    paced, burst = conduct.behaviour.token_s > 0, max(1, conduct.behaviour.burst)
    made = [0] * len(generations)
    due = loop.time()
    for step in range(max(len(generation.pieces) for generation in generations)):
        if step and paced:
            due += conduct.token_s()  # an absolute plan, so that late timers do not add up
            await _wait_until(exchange, due - loop.time())
        elif step % burst == 0:
            await exchange.let_others_run()
        for choice, generation in enumerate(generations):
            if step >= len(generation.pieces):
                continue
            piece = generation.pieces[step]
            ends = step == len(generation.pieces) - 1 and not generation.ends_with_own_event
            now = made[choice] + piece.tokens
            event = events.last(choice, piece, generation, now) if ends else events.piece(choice, piece, now)
            await exchange.write(event)
            made[choice] = now
            entry.completion_tokens += piece.tokens
            if step < generation.reasoning_pieces:
                entry.reasoning_tokens += piece.tokens
    for choice, generation in enumerate(generations):
        if generation.ends_with_own_event:
            await exchange.write(events.last(choice, None, generation, made[choice]))


async def _wait_until(exchange: Exchange, wait_s: float) -> None:
    if wait_s <= 0:
        await exchange.let_others_run()
    elif not await exchange.peer.sleep(wait_s):
        raise ClientLeft


def _count_prompt(entry: Entry, job: Job) -> None:
    entry.prompt_tokens, entry.cached_tokens = job.prompt_tokens, job.cached_tokens
    entry.first_token_s = time.monotonic() - entry.began


def _count_part(entry: Entry, job: Job, share: float) -> None:
    """Counts what an engine had made of a whole answer when its client left."""
    _count_prompt(entry, job)
    entry.completion_tokens = min(job.completion_tokens, int(job.completion_tokens * share))
    entry.reasoning_tokens = min(job.reasoning_tokens, entry.completion_tokens)
