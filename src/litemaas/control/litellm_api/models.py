"""LiteLLM's model calls: how do its clients register, read, change and remove deployments?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from litemaas.control.catalog import credentials, repository, service
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.gate import Access, CallerOf, facade_requires
from litemaas.control.litellm_api.key_replies import with_z
from litemaas.control.litellm_api.model_params import CREDENTIAL, known_prices, params_of, read_model
from litemaas.core.errors import InvalidField, MissingField, NotFound

router = APIRouter(route_class=WorkRoute)
_MASTER = [facade_requires(Access.MASTER)]
_MASK = "****"
_UNKNOWN = (
    "max_tokens", "max_input_tokens", "max_output_tokens", "tpm", "rpm", "supports_tool_choice",
    "supports_parallel_function_calling", "supports_response_schema", "supports_system_messages", "supports_reasoning",
    "supports_prompt_caching", "supports_audio_input", "supports_audio_output", "supports_pdf_input",
    "supports_web_search",
)  # fmt: skip
OPENAI_PARAMS = (
    "frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "n", "presence_penalty",
    "response_format", "seed", "stop", "stream", "stream_options", "temperature", "tool_choice", "tools",
    "top_logprobs", "top_p", "user",
)  # fmt: skip
_SWITCHES = ("use_in_pass_through", "use_litellm_proxy", "merge_reasoning_content_in_choices")
_KEPT_ON_UPDATE = ("api_key", "extra_headers")
"""Write-only: absent from what clients read, so absent means keep."""


class LitellmParams(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1, max_length=512)


class NewModel(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model_name: str = Field(min_length=1, max_length=256)
    litellm_params: LitellmParams
    model_info: dict[str, Any] | None = None


class ModelChange(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    id: str | None = None
    model_name: str | None = Field(None, min_length=1, max_length=256)
    litellm_params: dict[str, Any] | None = None
    model_info: dict[str, Any] | None = None


class ModelDeletion(BaseModel):
    id: str


@router.post("/model/new", dependencies=_MASTER)
async def new(work: WorkOf, request: NewModel) -> dict[str, Any]:
    """Registers a deployment; it is listed and called at once."""
    info = dict(request.model_info or {})
    wanted = info.pop("id", None)
    params = await _with_credential(work, request.litellm_params.model_dump())
    model, draft = read_model(request.model_name, params, info)
    deployment_id = await service.add_deployment(work, model, draft, str(wanted) if wanted else None)
    return await _reply(work, deployment_id)


@router.patch("/model/{deployment_id}/update", dependencies=_MASTER)
async def patch(work: WorkOf, deployment_id: str, request: ModelChange) -> dict[str, Any]:
    """Merges what was sent into a deployment; its id stays."""
    connection = await work.connection()
    row = await repository.find_deployment(connection, deployment_id)
    if row is None:
        raise service.deployment_not_found()
    sent, info = request.litellm_params or {}, request.model_info or {}
    if request.model_name or sent or info.keys() - {"id"}:
        # The prices of model_info count only where litellm_params name none, so its new ones take the old ones' place.
        kept = {name: value for name, value in params_of(row).items() if name not in info.keys() - sent.keys()}
        merged_info = {k: v for k, v in (row.info | info).items() if v is not None and k != "id"}
        params = await _with_credential(work, kept | sent)
        model, draft = read_model(request.model_name or row.model_name, params, merged_info)
        fields = set(draft.__struct_fields__) - {"price", "stream_usage", "enabled", *_KEPT_ON_UPDATE}
        fields |= (sent.keys() | ({"api_key"} if sent.get(CREDENTIAL) else set())) & set(_KEPT_ON_UPDATE)
        values = {field: getattr(draft, field) for field in fields}
        await service.change_deployment(work, deployment_id, values, draft.price, model)
    return await _reply(work, deployment_id)


async def _with_credential(work: Work, params: dict[str, Any]) -> dict[str, Any]:
    """What the credential that is named holds, and what is said besides. Errors: InvalidField."""
    name = params.get(CREDENTIAL)
    if not name:
        return params
    if params.get("api_key"):
        raise InvalidField(f"Send api_key or {CREDENTIAL}, not both: the key stands in the credential.", "api_key")
    return await credentials.values_of(work, str(name)) | {k: v for k, v in params.items() if v is not None}


@router.post("/model/update", dependencies=_MASTER)
async def update(work: WorkOf, request: ModelChange) -> dict[str, Any]:
    """As ``PATCH /model/{id}/update``, the id in the body."""
    deployment_id = (request.model_info or {}).get("id") or request.id
    if not deployment_id:
        raise MissingField("Name the deployment in model_info.id.", "id")
    return await patch(work, str(deployment_id), request)


@router.post("/model/delete", dependencies=_MASTER)
async def delete(work: WorkOf, request: ModelDeletion) -> dict[str, Any]:
    """Removes a deployment."""
    try:
        await service.delete_deployment(work, request.id)
    except NotFound:
        raise Refused(400, "bad_request_error", "id", "A deployment with this id was not found.", detail=True) from None
    return {"message": f"Model: {request.id} deleted successfully"}


@router.get("/model/info", dependencies=[facade_requires(Access.VIRTUAL_KEY)])
async def info(work: WorkOf, caller: CallerOf, litellm_model_id: str | None = None) -> dict[str, Any]:
    """The deployments of the models that the caller may use, without keys of their servers."""
    rows = await repository.list_deployments(await work.connection(), deployment_id=litellm_model_id)
    visible = [row for row in rows if caller.may_see(row.model_name, row.access_groups)]
    if litellm_model_id is not None and not visible:
        raise Refused(400, "bad_request_error", "litellm_model_id", "This model id was not found.", detail=True)
    return {
        "data": [
            {"model_name": row.model_name, "litellm_params": _params(row), "model_info": _info(row)} for row in visible
        ]
    }


router.add_api_route("/v1/model/info", info, methods=["GET"], dependencies=[facade_requires(Access.VIRTUAL_KEY)])


async def _reply(work: Work, deployment_id: str) -> dict[str, Any]:
    row = await repository.find_deployment(await work.connection(), deployment_id)
    if row is None:
        raise service.deployment_not_found()
    masked = {"api_key": _MASK} if row.api_key_sealed is not None else {}
    tidy_info = {"id": row.id, "db_model": True, "mode": row.mode, **_told(row)}
    return {
        "model_id": row.id,
        "model_name": row.model_name,
        "litellm_params": _params(row) | masked,
        "model_info": tidy_info,
        "created_at": with_z(row.created_at),
        "created_by": row.created_by,
        "updated_at": with_z(row.updated_at),
        "updated_by": row.updated_by,
    }


def _told(row: Row[Any]) -> dict[str, Any]:
    """What was said of a deployment, without what the discovery of model servers keeps for itself."""
    return {name: value for name, value in row.info.items() if name != "discovery"}


def _params(row: Row[Any]) -> dict[str, Any]:
    return dict.fromkeys(_SWITCHES, False) | params_of(row)


def _info(row: Row[Any]) -> dict[str, Any]:
    limits = {name: value for name in ("tpm", "rpm") if (value := row._mapping[f"{name}_limit"]) is not None}
    tokens = {"max_output_tokens": row.max_output_tokens, "max_input_tokens": row.max_context_tokens}
    return {
        **dict.fromkeys(_UNKNOWN),
        "supports_vision": False,
        "supports_function_calling": False,
        **tokens,
        **_told(row),
        **limits,
        **known_prices(row),
        "id": row.id,
        "db_model": True,
        "mode": row.mode,
        "key": row.engine_model,
        "litellm_provider": row.provider,
        "simulated": row.simulated,
        "supported_openai_params": row.info.get("supported_openai_params", list(OPENAI_PARAMS)),
        "direct_access": True,
        "access_via_team_ids": [],
    }
