"""What do the model servers do at this moment, and how much of what they may take is taken? For administrators.

Running calls and cool-downs are what the workers told with their last heartbeats; speed and failures are of the ledger's last
five minutes; health is that of the last probe. What nobody measures is null.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from litemaas.control.auth.gates import requires
from litemaas.control.http.shapes import PROBLEMS, Name
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.operations import capacity_repository as repository
from litemaas.core.errors import NotFound
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin/capacity",
    tags=["operations"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_HEALTH)],
    responses=PROBLEMS,
)
LATELY = timedelta(minutes=5)
_MEASURED_OVER = timedelta(hours=24)
_TIGHT = 0.7


class DeploymentCapacity(BaseModel):
    """``running``: calls there now, from all workers. ``cold_workers``: how many leave it alone, ``cold_s``: for how long.

    ``parallel_cap``, ``rpm_limit``, ``tpm_limit`` null: no cap. Rates are per second or minute over the last five minutes;
    latencies are of successful calls, null without any.
    """

    id: str
    api_base: str
    provider: str
    enabled: bool
    health: Literal["healthy", "degraded", "unavailable", "unknown"]
    health_at: datetime | None
    health_detail: str | None
    running: int
    parallel_cap: int | None
    rpm_limit: int | None
    tpm_limit: int | None
    cold_workers: int
    cold_s: float
    cold_because: str | None
    calls: int
    failures: int
    requests_per_minute: float
    tokens_per_second: float
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None
    ms_per_token: float | None


class ModelCapacity(BaseModel):
    """``refused``: calls of the last five minutes that this platform refused, by code; what its caps refused is among them."""

    model_id: str
    name: str
    status: str
    deployments: list[DeploymentCapacity]
    refused: dict[str, int]


class Capacity(BaseModel):
    """``workers``: gateway workers that were heard of lately; without one, running calls are not known."""

    as_of: datetime
    workers: int
    silent_workers: int
    models: list[ModelCapacity]


class WhatIfQuery(BaseModel):
    """Units: ``think_s`` seconds between an answer and the next question, ``tokens_out`` tokens of an answer."""

    model_config = ConfigDict(extra="forbid")

    model: Name
    people: Annotated[int, Field(ge=1, le=100_000)]
    tokens_out: Annotated[int, Field(ge=1, le=1_000_000)] = 300
    think_s: Annotated[float, Field(ge=0, le=86_400)] = 30.0


class WhatIf(BaseModel):
    """``verdict`` unknown: the model has no cap, or was not measured in the last 24 hours.

    ``measured_calls``: on so many streamed calls this rests.
    ``at_once``: calls running at a time, people × answer time ÷ (answer time + think time).
    """

    model: str
    measured_calls: int
    ttft_p50_ms: float | None
    ms_per_token: float | None
    answer_s: float | None
    at_once: float | None
    parallel_cap: int | None
    running: int
    verdict: Literal["fits", "tight", "too_much", "unknown"]


@router.get("")
async def show_capacity(work: WorkOf) -> Capacity:
    """Every model that can be called, with all its deployments."""
    connection = await work.connection()
    alive, silent = await repository.workers_now(connection)
    loads = loads_by_deployment(row.loads for row in alive)
    lately = await repository.lately(connection, work.now - LATELY)
    refused: dict[str, dict[str, int]] = defaultdict(dict)
    for row in await repository.refused(connection, work.now - LATELY):
        refused[row.model][row.error_code] = row.calls
    models: dict[str, ModelCapacity] = {}
    for row in await repository.deployments_of_models(connection):
        model = models.get(row.model_id)
        if model is None:
            model = models[row.model_id] = ModelCapacity(
                model_id=row.model_id, name=row.model_name, status=row.status, deployments=[],
                refused=refused.get(row.model_name, {}),
            )  # fmt: skip
        if row.id is not None:
            model.deployments.append(_deployment(row, loads.get(row.id, []), lately.get(row.id)))
    return Capacity(as_of=work.now, workers=len(alive), silent_workers=silent, models=list(models.values()))


@router.get("/what-if")
async def ask_what_if(work: WorkOf, query: Annotated[WhatIfQuery, Query()]) -> WhatIf:
    """Would so many people fit on a model, at the speed that it had in the last 24 hours? Errors: NotFound."""
    connection = await work.connection()
    rows = [row for row in await repository.deployments_of_models(connection) if row.model_name == query.model]
    if not rows:
        raise NotFound("There is no such model that can be called.", "model")
    speed = await repository.speed_of(connection, query.model, work.now - _MEASURED_OVER)
    alive, _ = await repository.workers_now(connection)
    loads = loads_by_deployment(row.loads for row in alive)
    caps = [row.max_parallel_requests for row in rows if row.id is not None and row.enabled]
    cap = sum(caps) if caps and None not in caps else None
    ttft, each = _ms(speed.ttft_p50), _ms(speed.us_per_token)
    answer_s = None if ttft is None or each is None else round((ttft + each * query.tokens_out) / 1000, 2)
    at_once = None if answer_s is None else in_parallel(query.people, answer_s, query.think_s)
    return WhatIf(
        model=query.model, measured_calls=speed.calls, ttft_p50_ms=ttft, ms_per_token=each, answer_s=answer_s,
        at_once=at_once, parallel_cap=cap, running=sum(one["running"] for row in rows for one in loads.get(row.id, [])),
        verdict=verdict(at_once, cap),
    )  # fmt: skip


def in_parallel(people: int, answer_s: float, think_s: float) -> float:
    """How many calls run at a time on average when each person asks, reads and thinks, and asks again (Little's law)."""
    whole = answer_s + think_s
    return round(people * answer_s / whole, 1) if whole else float(people)


def verdict(at_once: float | None, cap: int | None) -> Literal["fits", "tight", "too_much", "unknown"]:
    """Above 70 % of the cap a burst fills the rest."""
    if at_once is None or cap is None:
        return "unknown"
    if at_once > cap:
        return "too_much"
    return "tight" if at_once > cap * _TIGHT else "fits"


def loads_by_deployment(told: Iterable[list[Mapping[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """What each worker said of each deployment; what it left out is nothing."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for loads in told:
        for load in loads:
            found[load["deployment_id"]].append({"running": 0, "cold_s": 0.0, "why": ""} | dict(load))
    return found


def _deployment(row: Row[Any], loads: list[dict[str, Any]], lately: Row[Any] | None) -> DeploymentCapacity:
    cold = [load for load in loads if load["cold_s"] > 0]
    seconds = LATELY.total_seconds()
    calls = lately.calls if lately is not None else 0
    return DeploymentCapacity(
        id=row.id, api_base=row.api_base.partition("?")[0], provider=row.provider, enabled=row.enabled, health=row.health,
        health_at=row.health_at, health_detail=row.health_detail, running=sum(load["running"] for load in loads),
        parallel_cap=row.max_parallel_requests, rpm_limit=row.rpm_limit, tpm_limit=row.tpm_limit,
        cold_workers=len(cold), cold_s=max((load["cold_s"] for load in cold), default=0.0),
        cold_because=next((load["why"] for load in cold if load["why"]), None), calls=calls,
        failures=lately.failures if lately is not None else 0, requests_per_minute=round(calls * 60 / seconds, 1),
        tokens_per_second=round((lately.tokens if lately is not None else 0) / seconds, 1),
        ttft_p50_ms=_ms(lately and lately.ttft_p50), ttft_p95_ms=_ms(lately and lately.ttft_p95),
        ms_per_token=_ms(lately and lately.us_per_token),
    )  # fmt: skip


def _ms(microseconds: Any) -> float | None:
    return None if microseconds is None else round(float(microseconds) / 1000, 2)
