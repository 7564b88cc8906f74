"""Does each leaf of the tree of errors have its place in both wire formats, and each route its role?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Mount

from litemaas.control.app import Settings, create_app
from litemaas.control.app.portal import Portal
from litemaas.control.app.settings import check_settings
from litemaas.control.auth.gates import Gate, Open
from litemaas.control.http import problems
from litemaas.control.http.work import WorkRoute
from litemaas.control.litellm_api import errors as facade
from litemaas.control.litellm_api.gate import FacadeGate
from litemaas.core.errors import LiteMaaSError
from litemaas.kit.settings import SettingsError, load_settings

ENVIRONMENT = {
    "LITEMAAS_DATABASE_URL": "postgresql://nobody@nowhere/nothing",
    "LITEMAAS_MASTER_KEY": "sk-0123456789abcdef",
    "LITEMAAS_ENCRYPTION_KEY": "0123456789abcdef",
    "LITEMAAS_CONTROL__PORT": "9090",
}
PUBLIC = {
    "/health/live", "/health/ready", "/openapi.json", "/docs", "/api/v1/config", "/api/v1/banners", "/api/v1/branding",
    "/api/v1/branding/images/{kind}", "/api/v1/auth/providers", "/api/v1/auth/login", "/api/v1/auth/callback",
    "/api/v1/auth/dev-login",
    # These look for themselves: a virtual key, or whether the catalogue is open to everybody.
    "/api/v1/key-info", "/api/v1/key-info/explain", "/api/v1/models", "/api/v1/models/facets", "/api/v1/models/{model_id}",
    "/api/v1/models/{model_id}/stats",
    # A participant of a workshop has its code, and then a seat's cookie.
    "/api/v1/claims/{guid}", "/api/v1/claims/{guid}/seat", "/api/v1/claims/{guid}/seat/try",
}  # fmt: skip


def leaves(kind: type[LiteMaaSError]) -> Iterator[type[LiteMaaSError]]:
    below = [child for child in kind.__subclasses__() if child.__module__ == LiteMaaSError.__module__]
    if not below:
        yield kind
    for child in below:
        yield from leaves(child)


@pytest.mark.parametrize("table", [problems.TABLE, facade.TABLE])
def test_every_leaf_has_a_status(table: dict[type[LiteMaaSError], object]):
    assert {leaf for leaf in leaves(LiteMaaSError) if leaf.__module__ == "litemaas.core.errors"} == set(table)


def test_every_route_declares_one_role_and_only_few_are_public():
    app = create_app(load_settings(Settings, ENVIRONMENT))
    (mount,) = [route for route in app.routes if isinstance(route, Mount)]
    public, walked = set(), 0
    for prefix, routes in (("", app.routes), (mount.path, mount.routes)):
        for context in iter_route_contexts(routes):
            route = context.original_route
            if isinstance(route, Mount | Portal):
                continue
            assert isinstance(route, WorkRoute), route
            assert isinstance(route, APIRoute)
            gates = [d.call for d in context.dependant.dependencies if isinstance(d.call, Gate | FacadeGate)]
            assert len(gates) == 1, f"{prefix}{context.path} declares {len(gates)} roles"
            walked += 1
            if isinstance(gates[0], Gate) and any(gates[0].demand(method) is Open.PUBLIC for method in route.methods):
                public.add(prefix + context.path)
    assert walked > 30
    assert public == PUBLIC


def test_settings_come_from_the_environment():
    settings = check_settings(load_settings(Settings, ENVIRONMENT))
    assert settings.control.port == 9090
    assert settings.control.host == "127.0.0.1"
    assert settings.redis_url is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LITEMAAS_MASTER_KEY", "0123456789abcdef-no-prefix"),
        ("LITEMAAS_MASTER_KEY", "sk-short"),
        ("LITEMAAS_ENCRYPTION_KEY", "short"),
        ("LITEMAAS_DATABASE_URL", "mysql://x"),
        ("LITEMAAS_CONTROL__PORT", "70000"),
    ],
)
def test_bad_settings_are_named_without_their_value(variable: str, value: str):
    with pytest.raises(SettingsError) as refusal:
        check_settings(load_settings(Settings, ENVIRONMENT | {variable: value}))
    assert variable in str(refusal.value)
    assert value not in str(refusal.value)
