"""Which guardrails can be asked for, and what would one find? For whoever sets them; a text that is tried is kept nowhere."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from litemaas.control.auth.gates import requires
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import WorkRoute
from litemaas.core.errors import InvalidField
from litemaas.core.guardrail_definitions import definitions_of
from litemaas.core.guardrail_words import CATEGORIES, LEVELS
from litemaas.core.guardrails import GROUPS, PATTERNS, find_all, mask
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin/guardrails",
    tags=["settings"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_SETTINGS_READ)],
    responses=PROBLEMS,
)


class Known(BaseModel):
    """``groups``: names that stand for several of the ``patterns``; ``levels``: from where on a category's phrases count."""

    groups: dict[str, list[str]]
    patterns: list[str]
    categories: list[str]
    levels: list[str]


class Trial(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "guardrail": {"guardrail_name": "words", "litellm_params": {"blocked_words": [{"keyword": "falcon"}]}},
                "text": "Tell me about project Falcon.",
            }
        },
    )

    guardrail: dict[str, Any]
    """As it would be put into the settings."""
    text: Annotated[str, Field(min_length=1, max_length=20_000)]


class Outcome(BaseModel):
    """``refused``: the kinds for which the text would be refused as a prompt; ``masked``: what it would be as an answer."""

    refused: list[str]
    masked: str
    kinds: list[str]


@router.get("/known")
async def list_known() -> Known:
    """What a guardrail can be put together from."""
    groups = {name: list(kinds) for name, kinds in GROUPS.items()}
    return Known(groups=groups, patterns=list(PATTERNS), categories=list(CATEGORIES), levels=list(LEVELS))


@router.post("/try")
async def try_guardrail(body: Trial) -> Outcome:
    """What a guardrail would do with a text; nothing is stored."""
    try:
        [definition] = definitions_of([body.guardrail]).values()
    except ValueError as error:
        raise InvalidField(f"{error}.", "guardrail") from None
    if definition.service is not None:
        raise InvalidField("This guardrail asks a service; it is tried with a call that names it.", "guardrail")
    refused = dict.fromkeys(found.kind for found in find_all(body.text, definition.refused))
    masked, kinds = mask(body.text, definition.masked)
    return Outcome(refused=list(refused), masked=masked, kinds=list(dict.fromkeys(kinds)))
