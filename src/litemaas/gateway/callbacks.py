"""Who else hears of a settled call? Services that are told in batches, after the call and off its way: figures, never texts.

A call that has ended leaves a few of its figures in a bounded queue. One owner sends them on, tries again while a service is
away, and drops what is too much or too late; each drop is counted. Without an address there is no queue, and calls pay nothing.
Source: LiteLLM's documentation of its standard logging payload, Langfuse's of its ingestion API (read 2026-11).
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import structlog
from prometheus_client.core import CounterMetricFamily, Metric

from litemaas.core.catalog import Tls
from litemaas.core.errors import UpstreamFailure
from litemaas.core.keys import MASTER_KEY_HASH
from litemaas.core.ledger import Status
from litemaas.gateway.bodies import encode
from litemaas.gateway.engines import releasing
from litemaas.gateway.http.answers import Origin
from litemaas.gateway.http.stepping import stepped
from litemaas.kit.settings import SettingsError, pairs_of

if TYPE_CHECKING:
    from litemaas.gateway.call import Call
    from litemaas.gateway.http.client import Pool
    from litemaas.gateway.settings import CallbackSettings

_AT_ONCE: Final = 100
"""Calls in one message; Langfuse takes 3.5 MB."""
_MOST_TRIES: Final = 6
_FIRST_PAUSE_S: Final = 1.0
_MOST_ANSWER: Final = 1024 * 1024
_PASSING: Final = frozenset({408, 425, 429})
_CALL_TYPES: Final = {
    "/chat/completions": "acompletion", "/completions": "atext_completion", "/embeddings": "aembedding",
    "/responses": "aresponses", "/messages": "anthropic_messages", "/rerank": "arerank",
    "/audio/transcriptions": "atranscription", "/audio/speech": "aspeech", "/images/generations": "aimage_generation",
    "/moderations": "amoderation",
}  # fmt: skip
_EVENTS: Final = {"success": "llm_api_success", "failure": "llm_api_failure"}
_FORMATS: Final = ("json_array", "ndjson", "single")
log = structlog.get_logger(__name__)

Record = dict[str, Any]


class Listener:
    """One service. ``bodies``: the messages that tell it of these calls."""

    def __init__(
        self, name: str, url: str, headers: Mapping[str, str], events: frozenset[str],
        bodies: Callable[[Sequence[Record]], Iterable[bytes]],
    ) -> None:  # fmt: skip
        parts = urlsplit(url)
        is_secure = parts.scheme == "https"
        self.name = name
        self.events = events
        self.bodies = bodies
        self.origin = Origin(
            parts.hostname or "", parts.port or (443 if is_secure else 80), Tls() if is_secure else None
        )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        self.head = f"POST {path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n{lines}"
        self.waiting: deque[Record] = deque()
        self.sent = self.dropped = 0


class Callbacks:
    """Keeps what listeners are to be told, and tells them."""

    def __init__(self, settings: CallbackSettings, pool: Pool) -> None:
        """Errors: SettingsError."""
        self._settings = settings
        self._pool = pool
        self.listeners = _listeners(settings)

    def __call__(self, call: Call, status: Status, http_status: int, duration_s: float) -> None:
        """A call is settled."""
        if call.deferred:
            return
        event = "success" if status is Status.SUCCESS else "failure"
        record: Record | None = None
        for listener in self.listeners:
            if event in listener.events:
                if len(listener.waiting) >= self._settings.most_waiting:
                    listener.dropped += 1
                    continue
                record = record or _record(call, event, http_status, duration_s)
                listener.waiting.append(record)

    async def work(self) -> None:
        """Tells all of them, apart from one another."""
        await asyncio.gather(*(self._tell(listener) for listener in self.listeners))

    async def empty(self, within_s: float) -> None:
        """Tells what is left, once; what cannot be told by then is dropped."""
        try:
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(self._tell_rest(listener) for listener in self.listeners))
        except TimeoutError:
            pass
        for listener in self.listeners:
            if listener.waiting:
                log.warning("calls were not told to a callback", callback=listener.name, calls=len(listener.waiting))
                listener.dropped += len(listener.waiting)
                listener.waiting.clear()

    def collect(self) -> Iterable[Metric]:
        told = CounterMetricFamily(
            "litemaas_gateway_callback_calls", "Calls that callbacks were told of.", labels=("callback", "outcome")
        )
        for listener in self.listeners:
            told.add_metric((listener.name, "sent"), listener.sent)
            told.add_metric((listener.name, "dropped"), listener.dropped)
        yield told

    async def _tell(self, listener: Listener) -> None:
        while True:
            await asyncio.sleep(self._settings.flush_interval_s)
            while listener.waiting:
                batch = _taken(listener)
                try:
                    await self._insist(listener, batch)
                except asyncio.CancelledError:  # the gateway ends: they are told at its very end
                    listener.waiting.extendleft(reversed(batch))
                    raise

    async def _insist(self, listener: Listener, batch: Sequence[Record]) -> None:
        for attempt in range(_MOST_TRIES):
            if not await self._send_or_give_up(listener, batch):
                return
            await asyncio.sleep(_FIRST_PAUSE_S * 2.0**attempt)
        listener.dropped += len(batch)

    async def _tell_rest(self, listener: Listener) -> None:
        while listener.waiting:
            batch = _taken(listener)
            if await self._send_or_give_up(listener, batch):
                listener.waiting.extendleft(reversed(batch))
                return

    async def _send_or_give_up(self, listener: Listener, batch: Sequence[Record]) -> bool:
        """Whether it is worth another try."""
        status = 0
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                for body in listener.bodies(batch):
                    status = await stepped(self._post(listener, body))
                    if not 200 <= status < 300:
                        break
        except (UpstreamFailure, TimeoutError):
            return True
        if 200 <= status < 300:
            listener.sent += len(batch)
            return False
        if status in _PASSING or status >= 500:
            return True
        log.warning("a callback refuses what it is told", callback=listener.name, status=status)
        listener.dropped += len(batch)
        return False

    async def _post(self, listener: Listener, body: bytes) -> int:
        message = f"{listener.head}content-length: {len(body)}\r\n\r\n".encode() + body
        connection = await self._pool.open(listener.origin, message, self._settings.timeout_s)
        with releasing(connection):
            await connection.read(_MOST_ANSWER)
        return connection.status


def callbacks(settings: CallbackSettings, pool: Pool) -> Callbacks | None:
    """None where nobody is to be told. Errors: SettingsError."""
    return (
        Callbacks(settings, pool) if settings.endpoint is not None or settings.langfuse_public_key is not None else None
    )


def _listeners(settings: CallbackSettings) -> list[Listener]:
    found = []
    if settings.endpoint is not None:
        if settings.format not in _FORMATS:
            raise SettingsError(f"LITEMAAS_CALLBACKS__FORMAT must be one of {', '.join(_FORMATS)}")
        url = _url(settings.endpoint, "ENDPOINT")
        events = _events(settings.events, "EVENTS")
        headers = pairs_of(settings.headers, "LITEMAAS_CALLBACKS__HEADERS")
        found.append(Listener("generic_api", url, headers, events, _BODIES[settings.format]))
    if settings.langfuse_public_key is not None:
        url = _url(settings.langfuse_host, "LANGFUSE_HOST").rstrip("/") + "/api/public/ingestion"
        credential = b64encode(f"{settings.langfuse_public_key}:{settings.langfuse_secret_key}".encode()).decode()
        events = _events(settings.langfuse_events, "LANGFUSE_EVENTS")
        found.append(Listener("langfuse", url, {"authorization": f"Basic {credential}"}, events, _langfuse_bodies))
    return found


def _url(value: str, name: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or not value.isascii():
        raise SettingsError(f"LITEMAAS_CALLBACKS__{name}: must be an http or https URL")
    return value


def _events(value: str, name: str) -> frozenset[str]:
    events = frozenset(one for part in value.split(",") if (one := part.strip()))
    if not events or not events <= _EVENTS.keys():
        raise SettingsError(f"LITEMAAS_CALLBACKS__{name}: must be success, failure or both")
    return events


def _taken(listener: Listener) -> list[Record]:
    return [listener.waiting.popleft() for _ in range(min(_AT_ONCE, len(listener.waiting)))]


# -- what is told ---------------------------------------------------------------------------------------------------------


def _record(call: Call, event: str, http_status: int, duration_s: float) -> Record:
    """LiteLLM's standard logging payload, without what was said."""
    usage, target, lane, ask = call.usage, call.target, call.lane, call.ask
    key = call.caller.key if call.caller is not None else None
    group = lane.model.name if lane is not None else (ask.model or "" if ask is not None else "")
    ended_at = call.started_at + duration_s
    first_at = (
        call.started_at + call.first_byte_at - call.request.received_at if call.first_byte_at is not None else ended_at
    )
    return {
        "id": call.id, "trace_id": call.id, "call_type": _CALL_TYPES.get(call.endpoint.route, "pass_through_endpoint"),
        "stream": ask.stream if ask is not None else False, "status": event, "model": _engine_model(call) or group,
        "model_group": group, "model_id": target.deployment.id if target is not None else None,
        "custom_llm_provider": target.deployment.provider if target is not None else None,
        "response_cost": call.cost.total / 1e9 if call.cost is not None else 0.0, "total_tokens": usage.total_tokens,
        "prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens, "startTime": call.started_at,
        "endTime": ended_at, "completionStartTime": first_at, "response_time": first_at - call.started_at,
        "cache_hit": call.target is None and event == "success",
        "request_tags": list(ask.tags or ()) if ask is not None else [],
        "end_user": ask.end_user or "" if ask is not None else "", "requester_ip_address": call.request.client_ip,
        "error_str": None, "error_information": {"error_code": str(http_status)} if event == "failure" else None,
        "messages": None, "response": None, "metadata": {
            "user_api_key_hash": (MASTER_KEY_HASH if key.is_master else key.key_hash) if key is not None else None,
            "user_api_key_alias": key.alias if key is not None else None,
            "user_api_key_user_id": key.user_id if key is not None else None,
            "user_api_key_team_id": key.team_id if key is not None else None,
            "applied_guardrails": list(call.guard.names) if call.guard is not None else [],
            "attempts": call.attempts, "http_status": http_status, "route": call.endpoint.route,
        },
    }  # fmt: skip


