"""What does LiteLLM's config.yaml say of its cache of answers? ``cache`` and ``cache_params``, in our settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from litemaas.core.answer_cache import ROUTES

TAKEN = ("litellm_settings.cache", "litellm_settings.cache_params")
_WHERE = "litellm_settings.cache_params"
_TYPES = {"local": "local", "redis": "valkey"}
_READ = frozenset({
    "type", "host", "port", "username", "password", "ssl", "url", "ttl", "default_in_memory_ttl", "default_in_redis_ttl",
    "namespace", "mode", "supported_call_types", "shared_by",
})  # fmt: skip
_CALL_TYPES = {
    "acompletion": "/chat/completions", "completion": "/chat/completions", "atext_completion": "/completions",
    "text_completion": "/completions", "aembedding": "/embeddings", "embedding": "/embeddings", "arerank": "/rerank",
    "rerank": "/rerank",
}  # fmt: skip
_MODES = {"default_on": "false", "default_off": "true"}
_SHARERS = ("key", "team", "everybody")


def cache_of(document: Mapping[str, Any], problems: list[str], warnings: list[str]) -> dict[str, str]:
    """Variables of ours; none where ``cache`` is not true."""
    settings = document.get("litellm_settings")
    settings = settings if isinstance(settings, dict) else {}
    if str(settings.get("cache")).lower() != "true":
        return {}
    params = settings.get("cache_params", {})
    params = {} if params is None else params
    if not isinstance(params, dict):
        problems.append(f"{_WHERE}: must be a mapping.")
        return {}
    kind = params.get("type", "redis")
    if kind not in _TYPES:
        problems.append(f"{_WHERE}.type: caches of type {str(kind)[:100]!r} are not offered; take local or redis.")
        return {}
    warnings += [f"{_WHERE}.{name} is not read; it has no effect here." for name in params if name not in _READ]
    found = {"TYPE": _TYPES[kind]}
    if kind == "redis" and (url := redis_url(params)):
        found["URL"] = url
    ttl = params.get("ttl", params.get("default_in_memory_ttl" if kind == "local" else "default_in_redis_ttl"))
    if ttl is not None:
        found["TTL_S"] = str(ttl)
    if params.get("namespace"):
        found["NAMESPACE"] = str(params["namespace"])
    for name, values, ours in (("mode", _MODES, "ON_REQUEST"), ("shared_by", dict.fromkeys(_SHARERS), "SHARED_BY")):
        value = params.get(name)
        if value is not None and value not in values:
            problems.append(f"{_WHERE}.{name}: must be one of {', '.join(values)}.")
        elif value is not None:
            found[ours] = values[value] or value
    found |= _routes(params.get("supported_call_types"), problems, warnings)
    return {f"LITEMAAS_ANSWER_CACHE__{name}": value for name, value in found.items()}


def redis_url(params: Mapping[str, Any]) -> str | None:
    """Of the Redis that is named by its host; None where none is."""
    if params.get("url"):
        return str(params["url"])
    if not params.get("host"):
        return None
    scheme = "rediss" if params.get("ssl") in (True, "true", "True") else "redis"
    user, password = quote(str(params.get("username") or ""), safe=""), params.get("password")
    secret = f"{user}:{quote(str(password), safe='')}@" if password else ""
    return f"{scheme}://{secret}{params['host']}:{params.get('port') or 6379}"


def _routes(listed: Any, problems: list[str], warnings: list[str]) -> dict[str, str]:
    if listed is None:
        return {}
    if not isinstance(listed, list):
        problems.append(f"{_WHERE}.supported_call_types: must be a list.")
        return {}
    others = [str(name)[:100] for name in listed if name not in _CALL_TYPES]
    if others:
        warnings.append(f"{_WHERE}.supported_call_types: answers of {', '.join(others)} are not kept.")
    routes = [route for route in ROUTES if any(_CALL_TYPES.get(name) == route for name in listed)]
    if not routes:
        problems.append(f"{_WHERE}.supported_call_types: names none whose answers can be kept.")
    return {"ROUTES": ",".join(routes)}
