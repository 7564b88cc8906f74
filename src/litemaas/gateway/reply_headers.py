"""Which headers does an answer carry? What it cost, who served it and what is left (gateway-api contract 1.4)."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from litemaas.core.money import format_usd

if TYPE_CHECKING:
    from litemaas.gateway.call import Call, Reply

JSON_TYPE = b"content-type: application/json\r\n"
STREAM_TYPE = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
CORS = b"access-control-allow-origin: *\r\naccess-control-expose-headers: *\r\n"
_NOT_PASSED_ON = frozenset({
    b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"content-type", b"content-encoding", b"trailer",
    b"upgrade", b"te", b"proxy-authenticate", b"proxy-connection", b"set-cookie", b"date", b"server", b"alt-svc",
})  # fmt: skip


class ReplyHeaders:
    """Renders header lines; what never changes for a deployment or engine header is made once."""

    def __init__(self, litellm_version: str) -> None:
        self._version = f"x-litellm-version: {litellm_version}\r\n"
        self._served_by: dict[str, tuple[object, str]] = {}

    def of_error(self, call_id: str, call: Call | None) -> bytes:
        """An error names the call, and the deployment if one was chosen; it costs nothing."""
        served = self._deployment(call) if call is not None and call.deployment is not None else ""
        lines = (
            f"content-type: application/json\r\nx-litellm-call-id: {call_id}\r\nx-litellm-response-cost: 0\r\n{served}"
        )
        return lines.encode("latin-1", "replace")

    def of_reply(self, call: Call, reply: Reply) -> bytes:
        cost = call.cost
        spent = (
            f"x-litellm-response-cost: {format_usd(cost.total)}\r\n"
            if cost is not None and self._is_priced(call)
            else ""
        )
        return b"".join((
            b"content-type: ", reply.content_type, b"\r\n", self._common(call, spent).encode("latin-1", "replace"),
            engine_lines(reply.engine_headers),
        ))  # fmt: skip

    def of_stream(self, call: Call, engine_headers: list[tuple[bytes, bytes]]) -> bytes:
        return b"".join(
            (STREAM_TYPE, self._common(call, "").encode("latin-1", "replace"), engine_lines(engine_headers))
        )

    def _common(self, call: Call, spent: str) -> str:
        caller = call.caller
        key_spend = ""
        if caller is not None and not caller.key.is_master:
            key_spend = f"x-litellm-key-spend: {format_usd(caller.spent_nano)}\r\n"
        total_ms = (monotonic() - call.request.received_at) * 1000
        return (
            f"x-litellm-call-id: {call.client_call_id or call.id}\r\n{self._version}{self._deployment(call)}"
            f"x-litellm-attempted-retries: {call.attempts - 1}\r\n"
            f"x-litellm-response-duration-ms: {total_ms:.3f}\r\n"
            f"{spent}{key_spend}{self._limits(call)}"
        )

    def _limits(self, call: Call) -> str:
        """What is left of each active limit, this call included."""
        ticket = call.reservation.ticket if call.reservation is not None else None
        if ticket is None:
            return ""
        lines = []
        for room in ticket.room():
            name = _DESCRIPTORS.get(room.level, room.level)
            lines.append(f"x-ratelimit-{name}-limit-{room.kind}: {room.limit}\r\n")
            lines.append(f"x-ratelimit-{name}-remaining-{room.kind}: {room.remaining}\r\n")
        return "".join(lines)

    def _deployment(self, call: Call) -> str:
        deployment = call.deployment
        if deployment is None:
            return ""
        cached = self._served_by.get(deployment.id)
        if cached is None or cached[0] is not deployment:
            base = deployment.api_base.partition("?")[0]
            lines = (
                f"x-litellm-model-id: {deployment.id}\r\nx-litellm-model-api-base: {base}\r\n"
                f"x-litellm-model-group: {deployment.model}\r\n"
            )
            cached = self._served_by[deployment.id] = (deployment, lines)
        return cached[1]

    @staticmethod
    def _is_priced(call: Call) -> bool:
        return call.deployment is not None and not call.deployment.price.is_free


_DESCRIPTORS = {"key": "api_key", "key and model": "model_per_key"}


def engine_lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The engine's headers under a prefix of their own; its rate limits also as they are."""
    lines = []
    for name, value in headers:
        if name in _NOT_PASSED_ON:
            continue
        lines.append(b"llm_provider-%b: %b\r\n" % (name, value))
        if name.startswith(b"x-ratelimit-"):
            lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)
