"""How does a call end? Leaving the block prices its usage, frees what was reserved and writes its one usage record.

There is no other way out: an error, a client that hung up and a good answer all pass here, so nobody can forget to bill. The
record is in the journal before the client hears the end of its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from litemaas.core.errors import ClientGone, LiteMaaSError, ServiceUnavailable, Unexpected, UpstreamFailure
from litemaas.core.keys import MASTER_KEY_HASH
from litemaas.core.ledger import Booking, Status, UsageRecord
from litemaas.core.pricing import Cost, cost_of
from litemaas.core.windows import window_at
from litemaas.gateway.errors import status_of
from litemaas.gateway.records import copy_line

if TYPE_CHECKING:
    from litemaas.gateway.call import Call
    from litemaas.gateway.journal import Journal
    from litemaas.gateway.metrics import Metrics

_FREE = Cost()
_CLIENT_CLOSED = 499


class Settlement:
    """Closes calls."""

    def __init__(self, journal: Journal, metrics: Metrics, now: Callable[[], datetime], profile: str) -> None:
        self._journal = journal
        self._metrics = metrics
        self._now = now
        self._profile = profile

    def of(self, call: Call) -> _Settling:
        return _Settling(self, call)

    def close(self, call: Call, error: BaseException | None) -> None:
        error = error or call.failure
        usage = call.usage
        deployment = call.deployment
        cost = _FREE
        if (
            deployment is not None
            and not call.endpoint.is_free
            and (error is None or usage.total_tokens or usage.pages)
        ):
            cost = cost_of(usage, deployment.price, call.ask.documents if call.ask is not None else 1)
        call.cost = cost
        if call.reservation is not None:
            call.reservation.close(cost.total, usage.total_tokens - usage.cached_tokens)
        if call.caller is not None:
            call.caller.spent_nano += cost.total
        status, http_status = self._outcome(call, error)
        duration_s = monotonic() - call.request.received_at
        self._metrics.observe(call, status, http_status, duration_s)
        try:
            self._journal.append(copy_line(self._record(call, error, cost, status, http_status, duration_s)))
        except ServiceUnavailable:
            self._metrics.lost_records += 1
            raise

    def _outcome(self, call: Call, error: BaseException | None) -> tuple[Status, int]:
        if error is None:
            return Status.SUCCESS, call.reply.status if call.reply is not None else 200
        if isinstance(error, ClientGone):
            return Status.CANCELLED, _CLIENT_CLOSED
        http_status = status_of(error if isinstance(error, LiteMaaSError) else Unexpected(""), self._profile)
        failed = isinstance(error, UpstreamFailure) or not isinstance(error, LiteMaaSError)
        return Status.FAILURE if failed else Status.REFUSED, http_status

    def _record(
        self, call: Call, error: BaseException | None, cost: Cost, status: Status, http_status: int, duration_s: float
    ) -> UsageRecord:
        key = call.caller.key if call.caller is not None else None
        ask, deployment, usage, request = call.ask, call.deployment, call.usage, call.request
        agent = request.headers.get(b"user-agent")
        first = call.first_byte_at
        return UsageRecord(
            request_id=call.id,
            started_at=call.started_at,
            duration_us=int(duration_s * 1e6),
            ttft_us=int((first - request.received_at) * 1e6) if first is not None else None,
            endpoint=call.endpoint.call_type,
            stream=ask is not None and ask.stream,
            status=status,
            http_status=http_status,
            error_code=_code(error),
            error_message=str(error)[:500] if isinstance(error, LiteMaaSError) else None,
            key_hash=(MASTER_KEY_HASH if key.is_master else key.key_hash) if key is not None else "",
            key_alias=key.alias if key is not None else None,
            user_id=key.user_id if key is not None else None,
            team_id=key.team_id if key is not None else None,
            end_user=ask.end_user if ask is not None else None,
            model=call.model.name if call.model is not None else (ask.model or "")[:256] if ask is not None else "",
            deployment_id=deployment.id if deployment is not None else None,
            provider=deployment.provider if deployment is not None else None,
            engine_model=deployment.engine_model if deployment is not None else None,
            api_base=_without_query(deployment.api_base) if deployment is not None else None,
            engine_request_id=call.engine_request_id,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            pages=usage.pages,
            usage_source=usage.source,
            cost_nano=cost.total,
            input_cost_nano=cost.input,
            output_cost_nano=cost.output,
            price_version=deployment.price.version if deployment is not None else None,
            attempts=call.attempts,
            client_ip=request.client_ip,
            user_agent=agent[:256].decode("latin-1") if agent is not None else None,
            tags=ask.tags if ask is not None else [],
            metadata=ask.spend_metadata if ask is not None else {},
            bookings=_bookings(call),
        )


class _Settling:
    __slots__ = ("_call", "_settlement")

    def __init__(self, settlement: Settlement, call: Call) -> None:
        self._settlement = settlement
        self._call = call

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._settlement.close(self._call, error)


def _bookings(call: Call) -> list[Booking]:
    """Where the cost is added: in the windows in which it was held, and in today's for what has no limit."""
    if call.caller is None or call.model is None:
        return []
    held = call.reservation.hold if call.reservation is not None else None
    windows = {account.rule.scope: account.window.start for account in held.accounts} if held is not None else {}
    return [
        Booking(rule.scope, windows.get(rule.scope) or window_at(rule.duration, call.started_at, rule.set_at).start)
        for rule in call.caller.terms(call.model.name).booked
    ]


def _code(error: BaseException | None) -> str | None:
    if error is None:
        return None
    return error.code if isinstance(error, LiteMaaSError) else Unexpected.code


def _without_query(api_base: str) -> str:
    return api_base if "?" not in api_base else urlsplit(api_base)._replace(query="").geturl()
