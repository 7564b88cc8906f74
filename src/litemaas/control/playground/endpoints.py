"""Which paths does the playground use? Calls under one's own key, an estimate before them, and saved prompts."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Row

from litemaas.control.auth.gates import requires
from litemaas.control.http.refusals import Conflict, PermissionDenied
from litemaas.control.http.shapes import PROBLEMS, Page, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import repository_views as keys
from litemaas.control.keys import view
from litemaas.control.keys.service import key_not_found
from litemaas.control.playground import repository
from litemaas.control.playground.relay import Relay
from litemaas.control.playground.schemas import (
    ChatIn,
    ConvertIn,
    EmbedIn,
    Estimate,
    EstimateIn,
    PromptIn,
    PromptOut,
    PromptPatch,
    PromptQuery,
)
from litemaas.core.errors import NotFound
from litemaas.core.permissions import Permission
from litemaas.kit.crypto import SealBroken

router = APIRouter(
    prefix="/api/v1/playground",
    tags=["playground"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.KEYS_WRITE)],
    responses=PROBLEMS,
)
_MOST_PROMPTS = 500
_TAGS = ["playground"]


@router.post("/chat", response_class=Response)
async def chat(work: WorkOf, request: Request, body: ChatIn) -> Response:
    """One chat call as that key, streamed back as the gateway answers. Limits, budget and price of the key apply."""
    secret = await _secret(work, await _own_key(work, body.key_id))
    parameters = body.parameters.model_dump(exclude_none=True)
    if body.parameters.stream:
        parameters["stream_options"] = {"include_usage": True}
    asked = {"model": body.model, "messages": [message.model_dump() for message in body.messages], **parameters}
    return await _handed_on(work, request, "/v1/chat/completions", secret, {**asked, "tags": _TAGS})


@router.post("/embeddings", response_class=Response)
async def embed(work: WorkOf, request: Request, body: EmbedIn) -> Response:
    """Vectors of some texts, as that key."""
    secret = await _secret(work, await _own_key(work, body.key_id))
    asked = {"model": body.model, "input": body.input, "tags": _TAGS}
    return await _handed_on(work, request, "/v1/embeddings", secret, asked)


@router.post("/convert", response_class=Response)
async def convert(work: WorkOf, request: Request, body: ConvertIn) -> Response:
    """A document from the web as Markdown, as that key."""
    secret = await _secret(work, await _own_key(work, body.key_id))
    asked = {"model": body.model, "sources": [{"kind": "http", "url": body.url}], "options": {"to_formats": ["md"]}}
    return await _handed_on(work, request, "/docling/v1/convert/source", secret, asked)


@router.post("/estimate")
async def estimate(work: WorkOf, request: Request, body: EstimateIn) -> Estimate:
    """How many tokens would go in, and what is left of the key's budget? Free of charge."""
    row = await _own_key(work, body.key_id)
    secret = await _secret(work, row)
    shown = await view.shown_one(work, row)
    left = None if shown.max_budget_nano is None else max(0, shown.max_budget_nano - shown.spent_nano)
    await work.pause()
    asked = {"model": body.model, "messages": [message.model_dump() for message in body.messages]}
    counted = await _relay(request).ask("/tokenize", secret, asked)
    tokens = counted.get("count") if isinstance(counted, dict) else None
    return Estimate(prompt_tokens=tokens if isinstance(tokens, int) else None, remaining_nano=left)


@router.get("/prompts")
async def list_prompts(work: WorkOf, query: Annotated[PromptQuery, Query()]) -> Page[PromptOut]:
    """One's own saved prompts, by name."""
    rows, total = await repository.page(await work.connection(), _me(work), query.search, query.offset, query.limit)
    return Page(data=[_out(row) for row in rows], pagination=pagination(query, total))


@router.post("/prompts", status_code=201)
async def save_prompt(work: WorkOf, body: PromptIn) -> PromptOut:
    """Keeps a prompt."""
    connection = await work.connection()
    if await repository.count(connection, _me(work)) >= _MOST_PROMPTS:
        raise Conflict(f"There are {_MOST_PROMPTS} saved prompts already. Delete some first.")
    moments = {"created_at": work.now, "updated_at": work.now}
    values = body.model_dump(mode="json") | {"id": str(uuid4()), "user_id": _me(work)} | moments
    return _out(await repository.add(connection, values))


@router.patch("/prompts/{prompt_id}")
async def change_prompt(work: WorkOf, prompt_id: str, body: PromptPatch) -> PromptOut:
    """Changes a saved prompt."""
    values = body.model_dump(mode="json", exclude_unset=True) | {"updated_at": work.now}
    row = await repository.change(await work.connection(), _me(work), prompt_id, values)
    if row is None:
        raise NotFound("There is no such prompt.")
    return _out(row)


@router.delete("/prompts/{prompt_id}", status_code=204)
async def delete_prompt(work: WorkOf, prompt_id: str) -> None:
    """Forgets a saved prompt."""
    if not await repository.drop(await work.connection(), _me(work), prompt_id):
        raise NotFound("There is no such prompt.")


def _me(work: Work) -> str:
    """Errors: PermissionDenied for services, which own nothing."""
    if work.principal.user_id is None:
        raise PermissionDenied("The playground is for people.")
    return work.principal.user_id


async def _own_key(work: Work, key_id: str) -> Row[Any]:
    """Only the owner's: whoever sees a team's key may not spend with it."""
    row = await keys.find_visible(await work.connection(), key_id, _me(work))
    if row is None or row.user_id != _me(work):
        raise key_not_found()
    return row


async def _secret(work: Work, row: Row[Any]) -> str:
    """Errors: Conflict, where no copy of the secret is kept."""
    if row.secret_sealed is None:
        raise Conflict("No copy of this key is kept, so the playground cannot use it. Rotate it, or make a new one.")
    try:
        return work.vault.open(row.secret_sealed, f"key:{row.key_hash}")
    except SealBroken:
        raise Conflict("The copy of this key cannot be opened; rotate the key.") from None


async def _handed_on(work: Work, request: Request, path: str, secret: str, body: dict[str, Any]) -> Response:
    work.once = None  # the answer is not kept: it is long, and it is the person's
    await work.pause()
    return await _relay(request).hand_on(request, path, secret, body)


def _relay(request: Request) -> Relay:
    relay: Relay = request.app.state.relay
    return relay


def _out(row: Row[Any]) -> PromptOut:
    return PromptOut(**{name: getattr(row, name) for name in PromptOut.model_fields})
