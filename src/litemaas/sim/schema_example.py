"""What value fits this JSON schema? The smallest sensible one, for structured answers and tool arguments."""

from __future__ import annotations

from typing import Any

_DEPTH = 12  # recursive schemas end here
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
}


def example_of(schema: Any, word: str = "example") -> Any:
    """A value that the schema accepts; ``word`` stands where any text would do."""
    return _example(schema, schema if isinstance(schema, dict) else {}, word, _DEPTH)


def _example(schema: Any, root: dict[str, Any], word: str, depth: int) -> Any:
    if not isinstance(schema, dict) or depth == 0:
        return None
    if "$ref" in schema:
        return _example(_referred(schema["$ref"], root), root, word, depth - 1)
    if "const" in schema:
        return schema["const"]
    for listed in ("enum", "examples"):
        if schema.get(listed):
            return schema[listed][0]
    if "default" in schema:
        return schema["default"]
    for choice in ("anyOf", "oneOf"):
        if schema.get(choice):
            return _example(schema[choice][0], root, word, depth - 1)
    if schema.get("allOf"):
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            value = _example(part, root, word, depth - 1)
            merged |= value if isinstance(value, dict) else {}
        return merged
    return _typed(schema, root, word, depth)


def _typed(schema: dict[str, Any], root: dict[str, Any], word: str, depth: int) -> Any:
    kind = schema.get("type") or ("object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0] if kind else "null"
    match kind:
        case "object":
            properties = schema.get("properties") or {}
            return {name: _example(part, root, word, depth - 1) for name, part in properties.items()}
        case "array":
            return [_example(schema.get("items") or {}, root, word, depth - 1)] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "null":
            return None
    return _text(schema, word)


def _number(schema: dict[str, Any]) -> Any:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    number = max(1, low + 1 if "exclusiveMinimum" in schema else low)
    return min(number, schema["maximum"]) if "maximum" in schema else number


def _text(schema: dict[str, Any], word: str) -> str:
    text = _FORMATS.get(schema.get("format", ""), word)
    if len(text) < schema.get("minLength", 0):
        text += "x" * (schema["minLength"] - len(text))
    return text[: schema["maxLength"]] if "maxLength" in schema else text


def _referred(reference: str, root: dict[str, Any]) -> Any:
    place: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            place = place.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(place, dict) else None
    return place
