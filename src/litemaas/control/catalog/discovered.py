"""What did discovery find in the clusters, what became of it, and where has somebody edited what a cluster says?

Discovery tells what it sees; what it remembers in the catalogue is laid beside it, so that nothing is missing while no
discovery runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from sqlalchemy import Row

from litemaas.control.auth.gates import requires
from litemaas.control.catalog import discovered_repository as repository
from litemaas.control.http.shapes import PROBLEMS, Body
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin/discovery",
    tags=["catalog"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_MODELS_READ, Permission.ADMIN_MODELS_WRITE)],
    responses=PROBLEMS,
)
LATE = timedelta(minutes=3)
"""A cluster of which nothing was heard for so long has no discovery that runs."""
Cluster = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Source = Annotated[str, Field(min_length=1, max_length=600)]
State = Literal["adopted", "not_ready", "waiting", "refused"]


class Server(Body):
    """``waiting``: it could not be brought across yet and is tried again; ``reason``: why, or why it is refused."""

    state: State
    model: Annotated[str, Field(max_length=255)] | None = None
    reason: Annotated[str, Field(max_length=2000)] | None = None


class Report(Body):
    """All annotated servers of a cluster, by ``<cluster>/<kind>/<namespace>/<name>``."""

    namespaces: Annotated[list[Annotated[str, Field(max_length=253)]], Field(max_length=1000)]
    servers: Annotated[dict[Source, Server], Field(max_length=5000)]


class Drift(BaseModel):
    """A member that somebody has edited: what the cluster says, and what the catalogue keeps."""

    member: str
    cluster: Any
    catalogue: Any


class ServerOut(BaseModel):
    """``state`` ``unseen``: the catalogue knows it, and no report names it; ``is_routed``: calls are sent there."""

    source: str
    kind: str
    namespace: str
    name: str
    state: State | Literal["unseen"]
    reason: str | None
    model: str | None
    model_id: str | None
    is_routed: bool
    drift: list[Drift]


class ClusterOut(BaseModel):
    """``is_late``: nothing was heard for minutes; without any report ``reported_at`` is null."""

    cluster: str
    namespaces: list[str]
    reported_at: datetime | None
    is_late: bool
    servers: list[ServerOut]


class Clusters(BaseModel):
    data: list[ClusterOut]


@router.get("")
async def show_discovery(work: WorkOf) -> Clusters:
    """Every cluster that discovery reported of or that a model came from, with its servers."""
    connection = await work.connection()
    reports = {row.cluster: row for row in await repository.reports(connection)}
    known = _Known(*await repository.memories(connection))
    clusters = sorted({*reports, *(source.partition("/")[0] for source in known.sources())})
    return Clusters(data=[_cluster(name, reports.get(name), known, work.now) for name in clusters])


@router.put("/{cluster}", status_code=204)
async def report_discovery(work: WorkOf, cluster: Cluster, body: Report) -> None:
    """What discovery sees in a cluster, in the place of its last report. It changes no model, and is not audited."""
    servers = {source: server.model_dump() for source, server in body.servers.items()}
    connection = await work.connection()
    await repository.put_report(connection, cluster, body.namespaces, servers, work.actor, work.now)


class _Known:
    """What the catalogue remembers of sources."""

    def __init__(self, models: Any, endpoints: Any) -> None:
        self._ids = {row.name: str(row.id) for row in models}
        self._of_models = {row.name: row.memory for row in models}
        self._endpoints = {row.memory["source"]: row for row in endpoints if "source" in row.memory}

    def sources(self) -> Iterator[str]:
        for memory in self._of_models.values():
            yield from memory
        yield from self._endpoints

    def model_of(self, source: str) -> str | None:
        if source in self._endpoints:
            return str(self._endpoints[source].model_name)
        return next((name for name, memory in self._of_models.items() if source in memory), None)

    def id_of(self, model: str | None) -> str | None:
        return self._ids.get(model or "")

    def is_routed(self, source: str) -> bool:
        return source in self._endpoints and bool(self._endpoints[source].enabled)

    def drift(self, source: str, model: str | None) -> list[Drift]:
        """Of the model, then of its endpoint."""
        endpoint = self._endpoints.get(source)
        parts: list[Mapping[str, Any]] = [
            self._of_models.get(model or "", {}).get(source, {}).get("drift", {}),
            endpoint.memory.get("drift", {}) if endpoint is not None else {},
        ]
        return [
            Drift(member=member, cluster=both.get("cluster"), catalogue=both.get("catalogue"))
            for part in parts
            for member, both in sorted(part.items())
        ]


def _cluster(name: str, report: Row[Any] | None, known: _Known, now: datetime) -> ClusterOut:
    told = report.servers if report is not None else {}
    sources = sorted({*told, *(source for source in known.sources() if source.startswith(f"{name}/"))})
    return ClusterOut(
        cluster=name, namespaces=report.namespaces if report is not None else [],
        reported_at=report.reported_at if report is not None else None,
        is_late=report is None or now - report.reported_at > LATE,
        servers=[_server(source, told.get(source), known) for source in sources],
    )  # fmt: skip


def _server(source: str, told: Mapping[str, Any] | None, known: _Known) -> ServerOut:
    _, kind, namespace, name = (*source.split("/", 3), "", "", "")[:4]
    model = known.model_of(source)
    return ServerOut(
        source=source, kind=kind, namespace=namespace, name=name,
        state=told["state"] if told else "unseen", reason=told["reason"] if told else None,
        model=model or (told["model"] if told else None), model_id=known.id_of(model),
        is_routed=known.is_routed(source), drift=known.drift(source, model),
    )  # fmt: skip
