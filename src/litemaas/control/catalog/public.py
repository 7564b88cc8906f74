"""Which paths show people the models that they may use? Never drafts, what policies hide, or the address of a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from sqlalchemy import Row

from litemaas.control.auth.gates import Open, optional_principal, requires
from litemaas.control.catalog import repository, statistics
from litemaas.control.catalog.endpoints import modes_of
from litemaas.control.catalog.model_schemas import (
    TYPE_OF,
    CatalogueEntry,
    CatalogueQuery,
    Facets,
    ModelStats,
    OwnSubscription,
)
from litemaas.control.catalog.repository import ModelFilter
from litemaas.control.catalog.service import model_not_found
from litemaas.control.catalog.showing import Background
from litemaas.control.catalog.statistics import Speed
from litemaas.control.http.refusals import NotSignedIn
from litemaas.control.http.shapes import PROBLEMS, Page, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.policies.service import hidden_from, payers_of, policies_now
from litemaas.control.settings.groups import CatalogueSettings
from litemaas.control.settings.service import read
from litemaas.core.catalog import Lifecycle, Mode
from litemaas.core.entitlements import Payer, Policy, judge
from litemaas.core.principals import NOBODY
from litemaas.core.subscriptions import Status, status_now

router = APIRouter(
    prefix="/api/v1/models",
    tags=["models"],
    route_class=WorkRoute,
    dependencies=[requires(Open.PUBLIC)],
    responses=PROBLEMS,
)
_SEEN = tuple(status.value for status in Lifecycle if status is not Lifecycle.DRAFT)
_CALLABLE = (Lifecycle.AVAILABLE.value, Lifecycle.DEPRECATED.value)


class _Viewer:
    """Who looks, and what that person's policies and subscriptions make of the catalogue."""

    def __init__(
        self, payer: Payer, policies: list[Policy], hidden: frozenset[str], own: dict[str, OwnSubscription]
    ) -> None:
        self.hidden = hidden
        self.own = own
        self._payer = payer
        self._policies = policies

    @classmethod
    async def read(cls, work: Work, request: Request) -> _Viewer:
        """Errors: NotSignedIn, unless the catalogue is public."""
        principal = await optional_principal(request)
        if principal is NOBODY and not (await read(work, CatalogueSettings)).public_catalogue:
            raise NotSignedIn("Sign in to see the models.")
        policies, user_id = await policies_now(work), principal.user_id
        if user_id is None:
            # A stranger sees what anybody may use; services see everything.
            strangers = [Payer()] if principal is NOBODY else []
            hidden = await hidden_from(work, strangers, policies) if strangers else frozenset()
            return cls(Payer(), policies, hidden, {})
        rows = await repository.own_subscriptions(await work.connection(), user_id)
        own = {
            row.model_name: OwnSubscription(id=row.id, status=status_now(Status(row.status), row.expires_at, work.now))
            for row in rows
        }
        payers = await payers_of(work, user_id) if policies else [Payer(user_id=user_id)]
        return cls(payers[0], policies, await hidden_from(work, payers, policies), own)

    def entry(self, row: Row[Any], background: Background, speeds: Mapping[str, Speed]) -> CatalogueEntry:
        verdict = judge(self._policies, self._payer, row.name, row.tags, row.restricted_access)
        return CatalogueEntry(
            **background.shown(row).model_dump(), needs_approval=verdict.needs_approval,
            subscription=self.own.get(row.name), **msgspec.structs.asdict(speeds.get(row.name, Speed())),
        )  # fmt: skip

    def with_status(self, wanted: str) -> frozenset[str]:
        """Names of models that the viewer's own subscription is in this status for."""
        return frozenset(name for name, own in self.own.items() if own.status == wanted)


@router.get("")
async def list_catalogue(
    work: WorkOf, request: Request, query: Annotated[CatalogueQuery, Query()]
) -> Page[CatalogueEntry]:
    """Models that can be subscribed to; retired ones only when asked for by ``status``."""
    viewer = await _Viewer.read(work, request)
    connection = await work.connection()
    hidden, subscribed = viewer.hidden, None
    if query.subscription == "none":
        hidden = hidden | viewer.own.keys()
    elif query.subscription is not None:
        subscribed = viewer.with_status(query.subscription)
    wanted = ModelFilter(
        search=query.search, modes=modes_of(query.type, None), provider=query.provider, restricted=query.restricted,
        tags=tuple(query.tag), capabilities=tuple(query.capability), statuses=tuple(query.status) or _SEEN,
        hidden=hidden, subscribed=subscribed, health=query.health,
    )  # fmt: skip
    ranked = await _by_latency(work, wanted) if query.sort == "latency" else None
    rows, total = await repository.list_models(
        connection, wanted, query.sort, query.order == "desc", query.offset, query.limit, ranked
    )
    background = await Background.read(connection, rows)
    speeds = await statistics.speeds_of(connection, [row.name for row in rows], work.now)
    return Page(data=[viewer.entry(row, background, speeds) for row in rows], pagination=pagination(query, total))


async def _by_latency(work: Work, wanted: ModelFilter) -> list[str]:
    """The names of models, the quickest first; without those that nobody has called."""
    connection = await work.connection()
    speeds = await statistics.speeds_of(connection, await repository.names_of(connection, wanted), work.now)
    known = {name: speed.latency_p50_ms for name, speed in speeds.items() if speed.latency_p50_ms is not None}
    return sorted(known, key=lambda name: (known[name], name))


@router.get("/facets")
async def count_facets(work: WorkOf, request: Request) -> Facets:
    """How many models have each value, of all that the viewer can subscribe to; ``status`` counts retired ones, too."""
    viewer = await _Viewer.read(work, request)
    connection = await work.connection()
    found = await repository.facets(connection, ModelFilter(statuses=_CALLABLE, hidden=viewer.hidden))
    every = await repository.facets(connection, ModelFilter(statuses=_SEEN, hidden=viewer.hidden))
    types: dict[str, int] = {}
    for mode, count in found["mode"].items():
        types[TYPE_OF[Mode(mode)]] = types.get(TYPE_OF[Mode(mode)], 0) + count
    counted = {name: found[name] for name in ("provider", "capability", "tag", "restricted")}
    return Facets(total=sum(found["status"].values()), type=types, status=every["status"], **counted)


@router.get("/{model_id}")
async def show_model(work: WorkOf, request: Request, model_id: UUID) -> CatalogueEntry:
    """One model, with one's own subscription."""
    viewer = await _Viewer.read(work, request)
    row = await _seen(work, viewer, model_id)
    connection = await work.connection()
    speeds = await statistics.speeds_of(connection, [row.name], work.now)
    return viewer.entry(row, await Background.read(connection, [row]), speeds)


@router.get("/{model_id}/stats")
async def show_stats(work: WorkOf, request: Request, model_id: UUID) -> ModelStats:
    """How well it answered in the last 24 hours."""
    viewer = await _Viewer.read(work, request)
    row = await _seen(work, viewer, model_id)
    return await statistics.of_model(await work.connection(), row.id, row.name, work.now)


async def _seen(work: Work, viewer: _Viewer, model_id: UUID) -> Row[Any]:
    """Errors: NotFound, also for what is hidden; who has a subscription goes on seeing its model."""
    row = await repository.find_model_by_id(await work.connection(), str(model_id))
    if row is None or row.status == Lifecycle.DRAFT:
        raise model_not_found()
    if row.name in viewer.hidden and row.name not in viewer.own:
        raise model_not_found()
    return row
