"""Which paths may a restricted key be used for?"""

from __future__ import annotations

import pytest

from litemaas.core.routes import INFERENCE, INFO, MANAGEMENT, is_route_allowed, routes_of


@pytest.mark.parametrize(
    ("extras", "routes"),
    [
        ({}, ()),
        ({"allowed_routes": [], "key_type": "default"}, ()),
        ({"key_type": "llm_api"}, (INFERENCE,)),
        ({"key_type": "management", "allowed_routes": ["/x"]}, (MANAGEMENT, "/x")),
        ({"key_type": "read_only"}, (INFO,)),
        ({"key_type": None, "allowed_routes": "nonsense"}, ()),
    ],
)
def test_a_type_stands_for_a_group_of_routes(extras: dict[str, object], routes: tuple[str, ...]) -> None:
    assert routes_of(extras) == routes


@pytest.mark.parametrize(
    ("routes", "path", "allowed"),
    [
        ((), "/chat/completions", True),
        ((INFERENCE,), "/chat/completions", True),
        ((MANAGEMENT,), "/chat/completions", False),
        (("/v1/chat/completions",), "/chat/completions", True),
        (("/chat/completions",), "/v1/chat/completions", True),
        (("/chat/*",), "/chat/completions", True),
        (("*",), "/embeddings", True),
        (("/chat",), "/chat/completions", False),
        (("/embeddings",), "/chat/completions", False),
    ],
)
def test_a_path_is_allowed_by_itself_its_group_or_a_star(routes: tuple[str, ...], path: str, allowed: bool) -> None:
    assert is_route_allowed(routes, INFERENCE, path) is allowed


def test_what_only_tells_something_is_open_to_keys_that_read() -> None:
    assert is_route_allowed((INFO,), MANAGEMENT, "/key/info", is_info=True)
    assert not is_route_allowed((INFO,), MANAGEMENT, "/key/block")
