"""How is the plan played? A bounded number of people at once, each turn a stream whose first token is waited for and timed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import orjson

from litemaas.cli.rehearsal.plan import Plan, document, question

_MAX_ANSWER = 4_000
"""Characters of an answer that stay in the conversation."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """``error`` None = it was answered. Units: seconds since the rehearsal began, milliseconds."""

    person: int
    turn: int
    began_s: float
    ttft_ms: float | None = None
    total_ms: float = 0.0
    tokens: int = 0
    error: str | None = None


async def rehearse(base_url: str, api_key: str, plan: Plan, tell: Callable[[int], None]) -> list[Turn]:
    """``base_url``: the gateway's, with ``/v1``. ``tell`` hears the number of turns that are done."""
    began, done, played = time.monotonic(), 0, []
    places = asyncio.Semaphore(plan.workers)
    shared = document(plan)
    limits = httpx2.Limits(max_connections=plan.workers, max_keepalive_connections=plan.workers)
    timeout = httpx2.Timeout(plan.timeout_s, connect=10.0)
    headers = {"Authorization": f"Bearer {api_key}"}
    async with httpx2.AsyncClient(
        base_url=base_url.rstrip("/"), headers=headers, limits=limits, timeout=timeout, trust_env=False
    ) as client:

        async def talk(person: int) -> None:
            nonlocal done
            async with places:
                messages: list[dict[str, str]] = [
                    {"role": "system", "content": f"You help with questions about this document.\n\n{shared}"}
                ]
                for turn in range(plan.turns):
                    messages.append({"role": "user", "content": question(plan, person, turn)})
                    result, answer = await _ask(client, plan, person, turn, messages, began)
                    played.append(result)
                    done += 1
                    tell(done)
                    messages.append({"role": "assistant", "content": answer[:_MAX_ANSWER] or "…"})
                    if turn + 1 < plan.turns:
                        await asyncio.sleep(random.uniform(plan.min_delay_s, plan.max_delay_s))  # noqa: S311 — a pause

        await asyncio.gather(*(talk(person) for person in range(plan.people * plan.sessions)))
    return played


async def _ask(
    client: httpx2.AsyncClient, plan: Plan, person: int, turn: int, messages: list[dict[str, str]], began: float
) -> tuple[Turn, str]:
    body = {
        "model": plan.model, "messages": messages, "max_tokens": plan.max_tokens, "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip
    asked = time.monotonic()
    first: float | None = None
    parts: list[str] = []
    tokens, error = 0, None
    try:
        async with client.stream("POST", "/chat/completions", json=body) as response:
            if response.status_code != 200:
                await response.aread()
                error = f"HTTP {response.status_code}"
            else:
                async for line in response.aiter_lines():
                    text, used, failure = _event(line)
                    if text and first is None:
                        first = time.monotonic()
                    parts.append(text)
                    tokens, error = used or tokens, failure or error
                if first is None and error is None:
                    error = "empty answer"
    except httpx2.TimeoutException:
        error = "time-out"
    except httpx2.HTTPError as failed:
        error = type(failed).__name__
    ended = time.monotonic()
    result = Turn(
        person=person, turn=turn, began_s=round(asked - began, 3), tokens=tokens, error=error,
        ttft_ms=None if first is None or error else round((first - asked) * 1000, 2),
        total_ms=round((ended - asked) * 1000, 2),
    )  # fmt: skip
    return result, "".join(parts)


def _event(line: str) -> tuple[str, int, str | None]:
    """Text, completion tokens and error of one line of a stream."""
    if not line.startswith("data:") or line == "data: [DONE]":
        return "", 0, None
    try:
        event: dict[str, Any] = orjson.loads(line[5:])
    except orjson.JSONDecodeError:
        return "", 0, "unreadable event"
    if "error" in event:
        return "", 0, "error in the stream"
    used = (event.get("usage") or {}).get("completion_tokens") or 0
    choices = event.get("choices") or [{}]
    delta = choices[0].get("delta") or {}
    return delta.get("content") or delta.get("reasoning_content") or "", used, None
