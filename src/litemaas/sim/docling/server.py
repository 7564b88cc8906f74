"""Which calls does the Docling-Serve-like server answer, and how does a conversion become a task?"""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from msgspec import Struct

from litemaas.sim.behaviour import Conduct
from litemaas.sim.connection import Peer
from litemaas.sim.counters import Counters, Entry, ServerCounts
from litemaas.sim.docling.documents import Document, convert_source
from litemaas.sim.docling.requests import Conversion, Unprocessable, read_file_request, read_source_request
from litemaas.sim.exchange import JSON, ClientLeft, Exchange
from litemaas.sim.exposition import CONTENT_TYPE, family
from litemaas.sim.prose import Prose
from litemaas.sim.server import Route
from litemaas.sim.settings import SimSettings

_KEPT_TASKS = 1_000
_LONGEST_WAIT_S = 600.0


class Result(Struct):
    """A finished conversion, ready to be sent."""

    body: bytes
    content_type: bytes
    pages: int


class Task(Struct, eq=False):
    """A conversion that goes on after its request was answered."""

    task_id: str
    status: str = "pending"
    result: Result | None = None
    watchers: list[Peer] = []

    def report(self) -> dict[str, Any]:
        return {
            "task_id": self.task_id,
            "task_type": "convert",
            "task_status": self.status,
            "task_position": 1 if self.status == "pending" else None,
            "task_meta": None,
        }


class DoclingFlavour:
    """A Docling Serve."""

    def __init__(
        self,
        settings: SimSettings,
        conduct: Conduct,
        counters: Counters,
        counts: ServerCounts,
        prose: Prose,
        next_id: Callable[[], str],
    ) -> None:
        self._api_key = settings.documents_api_key
        self._bytes_per_page = settings.bytes_per_page
        self._model = settings.document_model
        self._conduct = conduct
        self._counters = counters
        self._counts = counts
        self._prose = prose
        self._next_id = next_id
        self._tasks: dict[str, Task] = {}
        self._working: set[asyncio.Task[None]] = set()
        self.routes = {
            ("POST", "/v1/convert/source"): Route(self._convert(_read_source), works=True),
            ("POST", "/v1/convert/file"): Route(self._convert(read_file_request), works=True),
            ("POST", "/v1/convert/source/async"): Route(self._submit(_read_source), works=True),
            ("POST", "/v1/convert/file/async"): Route(self._submit(read_file_request), works=True),
            ("GET", "/v1/status/poll/"): Route(self._poll),
            ("GET", "/v1/result/"): Route(self._result),
            ("GET", "/health"): Route(self._health),
            ("GET", "/ready"): Route(self._health),
            ("GET", "/version"): Route(self._version),
            ("GET", "/metrics"): Route(self._show_metrics),
        }

    async def admit(self, exchange: Exchange) -> bool:
        if self._api_key is None or not exchange.path.startswith("/v1/"):
            return True
        if exchange.header(b"x-api-key") == self._api_key.encode():
            return True
        await exchange.answer_json({"detail": "Api key is missing or wrong."}, 401)
        return False

    def observe(self, entry: Entry) -> None:
        """The counters hold all that the metrics need."""

    def forget(self) -> None:
        """Tasks stay: their owners may still ask for them."""

    async def stop(self) -> None:
        """Gives up the tasks that still run."""
        for work in self._working:
            work.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    # -- converting

    def _convert(self, read: Callable[[Exchange], Awaitable[Conversion]]) -> Callable[[Exchange], Awaitable[None]]:
        async def convert(exchange: Exchange) -> None:
            self._label(exchange.entry)
            try:
                conversion = await read(exchange)
            except Unprocessable as refused:
                await exchange.answer_json(refused.body, 422)
                return
            result, seconds = self._make(conversion)
            if not await exchange.peer.sleep(seconds):
                raise ClientLeft
            exchange.entry.inputs, exchange.entry.pages = len(conversion.sources), result.pages
            await _send(exchange, result)

        return convert

    def _submit(self, read: Callable[[Exchange], Awaitable[Conversion]]) -> Callable[[Exchange], Awaitable[None]]:
        async def submit(exchange: Exchange) -> None:
            entry = exchange.entry
            self._label(entry)
            try:
                conversion = await read(exchange)
            except Unprocessable as refused:
                await exchange.answer_json(refused.body, 422)
                return
            task = Task(self._conduct.behaviour.engine_id or self._next_id(), watchers=[])
            entry.engine_id = task.task_id
            self._keep(task)
            exchange.outlives_answer = True
            work = asyncio.create_task(self._carry_out(task, conversion, entry))
            self._working.add(work)
            work.add_done_callback(self._working.discard)
            await exchange.answer_json(task.report())

        return submit

    async def _carry_out(self, task: Task, conversion: Conversion, entry: Entry) -> None:
        finished = False
        try:
            task.status = "started"
            result, seconds = self._make(conversion)
            if seconds > 0:
                await asyncio.sleep(seconds)
            task.result = result
            entry.inputs, entry.pages = len(conversion.sources), result.pages
            finished = True
        finally:
            task.status = "success" if finished else "failure"
            self._counters.end(entry, "completed" if finished else "failed")
            for peer in task.watchers:
                peer.wake()

    def _label(self, entry: Entry) -> None:
        entry.model = self._model
        entry.engine_id = self._conduct.behaviour.engine_id or self._next_id()

    def _keep(self, task: Task) -> None:
        if len(self._tasks) >= _KEPT_TASKS:
            del self._tasks[next(iter(self._tasks))]
        self._tasks[task.task_id] = task

    def _make(self, conversion: Conversion) -> tuple[Result, float]:
        """The result, and how long a real server would need for it."""
        status = self._conduct.behaviour.document_status
        made = status in {"success", "partial_success"}
        options = conversion.options
        documents = [
            convert_source(source, self._prose, self._bytes_per_page, options.page_range)
            for source in conversion.sources
        ]
        pages = sum(len(document.pages) for document in documents)
        seconds = self._conduct.whole_answer_s(pages)
        if conversion.target == "zip" or len(documents) > 1:
            archive = _pack(documents if made else [], conversion)
            return Result(archive, b"application/zip", pages if made else 0), seconds
        answer = {
            "document": _contents(documents[0], conversion, made),
            "status": status,
            "errors": [] if status == "success" else [_error(status)],
            "processing_time": seconds,
            "timings": {},
        }
        return Result(orjson.dumps(answer), JSON, pages if made else 0), seconds

    # -- tasks

    async def _poll(self, exchange: Exchange) -> None:
        task = self._tasks.get(exchange.path.removeprefix("/v1/status/poll/"))
        if task is None:
            await exchange.answer_json({"detail": "Task not found."}, 404)
            return
        try:
            wait_s = min(float(exchange.query().get("wait", "0")), _LONGEST_WAIT_S)
        except ValueError:
            await exchange.answer_json(Unprocessable("Input should be a valid number", "query").body, 422)
            return
        if wait_s > 0 and task.status in {"pending", "started"}:
            task.watchers.append(exchange.peer)
            try:
                if not await exchange.peer.sleep(wait_s):
                    raise ClientLeft
            finally:
                task.watchers.remove(exchange.peer)
        await exchange.answer_json(task.report())

    async def _result(self, exchange: Exchange) -> None:
        task = self._tasks.get(exchange.path.removeprefix("/v1/result/"))
        if task is None:
            await exchange.answer_json({"detail": "Task not found."}, 404)
        elif task.result is None:
            detail = "Task result not found. Please wait for a completion status."
            await exchange.answer_json({"detail": detail}, 404)
        else:
            await _send(exchange, task.result)

    # -- the rest

    async def _health(self, exchange: Exchange) -> None:
        await exchange.answer_json({"status": "ok"})

    async def _version(self, exchange: Exchange) -> None:
        await exchange.answer_json({"docling-serve": "1.9.0", "docling": "2.60.0", "simulated": True})

    async def _show_metrics(self, exchange: Exchange) -> None:
        totals = self._counts.since_start[self._model]
        page = [
            family("docling_requests_total", "counter", "Finished conversions by outcome.",
                   [({"outcome": "completed"}, totals.completed), ({"outcome": "failed"}, totals.failed),
                    ({"outcome": "cancelled"}, totals.cancelled)]),
            family("docling_pages_total", "counter", "Converted pages.", [({"model": self._model}, totals.pages)]),
            family("docling_running", "gauge", "Conversions at work.", [({"model": self._model}, self._counts.running)]),
        ]  # fmt: skip
        await exchange.answer(200, "".join(page).encode(), CONTENT_TYPE)


