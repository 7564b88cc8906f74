"""What does a trace say of a call? Model, tokens, status, times and cost, after its settlement; nothing of its content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from litemaas.core.ledger import Status as CallStatus
from litemaas.kit import gen_ai

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.util.types import AttributeValue

    from litemaas.gateway.call import Call

_NANO = 1_000_000_000


class CallTracer:
    """Called once per settled call, on the worker's own thread; about 50 µs each (dependencies.md), only where it is on."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("litemaas.gateway", schema_url=gen_ai.SCHEMA_URL)
        self._parents = TraceContextTextMapPropagator()

    def __call__(self, call: Call, status: CallStatus, http_status: int, duration_s: float) -> None:
        operation = gen_ai.OPERATION_OF_ROUTE.get(call.endpoint.route, call.endpoint.route.strip("/"))
        model = call.lane.model.name if call.lane is not None else None
        began = int(call.started_at * _NANO)
        span = self._tracer.start_span(
            operation if model is None else f"{operation} {model}", self._parent(call), SpanKind.SERVER,
            attributes=_attributes(call, operation, model, status, http_status), start_time=began,
        )  # fmt: skip
        if status is CallStatus.FAILURE:
            span.set_status(Status(StatusCode.ERROR))
        span.end(began + int(duration_s * _NANO))

    def _parent(self, call: Call) -> Context:
        headers = call.request.headers
        carrier = {
            name: value.decode("latin-1")
            for name in ("traceparent", "tracestate")
            if (value := headers.get(name.encode())) is not None
        }
        return self._parents.extract(carrier)


def _attributes(
    call: Call, operation: str, model: str | None, status: CallStatus, http_status: int
) -> dict[str, AttributeValue]:
    usage = call.usage
    said: dict[str, AttributeValue | None] = {
        gen_ai.OPERATION: operation, gen_ai.REQUEST_MODEL: model, gen_ai.HTTP_ROUTE: call.endpoint.route,
        gen_ai.HTTP_STATUS: http_status, gen_ai.CALL_ID: call.id, gen_ai.STATUS: str(status), gen_ai.ATTEMPTS: call.attempts,
        gen_ai.STREAM: call.ask.stream if call.ask is not None else None, gen_ai.INPUT_TOKENS: usage.prompt_tokens,
        gen_ai.OUTPUT_TOKENS: usage.completion_tokens, gen_ai.CACHED_TOKENS: usage.cached_tokens or None,
        gen_ai.PAGES: usage.pages or None, gen_ai.COST_NANO: call.cost.total if call.cost is not None else None,
        gen_ai.RESPONSE_ID: call.engine_request_id,
        gen_ai.ERROR_TYPE: str(http_status) if status is CallStatus.FAILURE else None,
    }  # fmt: skip
    if call.target is not None:
        deployment = call.target.deployment
        said[gen_ai.PROVIDER] = deployment.provider
        said[gen_ai.RESPONSE_MODEL] = deployment.engine_model
        said[gen_ai.DEPLOYMENT] = deployment.id
    if call.first_byte_at is not None:
        said[gen_ai.FIRST_BYTE_S] = call.first_byte_at - call.request.received_at
    return {name: value for name, value in said.items() if value is not None}
