"""Which members of an engine's answer are read? All else in it goes through unread."""

from __future__ import annotations

from typing import Any

import msgspec

from litemaas.core.engine_usage import EngineUsage


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
