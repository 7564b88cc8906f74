"""Do the gateway and the facade of LiteLLM's API mean the same paths, and is each call described?"""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from litemaas.control.litellm_api.about import LEFT_OUT
from litemaas.control.litellm_api.app import create_facade
from litemaas.gateway.management import PREFIXES, is_management

FACADE = create_facade()
PATHS = sorted(
    {context.path for context in iter_route_contexts(FACADE.routes) if isinstance(context.original_route, APIRoute)}
)


def test_the_gateway_hands_every_path_of_the_facade_over():
    assert [path for path in PATHS if not is_management(path)] == []


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_beginning_that_is_handed_over_is_answered(prefix: str):
    assert any(path == prefix or path.startswith(f"{prefix}/") for path in PATHS)


def test_inference_stays_the_gateways():
    for path in (
        "/v1/chat/completions",
        "/v1/models",
        "/health",
        "/health/readiness",
        "/metrics",
        "/models",
        "/responses",
    ):
        assert not is_management(path)


def test_every_call_has_an_operation_of_its_own_in_the_contract():
    contract = FACADE.openapi()
    ids = [told["operationId"] for methods in contract["paths"].values() for told in methods.values()]
    assert len(ids) == len(set(ids)) > 90
    assert not any(path in LEFT_OUT for path in contract["paths"])
