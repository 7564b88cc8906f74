"""Which paths may a key be used for? ``allowed_routes`` and ``key_type`` of LiteLLM's clients (gateway-api contract 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

INFERENCE: Final = "llm_api_routes"
MANAGEMENT: Final = "management_routes"
INFO: Final = "info_routes"
KEY_TYPES: Final = {"default": None, "llm_api": INFERENCE, "management": MANAGEMENT, "read_only": INFO}
"""The types that a key can have, and the group of routes that each is for; None = no restriction."""


def routes_of(extras: Mapping[str, Any]) -> tuple[str, ...]:
    """Groups and paths that a key is restricted to; empty = it is not.

    ``extras``: of the key, as its clients sent them.
    """
    allowed = extras.get("allowed_routes")
    routes = [str(route) for route in allowed] if isinstance(allowed, list | tuple) else []
    group = KEY_TYPES.get(str(extras.get("key_type")))
    return tuple(routes if group is None else [group, *routes])


def is_route_allowed(routes: tuple[str, ...], group: str, path: str, *, is_info: bool = False) -> bool:
    """Whether one of ``routes`` names the path or its group. A path is the same with and without ``/v1``.

    ``is_info``: it only tells something.
    """
    if not routes or group in routes or (is_info and INFO in routes):
        return True
    plain = path.removeprefix("/v1")
    return any(_matches(route.removeprefix("/v1"), plain) for route in routes)


def _matches(route: str, path: str) -> bool:
    return path.startswith(route[:-1]) if route.endswith("*") else path == route