async def _read_source(exchange: Exchange) -> Conversion:
    return read_source_request(exchange)


async def _send(exchange: Exchange, result: Result) -> None:
    headers = []
    if result.content_type != JSON:
        headers.append((b"content-disposition", b'attachment; filename="converted_docs.zip"'))
    await exchange.answer(200, result.body, result.content_type, headers)


def _error(status: str) -> dict[str, str]:
    return {"component_type": "pipeline", "module_name": "simulation", "error_message": f"Ordered: {status}."}


def _contents(document: Document, conversion: Conversion, made: bool) -> dict[str, Any]:
    """The ``document`` member: every format is named, only those asked for hold something."""
    formats = conversion.options.to_formats if made else []
    return {
        "filename": document.filename,
        "md_content": document.markdown(conversion.options.md_page_break_placeholder) if "md" in formats else None,
        "json_content": document.structure() if "json" in formats else None,
        "html_content": document.html() if "html" in formats else None,
        "text_content": document.text() if "text" in formats else None,
        "doctags_content": document.doctags() if "doctags" in formats else None,
    }


def _pack(documents: list[Document], conversion: Conversion) -> bytes:
    """A zip archive with one file per document and format; the same documents give the same bytes."""
    suffixes = {"md_content": "md", "json_content": "json", "html_content": "html", "text_content": "txt",
                "doctags_content": "doctags"}  # fmt: skip
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for document in documents:
            stem = document.filename.rsplit(".", 1)[0]
            for member, content in _contents(document, conversion, True).items():
                if member not in suffixes or content is None:
                    continue
                text = content if isinstance(content, str) else orjson.dumps(content)
                archive.writestr(zipfile.ZipInfo(f"{stem}.{suffixes[member]}"), text)
    return buffer.getvalue()
