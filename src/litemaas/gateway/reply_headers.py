"""Which headers does an answer carry? What it cost, who served it and what is left (gateway-api contract 1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from litemaas.core.digits import digits, three_digits
from litemaas.core.money import MILLION, format_usd, nine_decimals
from litemaas.core.price_terms import parts_of
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from litemaas.core.keys import VirtualKey
    from litemaas.core.price_terms import Terms
    from litemaas.gateway.call import Call, Reply
    from litemaas.gateway.http.answers import AnswerHead
    from litemaas.gateway.http.messages import Request
    from litemaas.gateway.identity import Caller
    from litemaas.gateway.origins import Origins

_MAX_ID = 64
STREAM_TYPE = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
_NOT_PASSED_ON = frozenset({
    b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"content-type", b"content-encoding", b"trailer",
    b"upgrade", b"te", b"proxy-authenticate", b"proxy-connection", b"set-cookie", b"date", b"server", b"alt-svc",
})  # fmt: skip


_NO_CALLBACKS = "x-litellm-callback-duration-ms: 0\r\n"
_NO_TERMS = (
    "x-litellm-response-cost-discount-amount: 0\r\nx-litellm-response-cost-margin-amount: 0\r\n"
    "x-litellm-response-cost-margin-percent: 0\r\n"
)
"""Of nearly all calls: the catalogue's price is charged."""


class ReplyHeaders:
    """Renders header lines; ``Target.lines`` brings those of the deployment."""

    def __init__(self, litellm_version: str, origins: Origins) -> None:
        self._origins = origins if origins.lines_for_all is None else None
        self._version = f"x-litellm-version: {litellm_version}\r\n{origins.lines_for_all or ''}"
        self._always = self._version + _NO_CALLBACKS + _NO_TERMS
        self._with_terms = self._version + _NO_CALLBACKS

    def of_error(self, call_id: str, call: Call | None) -> bytes:
        """An error names the call, and the deployment if one was chosen; it costs nothing."""
        served = call.target.lines if call is not None and call.target is not None else ""
        spend = _spend_lines(call.caller) if call is not None else ""
        lines = (
            f"content-type: application/json\r\nx-litellm-call-id: {call_id}\r\nx-litellm-response-cost: 0\r\n"
            f"{self._version}{served}{spend}"
        )
        if self._origins is not None and call is not None:
            lines += self._origins.lines(call.request)
        return lines.encode("latin-1", "replace")

    def of_reply(self, call: Call, reply: Reply) -> bytes:
        cost = ""
        if call.cost is not None:
            usd = nine_decimals(call.cost.total)
            original = usd if call.listed is None else nine_decimals(call.listed.total)
            cost = f"x-litellm-response-cost: {usd}\r\nx-litellm-response-cost-original: {original}\r\n"
        return b"content-type: %b\r\n%b%b" % (reply.content_type, self._common(call, cost), reply.engine_headers)

    def of_stream(self, call: Call, engine_headers: bytes) -> bytes:
        return STREAM_TYPE + self._common(call, "") + engine_headers

    def of_bytes(self, call: Call, content_type: bytes, engine_headers: bytes) -> bytes:
        return b"content-type: %b\r\n" % content_type + self._common(call, "") + engine_headers

    def _common(self, call: Call, cost: str) -> bytes:
        ticket = call.ticket
        always = self._always
        if call.target is not None and call.target.terms is not None:
            always = self._with_terms + _terms_lines(call, call.target.terms)
        elapsed_us = int(((call.ended_at or monotonic()) - call.request.received_at) * 1e6)
        own_us = max(0, elapsed_us - int(call.upstream_s * 1e6))
        tries = (
            _FIRST_TRY
            if call.attempts == 1 and not call.fallbacks
            else _tries_lines(max(0, call.attempts - 1), call.fallbacks)
        )
        lines = (
            f"x-litellm-call-id: {call_id_of(call)}\r\n{always}{call.target.lines if call.target is not None else ''}"
            f"{tries}{digits(elapsed_us // 1000)}.{three_digits(elapsed_us)}\r\n"
            f"x-litellm-overhead-duration-ms: {digits(own_us // 1000)}.{three_digits(own_us)}\r\n"
            f"{call.guard.line if call.guard is not None else ''}{cost}{_spend_lines(call.caller)}"
            f"{ticket.header_lines() if ticket is not None else ''}"
        )
        if self._origins is not None:
            lines += self._origins.lines(call.request)
        return lines.encode() if lines.isascii() else lines.encode("latin-1", "replace")  # the first is quicker


def _terms_lines(call: Call, terms: Terms) -> str:
    """What leads from the catalogue's price to the cost; of a stream, which is not settled yet, only the margin's share."""
    lines = f"x-litellm-response-cost-margin-percent: {terms.margin / MILLION:g}\r\n"
    if call.listed is None or call.cost is None:
        return lines
    discount, margin = parts_of(call.listed.total, call.cost.total, terms)
    return (
        f"{lines}x-litellm-response-cost-discount-amount: {format_usd(discount)}\r\n"
        f"x-litellm-response-cost-margin-amount: {format_usd(margin)}\r\n"
    )


def _tries_lines(retries: int, fallbacks: int) -> str:
    """How often was tried, and the name of what follows: how long all of it took."""
    return (
        f"x-litellm-attempted-retries: {retries}\r\nx-litellm-attempted-fallbacks: {fallbacks}\r\n"
        "x-litellm-response-duration-ms: "
    )


_FIRST_TRY: Final = _tries_lines(0, 0)


def _spend_lines(caller: Caller | None) -> str:
    if caller is None or caller.is_master:
        return ""
    return f"x-litellm-key-spend: {nine_decimals(caller.spent_nano)}\r\n{caller.limit_lines}"


def limit_lines_of(key: VirtualKey) -> str:
    """The limits that are set on the key itself."""
    lines = ""
    for rule in key.rates:
        if rule.level == "key":
            lines += f"x-litellm-key-tpm-limit: {rule.tpm}\r\n" if rule.tpm is not None else ""
            lines += f"x-litellm-key-rpm-limit: {rule.rpm}\r\n" if rule.rpm is not None else ""
    for budget in key.budgets:
        if budget.level == "key" and budget.limit_nano is not None:
            lines += f"x-litellm-key-max-budget: {format_usd(budget.limit_nano)}\r\n"
    return lines


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
