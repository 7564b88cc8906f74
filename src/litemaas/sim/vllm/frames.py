"""What does vLLM put on the wire? The bytes of chunks and whole answers, prepared so that a token costs a join.

Source: the member order of vLLM 0.11's response models; chat chunks leave out unset members, completion chunks do not.
"""

from __future__ import annotations

from typing import Any, Protocol

import orjson

from litemaas.sim.prose import Piece
from litemaas.sim.vllm.generation import Generation

DONE = b"data: [DONE]\n\n"


def usage_member(prompt: int, completion: int, cached: int = 0, reasoning: int = 0) -> dict[str, Any]:
    """The ``usage`` of an answer; the details stand only where there is something to tell."""
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached} if cached else None,
    }
    if reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return usage


class Frames(Protocol):
    """The events of one stream."""

    def opening(self, choice: int) -> bytes | None:
        """The event that says who speaks, where there is one."""

    def piece(self, choice: int, piece: Piece, made: int) -> bytes:
        """An event with text, after ``made`` tokens of this choice."""

    def last(self, choice: int, piece: Piece | None, generation: Generation, made: int) -> bytes:
        """The event that says why the choice ends, with its last piece or without text."""

    def usage(self, usage: dict[str, Any]) -> bytes:
        """The event that holds the usage and no choice."""


def _continuous(prompt: int, made: int) -> bytes:
    return b',"usage":{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d}' % (prompt, prompt + made, made)


class ChatFrames:
    """``chat.completion.chunk`` events."""

    def __init__(self, engine_id: str, created: int, model: str, choices: int, prompt_tokens: int | None) -> None:
        """``prompt_tokens`` is given where every event shall carry the usage so far."""
        head = {"id": engine_id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = b"data: " + orjson.dumps(head)[:-1]
        self._starts = [self._head + b',"choices":[{"index":%d,"delta":' % choice for choice in range(choices)]
        self._prompt = prompt_tokens

    def _so_far(self, made: int) -> bytes:
        return b"" if self._prompt is None else _continuous(self._prompt, made)

    def opening(self, choice: int) -> bytes:
        rest = (
            b'{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]%s,"prompt_token_ids":null}\n\n'
        )
        return self._starts[choice] + rest % self._so_far(0)

    def piece(self, choice: int, piece: Piece, made: int) -> bytes:
        rest = b',"logprobs":null,"finish_reason":null,"token_ids":null}]'
        return b"".join((self._starts[choice], piece.delta, rest, self._so_far(made), b"}\n\n"))

    def last(self, choice: int, piece: Piece | None, generation: Generation, made: int) -> bytes:
        delta = b'{"content":""}' if piece is None else piece.delta
        reasons = orjson.dumps(generation.finish_reason), orjson.dumps(generation.stop_reason)
        rest = b',"logprobs":null,"finish_reason":%s,"stop_reason":%s,"token_ids":null}]' % reasons
        return b"".join((self._starts[choice], delta, rest, self._so_far(made), b"}\n\n"))

    def usage(self, usage: dict[str, Any]) -> bytes:
        return _usage_event(self._head, usage)


class CompletionFrames:
    """``text_completion`` events, which name every member."""

    def __init__(self, engine_id: str, created: int, model: str, choices: int, prompt_tokens: int | None) -> None:
        head = {"id": engine_id, "object": "text_completion", "created": created, "model": model}
        self._head = b"data: " + orjson.dumps(head)[:-1]
        self._starts = [self._head + b',"choices":[{"index":%d,"text":"' % choice for choice in range(choices)]
        self._prompt = prompt_tokens

    def _so_far(self, made: int) -> bytes:
        return b',"usage":null' if self._prompt is None else _continuous(self._prompt, made)

    def opening(self, choice: int) -> None:  # noqa: ARG002  completions have no roles
        return None

    def piece(self, choice: int, piece: Piece, made: int) -> bytes:
        rest = b'","logprobs":null,"finish_reason":null,"stop_reason":null,"prompt_token_ids":null,"token_ids":null}]'
        return b"".join((self._starts[choice], piece.escaped, rest, self._so_far(made), b"}\n\n"))

    def last(self, choice: int, piece: Piece | None, generation: Generation, made: int) -> bytes:
        text = b"" if piece is None else piece.escaped
        reasons = orjson.dumps(generation.finish_reason), orjson.dumps(generation.stop_reason)
        rest = b'","logprobs":null,"finish_reason":%s,"stop_reason":%s,"prompt_token_ids":null,"token_ids":null}]'
        return b"".join((self._starts[choice], text, rest % reasons, self._so_far(made), b"}\n\n"))

    def usage(self, usage: dict[str, Any]) -> bytes:
        return _usage_event(self._head, usage)


def _usage_event(head: bytes, usage: dict[str, Any]) -> bytes:
    told = {name: value for name, value in usage.items() if value is not None}
    return b'%s,"choices":[],"usage":%s}\n\n' % (head, orjson.dumps(told))


def chat_answer(
    engine_id: str, created: int, model: str, generations: list[Generation], usage: dict[str, Any] | None
) -> bytes:
    """The body of a chat that is not streamed; ``usage`` is left out where there is none."""
    choices = [
        {
            "index": index,
            "message": _message(generation),
            "logprobs": None,
            "finish_reason": generation.finish_reason,
            "stop_reason": generation.stop_reason,
            "token_ids": None,
        }
        for index, generation in enumerate(generations)
    ]
    head = {"id": engine_id, "object": "chat.completion", "created": created, "model": model, "choices": choices}
    told = {} if usage is None else {"usage": usage}
    rest = {"prompt_logprobs": None, "prompt_token_ids": None, "kv_transfer_params": None}
    return orjson.dumps({**head, "service_tier": None, "system_fingerprint": None, **told, **rest})


def _message(generation: Generation) -> dict[str, Any]:
    call = generation.call
    calls = []
    if call is not None and len(generation.pieces) > generation.reasoning_pieces:
        function = {"name": call.name, "arguments": generation.text}
        calls = [{"id": call.id, "type": "function", "function": function}]
    return {
        "role": "assistant",
        "content": None if call is not None else generation.text,
        "refusal": None,
        "annotations": None,
        "audio": None,
        "function_call": None,
        "tool_calls": calls,
        "reasoning_content": generation.reasoning_text or None,
    }


def completion_answer(
    engine_id: str, created: int, model: str, generations: list[Generation], usage: dict[str, Any] | None
) -> bytes:
    """The body of a completion that is not streamed."""
    choices = [
        {
            "index": index,
            "text": generation.text,
            "logprobs": None,
            "finish_reason": generation.finish_reason,
            "stop_reason": generation.stop_reason,
            "token_ids": None,
            "prompt_logprobs": None,
            "prompt_token_ids": None,
        }
        for index, generation in enumerate(generations)
    ]
    head = {"id": engine_id, "object": "text_completion", "created": created, "model": model, "choices": choices}
    told = {} if usage is None else {"usage": usage}
    return orjson.dumps({**head, "service_tier": None, "system_fingerprint": None, **told, "kv_transfer_params": None})
