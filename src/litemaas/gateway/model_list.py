"""Which models are listed for a key? Names, other names, groups and wildcards, as the query asks (gateway-api contract 1.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from litemaas.core.catalog import Model

CREATED = 1677610602
"""The constant that LiteLLM's clients find in every model."""


def entries(models: Iterable[Model], query: bytes) -> list[dict[str, object]]:
    """``models``: what the key may call. Wildcards and access groups are listed only if they are asked for."""
    asked = parse_qs(query.decode("latin-1"))
    models = list(models)
    groups = sorted({group for model in models for group in model.access_groups})
    if _flag(asked, "only_model_access_groups"):
        return [_entry(group) for group in groups]
    context = asked.get("fallback_type", [""])[0] == "context_window"
    with_metadata = _flag(asked, "include_metadata")
    listed = []
    for model in models:
        if model.is_wildcard and not _flag(asked, "return_wildcard_routes"):
            continue
        for name in (model.name, *model.aliases):
            entry = _entry(name)
            if with_metadata:
                entry["metadata"] = {"fallbacks": list(model.context_fallbacks if context else model.fallbacks)}
            listed.append(entry)
    if _flag(asked, "include_model_access_groups"):
        listed += [_entry(group) for group in groups]
    return listed


def find(models: Iterable[Model], name: str) -> dict[str, object] | None:
    """The entry of one name that the key may call."""
    return next((_entry(name) for model in models for known in _names(model) if known == name), None)


def _names(model: Model) -> Iterator[str]:
    yield model.name
    yield from model.aliases


def _flag(asked: dict[str, list[str]], name: str) -> bool:
    return asked.get(name, ["false"])[0].lower() == "true"


def _entry(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "openai"}
