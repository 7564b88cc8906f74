"""LiteLLM's management API as an application of its own, mounted below ``/litellm``; errors there have its shape."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from litemaas.control.litellm_api import (
    about,
    activity,
    budgets,
    cache,
    credentials,
    customers,
    guardrails,
    key_upkeep,
    keys,
    members,
    model_groups,
    models,
    pass_through,
    price_terms,
    reports,
    spend,
    spend_pages,
    teams,
    users,
    workshops,
)
from litemaas.control.litellm_api.errors import answer_like_litellm
from litemaas.control.litellm_api.key_params import KeyParams

FEATURES = (
    guardrails, keys, key_upkeep, users, teams, members, budgets, customers, credentials, models, model_groups, spend,
    spend_pages, activity, reports, workshops, pass_through, price_terms, cache, about,
)  # fmt: skip
"""Modules with a ``router``."""


def create_facade(key_params: KeyParams | None = None, *, activity_by_engine: bool = False) -> FastAPI:
    """The caller puts ``plane`` and ``authenticator`` on its state.

    ``activity_by_engine``: daily activity calls models by their engines' names, as LiteLLM 1.81 does.
    """
    facade = FastAPI(
        title="LiteLLM-compatible management",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    facade.add_middleware(BodiesAreJson)
    facade.state.key_params = key_params or KeyParams()
    facade.state.activity_by_engine = activity_by_engine
    answer_like_litellm(facade)
    for feature in FEATURES:
        facade.include_router(feature.router)
    return facade


class BodiesAreJson:
    """Takes every body as JSON, whatever its ``Content-Type``: curl's ``-d`` alone declares a form.

    A form posted by a browser carries no key, so nothing is opened by this.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            MutableHeaders(scope=scope)["Content-Type"] = "application/json"
        await self._app(scope, receive, send)
