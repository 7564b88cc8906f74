"""Which guardrails are there? As LiteLLM's clients list them: this installation's own, then the built-in ones."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.litellm_api.gate import Access, facade_requires
from litemaas.control.settings.groups import GuardrailSettings
from litemaas.control.settings.service import read
from litemaas.core.guardrails import GROUPS, NAMES

router = APIRouter(route_class=WorkRoute)
_UNSAID = {"guardrail_id": None, "guardrail_info": None}
_OF_ADMINISTRATORS = frozenset({
    "api_base", "api_key", "headers", "extra_headers", "additional_provider_specific_params", "presidio_analyzer_api_base",
    "presidio_anonymizer_api_base",
})  # fmt: skip
_ANY_KEY = [facade_requires(Access.VIRTUAL_KEY)]


@router.get("/guardrails/list", dependencies=_ANY_KEY)
async def list_guardrails(work: WorkOf) -> dict[str, Any]:
    """One's own as they were put, without where they ask; groups, then each pattern by itself."""
    own = (await read(work, GuardrailSettings)).guardrails
    return {"guardrails": [{**_UNSAID, **_listed(entry)} for entry in own] + [_entry(name) for name in NAMES]}


router.add_api_route("/v2/guardrails/list", list_guardrails, methods=["GET"], dependencies=_ANY_KEY)


def _listed(entry: dict[str, Any]) -> dict[str, Any]:
    """Keys can list guardrails; addresses of services are for administrators."""
    params = {name: value for name, value in entry["litellm_params"].items() if name not in _OF_ADMINISTRATORS}
    return {**entry, "litellm_params": params}


def _entry(name: str) -> dict[str, Any]:
    patterns = [
        {"pattern_type": "prebuilt", "pattern_name": kind, "action": "BLOCK"} for kind in GROUPS.get(name, (name,))
    ]
    params = {"guardrail": "litellm_content_filter", "mode": ["pre_call", "post_call"], "default_on": False,
              "patterns": patterns}  # fmt: skip
    return {**_UNSAID, "guardrail_name": name, "litellm_params": params}
