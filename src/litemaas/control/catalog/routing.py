"""How are calls to a model routed? Which deployment first, how often again, which models instead, and what is looked at."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from litemaas.control.catalog import repository, service
from litemaas.control.http.shapes import Body, Name
from litemaas.control.http.work import Work, WorkOf
from litemaas.control.settings.service import require_guardrails
from litemaas.core.catalog import Strategy, strategy_of
from litemaas.core.errors import AlreadyExists, InvalidField

_MOST_GUARDRAILS = 50
_MEMBERS = ("routing_strategy", "retries", "fallbacks", "context_fallbacks", "aliases", "guardrails")


class RoutingIn(Body):
    """All of it; what is left out goes back to what the installation says.

    ``strategy``: LiteLLM's words are understood, too. ``retries``: further tries on the same model. ``fallbacks``: models that
    are asked when it cannot answer, ``context_fallbacks`` when a prompt is too long for it. ``aliases``: other names for it.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"strategy": "affinity", "fallbacks": ["granite-small"], "guardrails": ["pii"]}}
    )

    strategy: Annotated[str, Field(max_length=64)] | None = None
    retries: Annotated[int, Field(ge=0, le=10)] | None = None
    fallbacks: Annotated[list[Name], Field(max_length=5)] = []  # noqa: RUF012 - pydantic copies defaults
    context_fallbacks: Annotated[list[Name], Field(max_length=5)] = []  # noqa: RUF012
    aliases: Annotated[list[Name], Field(max_length=50)] = []  # noqa: RUF012
    guardrails: Annotated[list[Name], Field(max_length=_MOST_GUARDRAILS)] = []  # noqa: RUF012


class RoutingOut(BaseModel):
    strategy: Strategy | None
    retries: int | None
    fallbacks: list[str]
    context_fallbacks: list[str]
    aliases: list[str]
    guardrails: list[str]


async def get_routing(work: WorkOf, model_id: UUID) -> RoutingOut:
    """How calls to the model are routed."""
    row = await repository.find_model_by_id(await work.connection(), str(model_id))
    if row is None:
        raise service.model_not_found()
    return _shown({name: getattr(row, name) for name in _MEMBERS})


async def set_routing(work: WorkOf, model_id: UUID, body: RoutingIn) -> RoutingOut:
    """Sets how calls to the model are routed."""
    connection = await work.connection()
    row = await repository.find_model_by_id(connection, str(model_id), lock=True)
    if row is None:
        raise service.model_not_found()
    values = body.model_dump(exclude={"strategy"}) | {"routing_strategy": _strategy(body.strategy)}
    await _check(work, row, body)
    await service.change_model(work, row, values)
    return _shown(values)


def _shown(values: dict[str, Any]) -> RoutingOut:
    return RoutingOut(
        **{name: value for name, value in values.items() if name != "routing_strategy"},
        strategy=values["routing_strategy"],
    )


def _strategy(word: str | None) -> str | None:
    try:
        return strategy_of(word).value if word is not None else None
    except ValueError as error:
        raise InvalidField(f"{error}.", "strategy") from None


async def _check(work: Work, row: Row[Any], body: RoutingIn) -> None:
    """Errors: InvalidField, AlreadyExists naming the member."""
    connection = await work.connection()
    await require_guardrails(work, body.guardrails)
    for member, names in (("fallbacks", body.fallbacks), ("context_fallbacks", body.context_fallbacks)):
        for name in names:
            if name == row.name:
                raise InvalidField("A model cannot be its own fallback.", member)
            if await repository.find_model(connection, name) is None:
                raise InvalidField(f"There is no model {name!r}.", member)
    for alias in body.aliases:
        if "*" in alias:
            raise InvalidField("An alias is one name; make a model whose name ends in * for many.", "aliases")
        if await repository.find_model(connection, alias) is not None or await _is_taken(work, row.name, alias):
            raise AlreadyExists(f"The name {alias!r} already exists.", "aliases")


async def _is_taken(work: Work, model: str, alias: str) -> bool:
    """Whether another model has the alias."""
    owner = await repository.find_by_alias(await work.connection(), alias)
    return owner is not None and owner != model
