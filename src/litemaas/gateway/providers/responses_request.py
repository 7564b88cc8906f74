"""What does a request to OpenAI's Responses API say, as a chat completion? (OpenAI API reference, Responses, 2026-11)

What refers to conversations, items or prompts that are kept elsewhere is refused instead of being left out.
"""

from __future__ import annotations

from typing import Any

from litemaas.core.errors import InvalidField
from litemaas.gateway.providers.reading import Body, an_object, needed, objects, text, unsupported

_SAME = (
    "model", "stream", "temperature", "top_p", "metadata", "parallel_tool_calls", "user", "safety_identifier",
    "prompt_cache_key",
)  # fmt: skip
_KEPT_ELSEWHERE = ("conversation", "prompt")
_ROLES = ("user", "assistant", "system", "developer")


def refuse_kept_state(body: Body) -> None:
    """Errors: InvalidField for what would need a kept conversation, item or prompt, or an answer to come later."""
    for name in _KEPT_ELSEWHERE:
        if body.get(name) is not None:
            raise InvalidField(
                f"{name} is not supported: nothing is kept here between calls. Send the whole conversation in 'input'",
                name,
            )
    asked = body.get("input")
    for item in asked if isinstance(asked, list) else ():
        parts = item.get("content") if isinstance(item, dict) else None
        found = [item, *parts] if isinstance(parts, list) else [item]
        for part in found:
            if isinstance(part, dict) and (part.get("type") == "item_reference" or part.get("file_id") is not None):
                raise InvalidField("items and files are not kept here: send what they hold", "input")
    if body.get("background") is True:
        raise InvalidField("background is not supported: ask with stream instead", "background")


def chat_of_response(body: Body) -> Body:
    """The members of the chat completion that asks the same.

    Errors: InvalidField for what no chat completion can carry; MissingField.
    """
    chat: Body = {name: body[name] for name in _SAME if body.get(name) is not None}
    messages: list[Body] = []
    if body.get("instructions"):
        messages.append({"role": "system", "content": text(body["instructions"], "instructions")})
    asked = needed(body, "input")
    if isinstance(asked, str):
        messages.append({"role": "user", "content": asked})
    else:
        for item in objects(asked, "input"):
            _add_item(messages, item)
    chat["messages"] = messages
    if body.get("max_output_tokens") is not None:
        chat["max_tokens"] = body["max_output_tokens"]
    tools = [_tool(tool) for tool in objects(body.get("tools"), "tools")]
    if tools:
        chat["tools"] = tools
        if body.get("tool_choice") is not None:
            chat["tool_choice"] = _tool_choice(body["tool_choice"])
    effort = an_object(body.get("reasoning"), "reasoning").get("effort")
    if effort is not None:
        chat["reasoning_effort"] = effort
    return chat | _format(an_object(body.get("text"), "text"))


def _add_item(messages: list[Body], item: Body) -> None:
    kind = item.get("type") or "message"
    if kind == "message":
        role = needed(item, "role")
        if role not in _ROLES:
            raise InvalidField("a message's role is user, assistant, system or developer", "input")
        messages.append({"role": "system" if role == "developer" else role, "content": _content(item, role)})
    elif kind == "function_call":
        function = {"name": needed(item, "name"), "arguments": item.get("arguments") or "{}"}
        call = {"id": needed(item, "call_id"), "type": "function", "function": function}
        if messages and messages[-1]["role"] == "assistant":
            messages[-1].setdefault("tool_calls", []).append(call)
        else:
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
    elif kind == "function_call_output":
        output = item.get("output")
        said = output if isinstance(output, str) else "\n".join(_texts(objects(output, "output")))
        messages.append({"role": "tool", "tool_call_id": needed(item, "call_id"), "content": said})
    elif kind != "reasoning":  # thoughts of an earlier turn, which chat completions have no place for
        raise unsupported(f"an item of the type {str(kind)[:50]!r}", "input")


def _content(item: Body, role: str) -> Any:
    content = needed(item, "content")
    if isinstance(content, str):
        return content
    parts = [_part(part) for part in objects(content, "content")]
    if role != "user":
        return "".join(_texts(parts))
    return parts


def _texts(parts: list[Body]) -> list[str]:
    return [text(part["text"], "text") for part in parts if isinstance(part.get("text"), str)]


def _part(part: Body) -> Body:
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            return {"type": "text", "text": text(needed(part, "text"), "text")}
        case "refusal":
            return {"type": "text", "text": text(needed(part, "refusal"), "refusal")}
        case "input_image" if part.get("image_url"):
            image = {"url": text(part["image_url"], "image_url")}
            if part.get("detail") in ("low", "high"):
                image["detail"] = part["detail"]
            return {"type": "image_url", "image_url": image}
        case "input_audio":
            return {"type": "input_audio", "input_audio": needed(part, "input_audio")}
        case kind:
            raise unsupported(f"a part of the type {str(kind)[:50]!r}", "input")


def _tool(tool: Body) -> Body:
    if tool.get("type") != "function":
        raise unsupported(f"the tool {str(tool.get('type'))[:50]!r}", "tools")
    function = {
        name: tool[name] for name in ("name", "description", "parameters", "strict") if tool.get(name) is not None
    }
    needed(function, "name")
    return {"type": "function", "function": function}


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    if isinstance(choice, dict) and choice.get("type") == "function":
        return {"type": "function", "function": {"name": needed(choice, "name")}}
    raise unsupported("that tool_choice", "tool_choice")


def _format(asked: Body) -> Body:
    """How the answer's text is to be written."""
    members: Body = {"verbosity": asked["verbosity"]} if asked.get("verbosity") is not None else {}
    wanted = an_object(asked.get("format"), "text.format")
    if wanted.get("type") == "json_schema":
        schema = {
            name: wanted[name] for name in ("name", "description", "schema", "strict") if wanted.get(name) is not None
        }
        members["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif wanted.get("type") == "json_object":
        members["response_format"] = {"type": "json_object"}
    return members
