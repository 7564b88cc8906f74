"""What becomes of a conversion that its client asks for later? Any worker answers for it, and one worker bills it, once.

The worker that handed the documents to a model server keeps holding their price and a row in PostgreSQL. Whoever is asked for
the result counts its pages and writes them into the row before the client hears them; the holder finds them there, writes the
usage record and frees what it held. Nobody may ever ask, so the holder looks after its tasks, too: what has failed is free, and
a result that lay there for long is fetched to be counted. A holder that is gone is followed by another worker: it writes the
same record, of which the ledger takes the first.

**Fails**: a task whose holder ended before the result was known is billed all the same, but until then no budget holds its
price.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs, quote

import msgspec
import structlog

from litemaas.core.errors import (
    ClientGone,
    InvalidField,
    LiteMaaSError,
    MethodNotAllowed,
    NotFound,
    ServiceUnavailable,
    UpstreamFailure,
    UpstreamGarbage,
    UpstreamRefused,
)
from litemaas.core.keys import MASTER_KEY_HASH
from litemaas.core.usage import Usage, UsageSource
from litemaas.gateway.bodies import NOT_JSON, Members, encode, read_members, render
from litemaas.gateway.endpoints.base import root_path
from litemaas.gateway.endpoints.docling import is_archive
from litemaas.gateway.endpoints.docling_answer import read_answer, read_archive
from litemaas.gateway.engines import releasing
from litemaas.gateway.errors import envelope
from litemaas.gateway.http.stepping import outside, stepped
from litemaas.gateway.running import finished_line

if TYPE_CHECKING:
    from litemaas.core.keys import VirtualKey
    from litemaas.gateway.budgets import Hold
    from litemaas.gateway.call import Ask, Call
    from litemaas.gateway.http.client import Pool
    from litemaas.gateway.http.messages import Request, Response
    from litemaas.gateway.identity import Caller, Identity
    from litemaas.gateway.journal import Journal
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.quotas import QuotaHold
    from litemaas.gateway.refusals import Refusals
    from litemaas.gateway.routing import Routing
    from litemaas.gateway.settings import ConversionSettings, UpstreamSettings
    from litemaas.gateway.settlement import Settlement
    from litemaas.gateway.targets import Target, Targets

POLL, RESULT = "/docling/v1/status/poll/", "/docling/v1/result/"
_LONGEST_WAIT_S = 100.0
_LOOK_S, _ADOPT_S, _ASK_S = 2.0, 30.0, 15.0
"""How often the row is looked at; the tasks of others; the model server."""
_ASKED_AT_ONCE = 20
_MOST_TASKS = 10_000
_GONE_AFTER_S = 300.0
"""After so long without a trace of a task its model server has lost it."""
_NOT_FOUND = "Task not found."
log = structlog.get_logger(__name__)


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """``kind``: ``paid``, ``free`` (nothing was converted) or ``failed``."""

    kind: str
    pages: int = 0
    source: str = UsageSource.NONE.value


FAILED = Outcome("failed")


class Task(msgspec.Struct, frozen=True):
    """One conversion under way. ``record``: what its usage record will say (:func:`~litemaas.gateway.running.running_text`)."""

    task_id: str
    engine_task_id: str
    deployment_id: str
    key_hash: str
    record: str
    documents: int
    hides_json: bool
    outcome: Outcome | None = None


class TaskStore(Protocol):
    """Errors: ServiceUnavailable."""

    async def add(self, task: Task) -> None:
        """A task of this worker."""

    async def find(self, task_id: str, key_hash: str) -> Task | None:
        """A task of this key."""

    async def finish(self, task_id: str, outcome: Outcome) -> None:
        """The first outcome stands."""

    async def finished(self, task_ids: Collection[str]) -> Sequence[Task]:
        """Those of them that have an outcome."""

    async def settled(self, task_id: str) -> None:
        """Its record is in the journal."""

    async def adopt(self, known: Collection[str]) -> Sequence[Task]:
        """Unbilled tasks that nobody looks after any more become this worker's."""

    async def forget(self, kept_s: float) -> None:
        """Gives up what has not ended by now, and drops what was billed."""


class _Kept:
    """A task that this worker bills, with what it holds for it; an adopted one holds nothing."""

    __slots__ = ("asked_at", "caller", "hold", "lane", "quota", "ready_at", "seen_at", "task")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.hold: Hold | None = None
        self.quota: QuotaHold | None = None
        self.caller: Caller | None = None
        self.lane: Lane | None = None
        self.asked_at = self.seen_at = monotonic()
        self.ready_at: float | None = None


