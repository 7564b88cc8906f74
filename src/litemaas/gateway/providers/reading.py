"""What of a foreign body has the shape that it must have? Small readers whose refusals name the member."""

from __future__ import annotations

from typing import Any

import msgspec

from litemaas.core.errors import InvalidField, MalformedBody, MissingField
from litemaas.gateway.bodies import NOT_JSON

Body = dict[str, Any]
MISSHAPEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What an engine's answer leads to that has not the shape which its format demands."""
_decode = msgspec.json.Decoder(Body).decode


def whole(body: bytes) -> Body:
    """A client's body with all that is in it. Errors: MalformedBody."""
    try:
        return _decode(body)
    except NOT_JSON:
        raise MalformedBody("the request body is not a JSON object, or is nested too deeply", "request_body") from None


def needed(body: Body, name: str) -> Any:
    """Errors: MissingField."""
    if body.get(name) is None:
        raise MissingField(f"the member {name!r} is missing", name)
    return body[name]


def objects(value: Any, name: str) -> list[Body]:
    """A list of objects; None is an empty one. Errors: InvalidField."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise InvalidField(f"{name} must be a list of objects", name)
    return value


def text(value: Any, name: str) -> str:
    """Errors: InvalidField."""
    if not isinstance(value, str):
        raise InvalidField(f"{name} must be a text", name)
    return value


def an_object(value: Any, name: str) -> Body:
    """None is an empty one. Errors: InvalidField."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidField(f"{name} must be an object", name)
    return value


_AT_THE_PROVIDER = (
    "web_search", "web_fetch", "code_execution", "code_interpreter", "file_search", "image_generation", "mcp", "tool_search",
)  # fmt: skip


def refuse_tools_at_the_provider(body: Body) -> None:
    """What a provider runs by itself costs what no price here covers, and may reach what belongs to its whole account.

    Errors: InvalidField.
    """
    for tool in objects(body.get("tools"), "tools"):
        if str(tool.get("type")).startswith(_AT_THE_PROVIDER):
            raise InvalidField(
                f"the tool {str(tool['type'])[:50]!r} is not supported: it would run at the provider, at no known price",
                "tools",
            )
    for name in ("mcp_servers", "container"):
        if body.get(name):
            raise InvalidField(f"{name} is not supported: it would be used at the provider", name)


class Untranslatable(InvalidField):
    """Only an engine that speaks the format itself can do this."""


def unsupported(what: str, name: str) -> Untranslatable:
    return Untranslatable(f"{what} cannot be had from this model server", name)
