"""How do tests put a guardrail before a gateway that asks a service of theirs?"""

from __future__ import annotations

import json
from typing import Any

from .harness import Platform, ScriptedEngine, answer, stream_answer

SECRET_WORDS = "my badge is 4711"
DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":9,"total_tokens":10}}\n\n'


def told(action: str = "NONE", **members: Any) -> bytes:
    return answer(json.dumps({"action": action, **members}).encode())


def masks_the_badge(_: bytes, body: bytes) -> bytes:
    texts = json.loads(body)["texts"]
    return told("GUARDRAIL_INTERVENED", texts=[text.replace("4711", "[BADGE]") for text in texts])


def blocks_the_badge(_: bytes, body: bytes) -> bytes:
    found = any("4711" in text for text in json.loads(body)["texts"])
    return told("BLOCKED", blocked_reason="a badge number") if found else told()


def says(text: str, **members: Any) -> bytes:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 1, "completion_tokens": 9, "total_tokens": 10}
    choices = [{"index": 0, "message": message, "finish_reason": "stop", **members}]
    return answer(json.dumps({"id": "x", "model": "granite-3.3-8b", "choices": choices, "usage": usage}).encode())


def streams(*pieces: str) -> bytes:
    events = [
        b"data: %b\n\n"
        % json.dumps(
            {"id": "x", "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
        ).encode()
        for piece in pieces
    ]
    return stream_answer(*events, USAGE, DONE)


async def guard_with(platform: Platform, name: str, service: ScriptedEngine, mode: Any, **params: Any) -> str:
    """A guardrail that asks this service, and a key that it holds for."""
    base = {"api_base": service.url.removesuffix("/v1")}
    if params.get("guardrail") == "presidio":
        base = {"presidio_analyzer_api_base": base["api_base"]}
    params = {"guardrail": "generic_guardrail_api", "mode": mode, "timeout": 5, **base, **params}
    await put(platform, {"guardrail_name": name, "litellm_params": params})
    key = await platform.ledger.add_key(extras=json.dumps({"guardrails": [name]}), max_budget_nano=10**9)
    await platform.catch_up()
    return key


async def put(platform: Platform, *entries: dict[str, Any]) -> None:
    await platform.ledger.connection.execute(
        "insert into settings (name, value, updated_by, updated_at) values ('guardrails', $1, 'test', now()) "
        "on conflict (name) do update set value = excluded.value",
        json.dumps({"guardrails": entries}),
    )
    await platform.ledger.announce("catalog", ["guardrails"])
    await platform.catch_up()


def asks(text: str = SECRET_WORDS) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]