def _engine_model(call: Call) -> str | None:
    return call.target.deployment.engine_model if call.target is not None else None


def _array(records: Sequence[Record]) -> Iterable[bytes]:
    yield encode(records)


def _lines(records: Sequence[Record]) -> Iterable[bytes]:
    yield b"\n".join(encode(record) for record in records)


def _single(records: Sequence[Record]) -> Iterable[bytes]:
    return (encode(record) for record in records)


_BODIES: Final = {"json_array": _array, "ndjson": _lines, "single": _single}


def _langfuse_bodies(records: Sequence[Record]) -> Iterable[bytes]:
    yield encode({"batch": [event for record in records for event in _langfuse_events(record)]})


def _langfuse_events(record: Record) -> Iterable[Record]:
    """A trace and its one generation; ids are the call's, so that one which is told twice is there once."""
    call_id, began = record["id"], _instant(record["startTime"])
    about = {name: record[name] for name in ("model_id", "custom_llm_provider", "cache_hit", "call_type")} | record[
        "metadata"
    ]
    yield {
        "id": f"{call_id}-trace", "type": "trace-create", "timestamp": began, "body": {
            "id": call_id, "timestamp": began, "name": record["call_type"], "tags": record["request_tags"], "metadata": about,
            "userId": record["end_user"] or record["metadata"]["user_api_key_user_id"],
        },
    }  # fmt: skip
    is_failure = record["status"] == "failure"
    yield {
        "id": f"{call_id}-generation-create", "type": "generation-create", "timestamp": began, "body": {
            "id": f"{call_id}-generation", "traceId": call_id, "name": record["call_type"], "model": record["model_group"],
            "startTime": began, "endTime": _instant(record["endTime"]),
            "completionStartTime": _instant(record["completionStartTime"]),
            "usageDetails": {
                "input": record["prompt_tokens"], "output": record["completion_tokens"], "total": record["total_tokens"]
            },
            "costDetails": {"total": record["response_cost"]}, "level": "ERROR" if is_failure else "DEFAULT",
            "statusMessage": str(record["metadata"]["http_status"]) if is_failure else None, "metadata": about,
        },
    }  # fmt: skip


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
