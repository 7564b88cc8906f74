"""How many tokens is this? A reversible tokenizer without a vocabulary, and the chat template that goes with it.

A token is up to five word characters, or one other character, with the blank before it: at most six bytes, so a token's
id is simply its bytes read as a number. Cutting a text between tokens never changes the tokens before the cut, which
is why the tokens of an answer are exactly those that ``/tokenize`` finds in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

_TOKEN = re.compile(r" ?(?:[A-Za-z0-9_]{1,5}|[^\sA-Za-z0-9_])|\s")


def split_tokens(text: str) -> list[str]:
    """The tokens of a text; joined they are the text again."""
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    return len(_TOKEN.findall(text))


def token_id(token: str) -> int:
    """The token's UTF-8 bytes as a number below 2**56, so that JSON numbers carry it exactly."""
    return int.from_bytes(token.encode())


def token_text(token: int) -> str:
    """The text of a token id; ids that no text has become replacement characters."""
    if token < 0:
        return "\ufffd"
    return token.to_bytes(max(1, (token.bit_length() + 7) // 8)).decode(errors="replace")


def join_tokens(tokens: Sequence[int]) -> str:
    return "".join(map(token_text, tokens))


def render_chat(
    messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] | None = None, generation_prompt: bool = True
) -> str:
    """The prompt that a chat becomes: ``role: content`` lines, tools before, ``assistant:`` after."""
    lines = [f"tools: {orjson.dumps(list(tools)).decode()}\n"] if tools else []
    for message in messages:
        calls = message.get("tool_calls")
        text = content_text(message.get("content"))
        if calls:
            text += orjson.dumps(calls).decode()
        lines.append(f"{message.get('role', 'user')}: {text}\n")
    if generation_prompt:
        lines.append("assistant:")
    return "".join(lines)


def content_text(content: Any) -> str:
    """The words of a message: a text, or a list of parts of which those without text count as one mark each."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return str(content)
    parts = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        parts.append(text if isinstance(text, str) else f"<{part.get('type', 'part')}>")
    return "".join(parts)
