"""What does a request to Anthropic's Messages API say, as a chat completion? (Anthropic API reference, Messages, 2026-11)"""

from __future__ import annotations

from typing import Any

from litemaas.core.errors import InvalidField
from litemaas.gateway.bodies import encode
from litemaas.gateway.providers.reading import Body, an_object, needed, objects, text, unsupported

_SAME = ("model", "max_tokens", "stream", "temperature", "top_p", "top_k", "metadata")
_NOT_HERE = ("mcp_servers", "container")
_FORGOTTEN = ("thinking", "redacted_thinking")
"""Blocks of the assistant that other engines have no place for."""


def chat_of_messages(body: Body) -> Body:
    """The members of the chat completion that asks the same.

    Errors: InvalidField for what no chat completion can carry; MissingField.
    """
    for name in _NOT_HERE:
        if body.get(name):
            raise unsupported(name, name)
    chat: Body = {name: body[name] for name in _SAME if body.get(name) is not None}
    messages: list[Body] = []
    if body.get("system"):
        messages.append({"role": "system", "content": _plain_text(body["system"], "system")})
    for message in objects(needed(body, "messages"), "messages"):
        messages += _messages(message)
    chat["messages"] = messages
    if body.get("stop_sequences"):
        chat["stop"] = body["stop_sequences"]
    tools = [_tool(tool) for tool in objects(body.get("tools"), "tools")]
    if tools:
        chat["tools"] = tools
        chat |= _tool_choice(an_object(body.get("tool_choice"), "tool_choice"))
    wanted = an_object(an_object(body.get("output_config"), "output_config").get("format"), "output_config.format")
    if wanted.get("type") == "json_schema":
        chat["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": wanted.get("schema"), "strict": True},
        }
    return chat


def _messages(message: Body) -> list[Body]:
    role, content = needed(message, "role"), needed(message, "content")
    if role not in ("user", "assistant"):
        raise InvalidField("a message's role is user or assistant", "messages")
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    blocks = objects(content, "content")
    return _assistant(blocks) if role == "assistant" else _user(blocks)


def _user(blocks: list[Body]) -> list[Body]:
    """Results of tools are messages of their own, and stand before what else is said."""
    results: list[Body] = []
    parts: list[Body] = []
    for block in blocks:
        if block.get("type") == "tool_result":
            images: list[Body] = []
            said = _result(block.get("content"), images)
            if block.get("is_error") is True:
                said = f"Error: {said}"
            results.append({"role": "tool", "tool_call_id": needed(block, "tool_use_id"), "content": said})
            parts += images
        else:
            parts.append(_part(block))
    if parts:
        results.append({"role": "user", "content": parts})
    return results


def _result(content: Any, images: list[Body]) -> str:
    """A tool's result as text; its images go with the user's words."""
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for block in objects(content, "content"):
        part = _part(block)
        if part["type"] == "text":
            texts.append(part["text"])
        else:
            images.append(part)
    return "\n".join(texts)


def _part(block: Body) -> Body:
    kind = block.get("type")
    if kind == "text":
        return {"type": "text", "text": text(needed(block, "text"), "text")}
    if kind == "image":
        source = an_object(needed(block, "source"), "source")
        if source.get("type") == "base64":
            url = f"data:{needed(source, 'media_type')};base64,{needed(source, 'data')}"
        elif source.get("type") == "url":
            url = text(needed(source, "url"), "url")
        else:
            raise unsupported("an image of that source", "source")
        return {"type": "image_url", "image_url": {"url": url}}
    if kind == "document":
        source = an_object(needed(block, "source"), "source")
        if source.get("type") == "text":
            return {"type": "text", "text": text(needed(source, "data"), "data")}
    raise unsupported(f"a block of the type {str(kind)[:50]!r}", "content")


def _assistant(blocks: list[Body]) -> list[Body]:
    texts: list[str] = []
    calls: list[Body] = []
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            texts.append(text(needed(block, "text"), "text"))
        elif kind == "tool_use":
            function = {"name": needed(block, "name"), "arguments": encode(block.get("input") or {}).decode()}
            calls.append({"id": needed(block, "id"), "type": "function", "function": function})
        elif kind not in _FORGOTTEN:
            raise unsupported(f"a block of the type {str(kind)[:50]!r}", "content")
    message: Body = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if calls:
        message["tool_calls"] = calls
    return [message]


def _plain_text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    return "\n\n".join(text(needed(block, "text"), name) for block in objects(value, name))


def _tool(tool: Body) -> Body:
    if tool.get("type") not in (None, "custom"):
        raise unsupported(f"the tool {str(tool['type'])[:50]!r}", "tools")
    function = {"name": needed(tool, "name"), "parameters": needed(tool, "input_schema")}
    if tool.get("description"):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _tool_choice(choice: Body) -> Body:
    if not choice:
        return {}
    asked: Body = {}
    match choice.get("type"):
        case "auto" | "none" as word:
            asked["tool_choice"] = word
        case "any":
            asked["tool_choice"] = "required"
        case "tool":
            asked["tool_choice"] = {"type": "function", "function": {"name": needed(choice, "name")}}
        case _:
            raise InvalidField("tool_choice must be auto, any, tool or none", "tool_choice")
    if choice.get("disable_parallel_tool_use") is True:
        asked["parallel_tool_calls"] = False
    return asked
