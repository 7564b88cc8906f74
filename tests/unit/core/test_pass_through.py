"""Can no route of one's own take a path of the gateway's, and no rest of a path climb out of its target?"""

from __future__ import annotations

import pytest

from litemaas.core.pass_through import RESERVED, PassThrough, check_path, is_plain
from litemaas.core.pricing import Price
from litemaas.gateway import management, pages, token_counter
from litemaas.gateway.endpoints.table import EndpointTable
from litemaas.gateway.settings import GatewaySection


def test_the_first_part_of_every_path_of_the_gateway_is_reserved():
    ours = {*EndpointTable(GatewaySection()).paths(), *management.PREFIXES, management.ABOUT_ITSELF, *pages._PATHS,
            token_counter.PATH}  # fmt: skip
    assert {path.split("/")[1] for path in ours} - {""} <= RESERVED


@pytest.mark.parametrize("path", ["/search", "/a/b.c/~d_-/e", "/keyed", "/v3/x"])
def test_other_paths_can_be_taken(path: str):
    check_path(path)


@pytest.mark.parametrize(
    "path", ["/key/x", "/V1/x", "/.well-known/x", "/x/", "x", "", "/", "/x//y", "/x/..", "/x?y", "/ä"]
)
def test_the_gateways_own_and_odd_paths_cannot(path: str):
    with pytest.raises(ValueError, match="path must"):
        check_path(path)


@pytest.mark.parametrize("rest", ["", "/a", "/a%20b", "/a..b", "/...", "/%c3%a4", "/100%25", "/a;v=1"])
def test_a_usual_rest_of_a_path_is_plain(rest: str):
    assert is_plain(rest)


@pytest.mark.parametrize(
    "rest", ["/..", "/.", "/%2e%2e", "/%2E./x", "/%252e%252e", "/%25252e%25252e", "/a%2f..", "/..;/x", "/%5c..", "/%0a", "/%00"]
)  # fmt: skip
def test_a_rest_that_could_climb_is_not(rest: str):
    assert not is_plain(rest)


def test_what_stands_for_a_route_is_tried_once_at_its_price():
    route = PassThrough(
        id="r", path="/search", target="http://x/y", headers={"a": "b"}, price=Price(3, request_per_million=5)
    )
    model = route.model()
    [deployment] = model.deployments
    assert (model.retries, deployment.price.request_per_million, deployment.api_base) == (0, 5, "http://x/y")
    assert deployment.provider == "pass_through"
