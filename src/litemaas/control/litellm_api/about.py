"""LiteLLM's small calls: what is said of the installation itself, and of what is not offered here?"""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.gate import Access, CallerOf, facade_requires
from litemaas.control.litellm_api.models import OPENAI_PARAMS, info
from litemaas.core.errors import ModelUnknown, NotOffered

router = APIRouter(route_class=WorkRoute)
_ANY_KEY = [facade_requires(Access.VIRTUAL_KEY)]
_PUBLIC = [facade_requires(Access.PUBLIC)]
_READER = [facade_requires(Access.READER)]
_MASTER = [facade_requires(Access.MASTER)]
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Management calls</title>
<style>body{{font:16px/1.5 system-ui;max-width:70em;margin:2em auto;padding:0 1em}}td{{padding:.2em 1em .2em 0}}</style>
<h1>Management calls</h1><p>The machine-readable contract: <a href="openapi.json">openapi.json</a>. Send a key as
<code>Authorization: Bearer sk-…</code>.</p><table>{rows}</table></html>"""


@router.get("/utils/supported_openai_params", dependencies=_ANY_KEY)
async def supported_params(work: WorkOf, caller: CallerOf, model: str) -> dict[str, list[str]]:
    """What a model takes; whatever else is sent goes to its server as it is."""
    for entry in (await info(work, caller))["data"]:
        if model in (entry["model_name"], entry["litellm_params"]["model"]):
            return {"supported_openai_params": entry["model_info"]["supported_openai_params"]}
    if not caller.is_master:
        raise ModelUnknown(f"The model {model[:200]!r} was not found.")
    return {"supported_openai_params": list(OPENAI_PARAMS)}


@router.post("/utils/token_counter", dependencies=_ANY_KEY)
async def token_counter() -> None:
    """Answered by the gateway, which asks the model's own server; 501 for who asks the control plane itself."""
    raise NotOffered("Tokens are counted by the gateway: send this call there.")


@router.get("/health/services", dependencies=_READER)
async def services(service: str) -> dict[str, str]:
    """Services that logs are sent to: only Prometheus asks us, and it needs nothing."""
    if service == "prometheus":
        return {"status": "success", "message": "Prometheus reads /metrics."}
    message = f"The service {service[:100]!r} is not configured; there is: prometheus."
    raise Refused(422, "bad_request_error", "service", message, detail=True)


@router.get("/openapi.json", dependencies=_PUBLIC, include_in_schema=False)
async def openapi(request: Request) -> JSONResponse:
    """The contract of this API."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", dependencies=_PUBLIC, include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Every call with its first sentence; the page needs nothing from elsewhere."""
    paths: dict[str, Any] = request.app.openapi()["paths"]
    rows = "".join(
        f"<tr><td><code>{method.upper()}</code><td><code>{escape(path)}</code>"
        f"<td>{escape(told.get('description', told['summary']).splitlines()[0])}"
        for path, methods in sorted(paths.items()) for method, told in methods.items()
    )  # fmt: skip
    return HTMLResponse(_PAGE.format(rows=rows))


@router.get("/public/model_hub", dependencies=_PUBLIC)
async def model_hub() -> list[dict[str, Any]]:
    """Models that are shown without a key: none; the portal has the catalogue."""
    return []


@router.get("/public/providers", dependencies=_PUBLIC)
async def providers() -> list[str]:
    """Kinds of model servers that can be registered."""
    return ["openai", "hosted_vllm", "anthropic", "azure", "gemini", "docling"]


LEFT_OUT: dict[str, str] = {
    "/organization": "Organizations are not offered. Teams with budgets take their place.",
    "/tag": "Tags are not managed. Send them with calls or keep them with keys; /spend/tags reads what they cost.",
    "/access_group": "Access groups are not managed. Name them in model_info.access_groups of models.",
    "/fallback": "Fallbacks are part of a model. Set them in the portal or by /api/v1/admin/models.",
    "/cost": "Estimates are made by POST /api/v1/playground/estimate of the control plane.",
    "/audit": "The audit trail is read by GET /api/v1/admin/audit of the control plane.",
    "/router": "Strategy, retries and fallbacks belong to each model: GET /api/v1/admin/models of the control plane.",
    "/invitation": "Invitations are not offered. People sign in to the portal.",
    "/sso": "Sign-in by this API is not offered. People sign in to the portal.",
    "/scim": "SCIM is not offered. Groups of the identity provider decide on roles and teams at sign-in.",
    "/jwt": "Tokens of other issuers are not taken as keys.",
    "/policies": "Policies of guardrails are not offered. Name guardrails per key or model.",
    "/prompts": "Prompts are kept in the portal's playground.",
    "/mcp": "MCP servers are not offered.",
    "/vector_store": "Vector stores are not offered.",
    "/email": "E-mails are not sent by this API. Notifications are set in the portal.",
    "/api": "This is the portal's API. It is served by the control plane, not by the gateway.",
}
"""Beginnings of paths that LiteLLM has and this API leaves out, with what to do instead."""


def _refusing(beginning: str, sentence: str) -> Any:
    async def refuse() -> None:
        raise Refused(404, "not_found_error", "None", sentence, detail=True)

    refuse.__doc__ = f"Left out: {sentence}"
    refuse.__name__ = f"left_out_{beginning.strip('/')}"
    return refuse


for _beginning, _sentence in LEFT_OUT.items():
    for _path in (_beginning, f"{_beginning}/{{rest:path}}"):
        router.add_api_route(
            _path, _refusing(_beginning, _sentence), methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            dependencies=_ANY_KEY, include_in_schema=False,
        )  # fmt: skip
