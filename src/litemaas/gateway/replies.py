"""Which members of an engine's answer are read? All else in it goes through unread."""

from __future__ import annotations

from typing import Any

import msgspec

from litemaas.core.engine_usage import EngineUsage
from litemaas.gateway.bodies import NOT_JSON


class Measured(msgspec.Struct, gc=False):
    """A whole answer: what it used, and the engine's own name for the call."""

    usage: EngineUsage | None = None
    id: Any = None


class Identified(msgspec.Struct):
    """The first event of a stream."""

    id: object = None


class Counted(msgspec.Struct):
    """A tokenizer's answer."""

    count: int


class ErrorBody(msgspec.Struct):
    """The places in which engines put the text of an error."""

    error: dict[str, object] | str | None = None
    message: str | None = None
    detail: object = None


class Part(msgspec.Struct):
    content: object = None
    reasoning_content: object = None


class Choice(msgspec.Struct):
    message: Part | None = None
    delta: Part | None = None
    text: object = None


class Choices(msgspec.Struct):
    choices: list[Choice] = []


def error_text(body: bytes) -> tuple[str, str | None]:
    """The engine's own words, and its error code where it has one."""
    try:
        parsed = msgspec.json.decode(body, type=ErrorBody)
    except NOT_JSON:
        return body.decode("utf-8", "replace").strip() or "the model server gave no reason", None
    code = None
    text: object = parsed.error
    if isinstance(text, dict):
        raw_code = text.get("code")
        code = raw_code if isinstance(raw_code, str) else None
        text = text.get("message")
    text = text or parsed.message or parsed.detail
    if not isinstance(text, str):
        text = msgspec.json.encode(text).decode() if text else "the model server gave no reason"
    return text, code