class Conversions:
    """Keeps this worker's tasks and answers for everybody's."""

    def __init__(
        self, *, store: TaskStore, identity: Identity, routing: Routing, targets: Targets, pool: Pool, journal: Journal,
        settlement: Settlement, refusals: Refusals, settings: ConversionSettings, upstream: UpstreamSettings, timeout_s: float,
    ) -> None:  # fmt: skip
        self._store = store
        self._identity = identity
        self._routing = routing
        self._targets = targets
        self._pool = pool
        self._journal = journal
        self._settlement = settlement
        self._refusals = refusals
        self._settings = settings
        self._max_reply_bytes = upstream.max_reply_bytes
        self._abandoned_s = upstream.abandoned_timeout_s
        self._timeout_s = timeout_s
        self._kept: dict[str, _Kept] = {}

    # -- a task begins ------------------------------------------------------------------------------------------------

    async def begin(self, call: Call, ask: Ask, target: Target) -> None:
        """Takes over what the call holds: its price is due when the result is known.

        Errors: ServiceUnavailable; then the call costs nothing, and its client gets no task to ask for.
        """
        if len(self._kept) >= _MOST_TASKS:
            raise ServiceUnavailable("too many conversions are under way; try again later")
        task = Task(
            call.id, call.engine_request_id or "", target.deployment.id, _owner(call.caller.key) if call.caller else "",
            self._settlement.text_of(call, target), ask.documents, ask.hides_json,
        )  # fmt: skip
        try:
            await outside(self._store.add(task), self._timeout_s * 2)
        except TimeoutError:
            raise ServiceUnavailable("the database does not answer; try again") from None
        kept = _Kept(task)
        kept.hold, kept.quota, kept.caller, kept.lane = call.hold, call.quota, call.caller, call.lane
        call.hold = call.quota = None
        call.deferred = True
        ask.documents = 0
        self._kept[task.task_id] = kept

    # -- clients ask --------------------------------------------------------------------------------------------------

    def has(self, path: str) -> bool:
        return path.startswith((POLL, RESULT, "/docling/v1alpha/status/poll/", "/docling/v1alpha/result/"))

    async def serve(self, request: Request, response: Response) -> None:
        try:
            content_type, body = await self._answer(request)
        except NotFound as unknown:
            lines = b"content-type: application/json\r\n" + self._refusals.usual_lines(request)
            message = unknown.message
            response.send(404, lines, envelope(message, "not_found_error", None, "404", detail=message))
        except LiteMaaSError as error:
            self._refusals.refuse(request, response, error)
        else:
            lines = b"content-type: %b\r\n" % content_type + self._refusals.usual_lines(request)
            response.send(200, lines, body)

    async def _answer(self, request: Request) -> tuple[bytes, bytes]:
        if request.method != "GET":
            raise MethodNotAllowed(f"{request.path[:200]} is called with GET", ("GET",))
        caller = await self._identity.identify(request.headers)
        path = request.path.replace("/v1alpha/", "/v1/", 1)
        task_id = path.removeprefix(POLL).removeprefix(RESULT)
        try:
            task = await outside(self._store.find(task_id[:100], _owner(caller.key)), self._timeout_s * 2)
        except TimeoutError:
            raise ServiceUnavailable("the database does not answer; try again") from None
        target = self._target(task) if task is not None else None
        if task is None or target is None:
            raise NotFound(_NOT_FOUND)
        if path.startswith(POLL):
            status, report = await self._status(task, target, _wait_s(request))
            if status == "failure" and task.outcome is None:
                await self._finish(task, FAILED)
            return b"application/json", report
        return await self._result(task, target)

    async def _status(self, task: Task, target: Target, wait_s: float) -> tuple[str, bytes]:
        """Errors: NotFound; UpstreamFailure."""
        wait = f"?wait={wait_s:g}" if wait_s else ""
        _, body = await self._get(target, f"/v1/status/poll/{quote(task.engine_task_id, safe='')}{wait}", wait_s + 10.0)
        try:
            members: Members = read_members(body)
            status = str(msgspec.json.decode(members.get("task_status", b"null")))
        except (LiteMaaSError, *NOT_JSON):
            raise UpstreamGarbage("the model server's answer is not the JSON that was expected") from None
        members["task_id"] = encode(task.task_id)
        return status, render(members)

    async def _result(self, task: Task, target: Target) -> tuple[bytes, bytes]:
        """Errors: NotFound; UpstreamFailure; ServiceUnavailable when its pages could not be noted."""
        place = f"/v1/result/{quote(task.engine_task_id, safe='')}"
        content_type, body = await self._get(target, place, target.timeout_s)
        if is_archive(content_type):
            found = read_archive(body, task.documents)
        else:
            found = read_answer(body, task.documents, task.hides_json)
        if task.outcome is None:
            kind = "paid" if found.is_paid else "free"
            await self._finish(task, Outcome(kind, found.pages, found.source.value))
        return content_type, found.body

    async def _get(self, target: Target, path: str, timeout_s: float) -> tuple[bytes, bytes]:
        root = root_path(target.deployment)
        patience_s = (
            -1.0 if "/status/" in path else self._abandoned_s
        )  # a result that is fetched may be gone afterwards
        connection = await self._pool.open(target.origin, target.get(root + path), timeout_s, patience_s)
        with releasing(connection):
            try:
                body = await connection.read(self._max_reply_bytes)
            except ClientGone:
                await connection.outwait(patience_s)
                body = await connection.read(self._max_reply_bytes)
        if connection.status == 404:
            raise NotFound(
                _NOT_FOUND if "/status/" in path else "The result is not there: it is when the status is success."
            )
        if connection.status >= 400:
            raise UpstreamRefused(f"the model server answered with status {connection.status}", connection.status)
        content_type = next(
            (value for name, value in connection.headers if name == b"content-type"), b"application/json"
        )
        return content_type, body

    async def _finish(self, task: Task, outcome: Outcome) -> None:
        try:
            await outside(self._store.finish(task.task_id, outcome), self._timeout_s * 2)
        except TimeoutError:
            raise ServiceUnavailable("the database does not answer; try again") from None

    def _target(self, task: Task) -> Target | None:
        """None when its deployment is not in the catalogue any more."""
        for model in self._routing.snapshot.models.values():
            for deployment in model.deployments:
                if deployment.id == task.deployment_id:
                    return self._targets.of(deployment)
        return None

    # -- the holder's work --------------------------------------------------------------------------------------------

    async def work(self) -> None:
        """Runs until it is cancelled."""
        adopted_at = float("-inf")
        while True:
            with suppress(ServiceUnavailable, TimeoutError):
                if monotonic() - adopted_at >= _ADOPT_S:
                    await self.adopt()
                    adopted_at = monotonic()
                await self.look()
            await asyncio.sleep(_LOOK_S)

    async def adopt(self) -> None:
        """Takes over what a worker left behind, and this one in an earlier life. Errors: ServiceUnavailable."""
        await self._store.forget(self._settings.kept_s)
        for task in await self._store.adopt(self._kept.keys()):
            self._kept[task.task_id] = _Kept(task)

    async def look(self) -> None:
        """Bills what has ended and asks for what may have. Errors: ServiceUnavailable."""
        if not self._kept:
            return
        now = monotonic()
        due = [kept for kept in self._kept.values() if now - kept.asked_at >= _ASK_S]
        for kept in sorted(due, key=lambda kept: kept.asked_at)[:_ASKED_AT_ONCE]:
            kept.asked_at = now
            await self._ask(kept, now)
        for task in await self._store.finished(self._kept.keys()):
            await self._bill(task)

    async def _ask(self, kept: _Kept, now: float) -> None:
        """Errors: ServiceUnavailable."""
        target = self._target(kept.task)
        if target is None:
            if now - kept.seen_at >= _GONE_AFTER_S:
                await self._store.finish(kept.task.task_id, FAILED)
            return
        try:
            status, _ = await stepped(self._status(kept.task, target, 0.0))
            kept.seen_at = now
            if status == "failure":
                await self._store.finish(kept.task.task_id, FAILED)
            elif status == "success":
                kept.ready_at = kept.ready_at or now
                if now - kept.ready_at >= self._settings.unfetched_s:
                    await stepped(self._result(kept.task, target))
        except NotFound:
            if now - kept.seen_at >= _GONE_AFTER_S:
                await self._store.finish(kept.task.task_id, FAILED)
        except UpstreamFailure as failure:
            log.debug("a conversion cannot be asked for", task=kept.task.task_id, reason=failure.code)

    async def _bill(self, task: Task) -> None:
        """Errors: ServiceUnavailable; then the same record is written once more, and the ledger takes the first."""
        kept = self._kept.pop(task.task_id, None)
        if kept is None or task.outcome is None:
            return
        outcome = task.outcome
        usage = Usage(pages=outcome.pages, source=UsageSource(outcome.source))
        paid = outcome.kind == "paid"
        held = kept.hold.amount if kept.hold is not None else 0
        line, cost = finished_line(task.record, usage, task.documents if paid else 0, outcome.kind != "failed", held)
        if kept.hold is not None:
            kept.hold.close(cost.total)
        if kept.quota is not None:
            kept.quota.close(1, 0)
        if kept.caller is not None:
            kept.caller.spent_nano += cost.total
        if kept.lane is not None:
            kept.lane.counters.cost_nano += cost.total
        self._journal.append(line)
        self._journal.flush()
        await self._store.settled(task.task_id)


def _owner(key: VirtualKey) -> str:
    return MASTER_KEY_HASH if key.is_master else key.key_hash


def _wait_s(request: Request) -> float:
    """How long the client would have the answer wait for news. Errors: InvalidField."""
    told = parse_qs(request.query.decode("latin-1")).get("wait", ["0"])[0]
    try:
        wait_s = float(told)
    except ValueError:
        wait_s = -1.0
    if not 0.0 <= wait_s <= 86_400.0:
        raise InvalidField("wait must be a number of seconds", "wait")
    return min(wait_s, _LONGEST_WAIT_S)
