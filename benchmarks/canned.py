"""What do load and upstream say to one another? A fixed chat request, and the answers that vLLM would give to it."""

from __future__ import annotations

import json
import re
from typing import Any

PUBLIC_MODEL = "granite-3.3-8b-instruct"
"""What clients ask our gateway and LiteLLM for."""
ENGINE_MODEL = "ibm-granite/granite-3.3-8b-instruct"
"""What the upstream calls it; so answers have to be renamed on their way, as behind most deployments."""

CHUNKS = 50
"""Chunks per stream: one with the role, 48 with a word each, one with the finish reason. [DONE] is not counted."""
PROMPT_TOKENS = 38
COMPLETION_TOKENS = 48
_ID = "chatcmpl-5f2b8c1e9d7a4b3c8e6f1a2b3c4d5e6f"
_CREATED = 1_764_000_000
_WORDS = [f" w{number:02d}" for number in range(1, CHUNKS - 1)]
ANSWER = "".join(_WORDS).strip()
WORDS = [word[2:].encode() for word in _WORDS]
WORD = re.compile(rb'"content": ?" w(\d\d)"')
STREAM_ID = re.compile(rb"stream s-(\d{7})")


def request_body(model: str, stream_id: int | None = None) -> bytes:
    """One short conversation; a stream carries its number, by which the upstream finds the client that waits for it."""
    question = "Please summarise the difference between a lease and a reservation in two or three plain sentences."
    if stream_id is not None:
        question += f" This is stream s-{stream_id:07d}."
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant of an organisation's platform team."},
            {"role": "user", "content": question},
        ],
        "max_tokens": 64,
        "temperature": 0.2,
    }
    if stream_id is not None:
        body["stream"] = True
    return json.dumps(body, separators=(",", ":")).encode()


def usage(completion_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "total_tokens": PROMPT_TOKENS + completion_tokens,
        "completion_tokens": completion_tokens,
    }


def reply() -> bytes:
    """The whole HTTP message of an answer that is not streamed."""
    body = _compact(
        {
            "id": _ID, "object": "chat.completion", "created": _CREATED, "model": ENGINE_MODEL,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": ANSWER, "refusal": None, "tool_calls": []},
                "logprobs": None, "finish_reason": "stop", "stop_reason": None,
            }],
            "usage": usage(COMPLETION_TOKENS) | {"prompt_tokens_details": None},
        }
    )  # fmt: skip
    return _head(b"application/json", b"content-length: %d\r\n" % len(body)) + body


def model_list() -> bytes:
    body = _compact({"object": "list", "data": [{"id": ENGINE_MODEL, "object": "model", "created": _CREATED}]})
    return _head(b"application/json", b"content-length: %d\r\n" % len(body)) + body


def chunks(*, continuous_usage: bool) -> list[bytes]:
    """A stream's chunks as they are written, one by one; the first one brings the header block along.

    Source: vLLM, OpenAI-compatible server, ``stream_options`` (2026-11).
    """
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word}, None) for word in _WORDS]
    deltas.append(({"content": ""}, "stop"))
    framed = []
    for produced, (delta, finish) in enumerate(deltas):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = _chunk([choice])
        if continuous_usage:
            chunk["usage"] = usage(min(produced, COMPLETION_TOKENS))
        framed.append(_framed(chunk))
    framed[0] = _head(b"text/event-stream; charset=utf-8", b"transfer-encoding: chunked\r\n") + framed[0]
    return framed


def usage_chunk() -> bytes:
    return _framed(_chunk([]) | {"usage": usage(COMPLETION_TOKENS)})


def end_of_stream() -> bytes:
    done = b"data: [DONE]\n\n"
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(done), done)


def _chunk(choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": _ID, "object": "chat.completion.chunk", "created": _CREATED, "model": ENGINE_MODEL, "choices": choices,
    }  # fmt: skip


def _framed(chunk: dict[str, Any]) -> bytes:
    event = b"data: " + _compact(chunk) + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


def _head(content_type: bytes, framing: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\ndate: Wed, 25 Nov 2026 12:00:00 GMT\r\nserver: uvicorn\r\ncontent-type: %b\r\n%b\r\n"
        % (content_type, framing)
    )


def _compact(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
