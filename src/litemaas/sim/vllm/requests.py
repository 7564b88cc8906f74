"""What may a client ask of vLLM, and with which words does vLLM refuse?

Unknown members are ignored, as vLLM does. Source of the error texts: vLLM 0.11–0.13, read 2026-11.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import orjson
from msgspec import Struct

from litemaas.sim.exchange import JSON, Exchange

_Body = TypeVar("_Body")


class StreamOptions(Struct):
    """What a stream reports besides its text."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


class Sampling(Struct, kw_only=True):
    """The members that chat and completions share."""

    model: str | None = None
    n: int | None = None
    max_tokens: int | None = None
    min_tokens: int = 0
    stop: str | list[str] | None = None
    include_stop_str_in_output: bool = False
    ignore_eos: bool = False
    seed: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None


class ChatRequest(Sampling, kw_only=True):
    """``POST /v1/chat/completions``."""

    messages: list[dict[str, Any]]
    max_completion_tokens: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None


class CompletionRequest(Sampling, kw_only=True):
    """``POST /v1/completions``; ``prompt`` is a text, a token array, or a list of either."""

    prompt: Any
    max_tokens: int | None = 16


class TokenizeRequest(Struct, kw_only=True):
    """``POST /tokenize``."""

    model: str | None = None
    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    add_generation_prompt: bool = True
    return_token_strs: bool | None = False


class DetokenizeRequest(Struct, kw_only=True):
    """``POST /detokenize``."""

    model: str | None = None
    tokens: list[int]


class Refused(Exception):
    """vLLM answers with an error."""

    def __init__(self, status: int, kind: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": status}})


def bad_request(message: str, param: str | None = None) -> Refused:
    return Refused(400, "BadRequestError", message, param)


def unknown_model(model: str) -> Refused:
    return Refused(404, "NotFoundError", f"The model `{model}` does not exist.", "model")


def prompt_too_long(limit: int, tokens: int) -> Refused:
    message = (
        f"This model's maximum context length is {limit} tokens. However, your request has {tokens} input tokens. "
        "Please reduce the length of the input messages."
    )
    return bad_request(message, "input_tokens")


def answer_too_long(limit: int, tokens: int, max_tokens: int) -> Refused:
    message = (
        f"'max_tokens' or 'max_completion_tokens' is too large: {max_tokens}. This model's maximum context length is "
        f"{limit} tokens and your request has {tokens} input tokens ({max_tokens} > {limit} - {tokens})."
    )
    return bad_request(message, "max_tokens")


def read_request(exchange: Exchange, decoder: msgspec.json.Decoder[_Body]) -> _Body:
    """The request's body.

    Errors: Refused, in the words of vLLM's validation.
    """
    kind = exchange.header(b"content-type") or b""
    if kind.split(b";")[0].strip().lower() != JSON:
        raise Refused(400, "Bad Request", "[{'type': 'value_error', 'loc': (), 'msg': \"Value error, Unsupported Media "
                      "Type: Only 'application/json' is allowed\"}]")  # fmt: skip
    try:
        return decoder.decode(exchange.body)
    except msgspec.ValidationError as error:
        raise Refused(400, "Bad Request", f"[{{'type': 'value_error', 'loc': ('body',), 'msg': '{error}'}}]") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"[{{'type': 'json_invalid', 'loc': ('body', 0), 'msg': 'JSON decode error', 'ctx': '{error}'}}]"
        raise Refused(400, "Bad Request", message) from error
