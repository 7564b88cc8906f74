"""Which headers does an answer carry? What it cost, who served it and what is left (gateway-api contract 1.4)."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from litemaas.gateway.call import Call, Reply
    from litemaas.gateway.http.client import AnswerHead
    from litemaas.gateway.http.messages import Request

_MAX_ID = 64
STREAM_TYPE = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
_NOT_PASSED_ON = frozenset({
    b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"content-type", b"content-encoding", b"trailer",
    b"upgrade", b"te", b"proxy-authenticate", b"proxy-connection", b"set-cookie", b"date", b"server", b"alt-svc",
})  # fmt: skip


class ReplyHeaders:
    """Renders header lines; ``Target.lines`` brings those of the deployment."""

    def __init__(self, litellm_version: str) -> None:
        self._version = f"x-litellm-version: {litellm_version}\r\naccess-control-allow-origin: *\r\n"
        self._version += "access-control-expose-headers: *\r\n"

    def of_error(self, call_id: str, call: Call | None) -> bytes:
        """An error names the call, and the deployment if one was chosen; it costs nothing."""
        served = call.target.lines if call is not None and call.target is not None else ""
        lines = (
            f"content-type: application/json\r\nx-litellm-call-id: {call_id}\r\nx-litellm-response-cost: 0\r\n"
            f"{self._version}{served}"
        )
        return lines.encode("latin-1", "replace")

    def of_reply(self, call: Call, reply: Reply) -> bytes:
        cost = f"x-litellm-response-cost: {call.cost.total / 1e9:.9f}\r\n" if call.cost is not None else ""
        return b"content-type: %b\r\n%b%b" % (reply.content_type, self._common(call, cost), reply.engine_headers)

    def of_stream(self, call: Call, engine_headers: bytes) -> bytes:
        return STREAM_TYPE + self._common(call, "") + engine_headers

    def _common(self, call: Call, cost: str) -> bytes:
        caller = call.caller
        if caller is not None and not caller.key.is_master:
            cost = f"{cost}x-litellm-key-spend: {caller.spent_nano / 1e9:.9f}\r\n"
        ticket = call.ticket
        elapsed_ms = (monotonic() - call.request.received_at) * 1000
        return (
            f"x-litellm-call-id: {call_id_of(call)}\r\n{self._version}{call.target.lines if call.target is not None else ''}"
            f"x-litellm-attempted-retries: {call.attempts - 1}\r\nx-litellm-response-duration-ms: {elapsed_ms:.3f}\r\n"
            f"{cost}{ticket.header_lines() if ticket is not None else ''}"
        ).encode("latin-1", "replace")


def call_id_of(call: Call) -> str:
    """The client's own id for its call if it chose one, else ours."""
    return chosen_id(call.request) or call.id


def chosen_id(request: Request) -> str | None:
    """The client's own id for its request, if it is one that can safely be repeated in a header."""
    own = request.headers.get(b"x-litellm-call-id")
    if own is None or len(own) > _MAX_ID or not own.replace(b"-", b"").replace(b"_", b"").replace(b".", b"").isalnum():
        return None
    return own.decode("ascii")


def engine_lines(answer: AnswerHead) -> bytes:
    """The engine's headers under a prefix of their own; its rate limits also as they are."""
    if answer.passed_on is not None:
        return answer.passed_on
    lines = []
    for name, value in answer.headers:
        if name in _NOT_PASSED_ON:
            continue
        lines.append(b"llm_provider-%b: %b\r\n" % (name, value))
        if name.startswith(b"x-ratelimit-"):
            lines.append(b"%b: %b\r\n" % (name, value))
    answer.passed_on = b"".join(lines)
    return answer.passed_on
