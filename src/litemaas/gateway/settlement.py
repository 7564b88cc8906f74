"""How does a call end? Leaving the block prices its usage, frees what was reserved and writes its one usage record.

There is no other way out: an error, a client that hung up and a good answer all pass here, so nobody can forget to bill. The
record is in the journal before the client hears the end of its answer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Final

from litemaas.core.catalog import Mode
from litemaas.core.errors import (
    ClientGone,
    ContentJudgedUnfit,
    GuardrailUnavailable,
    LiteMaaSError,
    Unauthenticated,
    Unexpected,
    UpstreamFailure,
)
from litemaas.core.keys import MASTER_KEY_HASH
from litemaas.core.ledger import GUARDRAILS, TERMS, Status
from litemaas.core.pricing import Cost, cost_of
from litemaas.core.refusals import MEMBER, refusal_of
from litemaas.core.usage import NOTHING, Usage, UsageSource
from litemaas.gateway.cooling import kind_of
from litemaas.gateway.errors import status_of
from litemaas.gateway.identity import Caller
from litemaas.gateway.metering import BYTES_PER_TOKEN
from litemaas.gateway.records import (
    NO_LABELS,
    NOT_BOOKED,
    NOTHING_SERVED,
    NULL,
    SERVED_WELL,
    InstantText,
    agent_text,
    begun_text,
    bookings_text,
    labels_text,
    record_line,
    text,
    who_text,
)
from litemaas.gateway.running import running_text
from litemaas.gateway.sources import BETWEEN, NOTE
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from litemaas.core.limits import BudgetRule
    from litemaas.core.price_terms import Terms
    from litemaas.gateway.call import Ask, Call
    from litemaas.gateway.cooling import Condition
    from litemaas.gateway.journal import Journal
    from litemaas.gateway.leasing import Account
    from litemaas.gateway.metrics import Metrics
    from litemaas.gateway.targets import Target

_FREE: Final = Cost()
_SUCCESS: Final = Status.SUCCESS  # in compiled code a member of an enumeration is looked up by its name each time
_REFUSED: Final = Status.REFUSED
_CLIENT_CLOSED: Final = 499
_OF_TEXT: Final = frozenset({Mode.CHAT, Mode.COMPLETION, Mode.EMBEDDING})


class Settlement:
    """Closes calls. ``rated``: which tokens limits of tokens per minute count, ``total``, ``input`` or ``output``."""

    def __init__(self, journal: Journal, metrics: Metrics, profile: str, rated: str = "total") -> None:
        self._journal = journal
        self._metrics = metrics
        self._profile = profile
        self._rated = "" if rated == "total" else rated
        self._instant = InstantText()

    def of(self, call: Call) -> _Settling:
        return _Settling(self, call)

    def close(self, call: Call, error: BaseException | None) -> None:  # noqa: C901 - each part is a test and a call
        error = error or call.failure
        now = call.ended_at = monotonic()
        if error is not None and isinstance(error, LiteMaaSError):
            _note_error(call, error)
        usage = call.usage
        target = call.target
        cost = _FREE
        if (
            target is not None
            and not call.endpoint.is_free
            and (
                error is None
                or usage.total_tokens
                or usage.pages
                or usage.media is not None
                or _is_answered(call, error)
            )
        ):
            requests = call.ask.documents if call.ask is not None else 1
            cost = cost_of(usage, target.deployment.price, requests)
            if target.terms is not None:
                call.listed = cost_of(usage, target.deployment.listed or target.deployment.price, requests)
        call.cost = cost
        if call.hold is not None:
            call.hold.close(cost.total)
        tokens = usage.prompt_tokens + usage.completion_tokens - usage.cached_tokens
        if self._rated:
            tokens = usage.completion_tokens if self._rated == "output" else tokens - usage.completion_tokens
        if call.ticket is not None:
            call.ticket.close(tokens)
        if call.condition is not None:
            _leave_deployment(call, call.condition, cost.total, tokens, error)
        else:
            call.leave_deployment()  # it may have ended while it waited for a place there, or for money
        if call.ticket_besides is not None:
            call.ticket_besides.close(tokens)
        if call.caller is not None:
            call.caller.spent_nano += cost.total
        duration_s = now - call.request.received_at
        if error is None:
            status, http_status = _SUCCESS, 200 if call.reply is None else call.reply.status
            outcome = SERVED_WELL if http_status == 200 else f"{_SUCCESS}\t{http_status}\t{NULL}\t{NULL}"
        else:
            status, http_status = self._outcome(error)
            why = text(str(error)[:500]) if isinstance(error, LiteMaaSError) else NULL
            outcome = f"{status}\t{http_status}\t{_code(error)}\t{why}"
        if call.quota is not None:
            call.quota.close(0 if status is _REFUSED else 1, usage.prompt_tokens + usage.completion_tokens)
        self._metrics.observe(call, status, http_status, duration_s)
        if call.deferred:
            self._journal.running.drop(call.slot)
            return
        self._journal.append(self._line(call, cost, outcome, duration_s))
        self._journal.running.end(call.slot)

    def begin(self, call: Call, target: Target) -> None:
        """Notes that an engine is about to be asked, so that a crash of ours leaves a record, too."""
        call.begun = self._begun(call)
        call.slot = self._journal.running.begin(call.slot, self.text_of(call, target))

    def _begun(self, call: Call) -> str:
        return begun_text(
            call.id, self._instant.of(call.started_at), call.ask is not None and call.ask.stream, _end_user(call),
            call.attempts, call.request.client_ip, _agent(call),
        )  # fmt: skip

    def text_of(self, call: Call, target: Target) -> str:
        """What is known of a call that has begun, and its record will say."""
        held = call.hold.amount if call.hold is not None else 0
        return running_text(call.begun, held, target.price, _tail(call))

    def progress(self, call: Call, usage: Usage) -> None:
        """Notes what a stream has used by now."""
        self._journal.running.progress(call.slot, usage)

    def _outcome(self, error: BaseException) -> tuple[Status, int]:
        if isinstance(error, ClientGone):
            return Status.CANCELLED, _CLIENT_CLOSED
        http_status = status_of(error if isinstance(error, LiteMaaSError) else Unexpected(""), self._profile)
        failed = isinstance(error, UpstreamFailure) or not isinstance(error, LiteMaaSError)
        return Status.FAILURE if failed else _REFUSED, http_status

    def _line(self, call: Call, cost: Cost, outcome: str, duration_s: float) -> str:
        """The record's columns in the order of ``records.JOURNAL_COLUMNS``, without the checksum."""
        ask, usage, request = call.ask, call.usage, call.request
        ttft = NULL if call.first_byte_at is None else str(int((call.first_byte_at - request.received_at) * 1e6))
        engine_id = NULL if call.engine_request_id is None else text(call.engine_request_id[:256])
        if (
            call.refusal is not None
            or call.listed is not None
            or call.guard is not None
            or (ask is not None and (ask.tags or ask.spend_metadata))
        ):
            labels = _labels(call, ask)
        else:
            labels = call.lane.labels if call.lane is not None else NO_LABELS
        held = call.hold.amount if call.hold is not None else 0
        return record_line(
            call.begun or self._begun(call), held, int(duration_s * 1e6), ttft, outcome, engine_id, usage, cost, labels,
            _tail(call),
        )  # fmt: skip


def _leave_deployment(
    call: Call, condition: Condition, cost_nano: int, tokens: int, error: BaseException | None
) -> None:
    """How the call went there, and what it took of the deployment's own limits and budgets."""
    condition.running -= 1
    if error is None:
        condition.answered(call.reply is None, call.upstream_s, call.usage.completion_tokens, tokens, call.ended_at)
    else:
        _note_bad_end(condition, error)
    if call.place is not None:
        call.place.close(tokens)
    if call.spending is not None:
        call.spending.close(cost_nano)


def _note_bad_end(condition: Condition, error: BaseException) -> None:
    """An answer had begun and broke off; whose fault that was, the kind of error tells."""
    if isinstance(error, UpstreamFailure):
        kind = kind_of(error)
        if kind is not None:
            condition.fail(kind, error.message, monotonic())


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


def _end_user(call: Call) -> str:
    ask = call.ask
    return NULL if ask is None or ask.end_user is None else text(ask.end_user[:256])


def _agent(call: Call) -> str:
    notes = call.request.notes
    agent = notes.get("agent")
    if agent is None:
        agent = notes["agent"] = agent_text(call.request.headers.get(b"user-agent"))
    return agent


def _who(call: Call) -> str:
    """Who asked, for a call that was refused before its model was found."""
    asked = (call.ask.model or "")[:256] if call.ask is not None else ""
    if call.caller is None:
        return who_text(call.endpoint.route, "", None, None, None, asked)
    key = call.caller.key
    key_hash = MASTER_KEY_HASH if key.is_master else key.key_hash
    return who_text(call.endpoint.route, key_hash, key.alias, key.user_id, key.team_id, asked)


def _labels(call: Call, ask: Ask | None) -> str:
    """The tags of the call and of its key; the call's notes, and why it was refused."""
    tags = (ask.tags if ask is not None else None) or []
    if call.caller is not None:
        tags = [*tags, *call.caller.key.tags]
    notes = dict(ask.spend_metadata or {}) if ask is not None else {}
    if call.refusal is not None:
        notes[MEMBER] = call.refusal
    if call.guard is not None:
        notes[GUARDRAILS] = call.guard.names
    if call.listed is not None and call.target is not None and call.target.terms is not None:
        notes[TERMS] = _terms_note(call.listed, call.target.terms)
    return labels_text(tags, notes)


def _terms_note(listed: Cost, terms: Terms) -> dict[str, int]:
    """Units: nano-USD and millionths, ``fixed`` per million requests."""
    return {
        "total": listed.total, "input": listed.input, "output": listed.output, "discount": terms.discount,
        "margin": terms.margin, "fixed": terms.fixed_per_million,
    }  # fmt: skip


def _is_answered(call: Call, error: BaseException) -> bool:
    """Whether a whole answer came for a client that had left."""
    return isinstance(error, ClientGone) and call.reply is not None and not call.endpoint.defers


def _note_error(call: Call, error: LiteMaaSError) -> None:
    """What the call owes although it has no answer; or why it is blocked, for the client and the record."""
    if isinstance(error, ClientGone):
        if error.owes_input and call.ask is not None and call.usage is NOTHING and call.endpoint.modes <= _OF_TEXT:
            prompt = -(-call.ask.prompt_bytes // BYTES_PER_TOKEN)
            call.usage = Usage(prompt_tokens=prompt, source=UsageSource.ESTIMATE)
        return
    if isinstance(error, ContentJudgedUnfit | GuardrailUnavailable):
        call.usage = NOTHING  # the model may have answered, but nobody saw anything of that
    if call.caller is None and isinstance(error, Unauthenticated):
        asked_by = error.asked_by
        if isinstance(asked_by, Caller):
            call.caller = asked_by
    caller = call.caller
    if caller is None or caller.is_master:
        return
    model = (call.ask.model or "")[:256] if call.ask is not None else ""
    at = datetime.fromtimestamp(call.started_at, UTC)
    error.refusal = call.refusal = refusal_of(error, f"key:{caller.key.key_hash}", model, call.id, at)


def _tail(call: Call) -> str:
    """Where the call comes from, unless it is the API, and :func:`_tail_of_api`."""
    tail = _tail_of_api(call)
    source = call.request.notes.get(NOTE)
    return tail if source is None else f"{source}{BETWEEN}{tail}"


def _tail_of_api(call: Call) -> str:
    """Who asked, what served, and where the cost is added: in today's windows, unless it was held in one that has ended."""
    target = call.target
    served = target.served if target is not None else NOTHING_SERVED
    lane = call.lane
    if lane is None:
        return f"{_who(call)}\t{served}\t{NOT_BOOKED}"
    besides = target.budgets if target is not None and not call.endpoint.defers else ()
    if call.hold is not None or call.quota is not None or besides:
        accounts = [*(call.hold.accounts if call.hold is not None else ()),
                    *(call.quota.accounts if call.quota is not None else ()),
                    *(call.spending.accounts if call.spending is not None else ())]  # fmt: skip
        if besides:
            return f"{lane.who}\t{served}\t{_bookings(call, (*lane.booked, *besides), accounts)}"
        for account in accounts:
            if not account.began_at <= call.started_at < account.ends_at:
                return f"{lane.who}\t{served}\t{_bookings(call, lane.booked, accounts)}"
    return lane.tail(served, call.started_at)


def _bookings(call: Call, rules: tuple[BudgetRule, ...], accounts: list[Account]) -> str:
    """Each rule in the window in which it was held, or else that of the call's beginning."""
    lane = call.lane
    held = {account.rule.scope: account.window.start for account in accounts}
    return bookings_text([
        (rule.scope, held.get(rule.scope) or lane.window_start(rule, call.started_at)) for rule in rules if lane is not None
    ])  # fmt: skip


def _code(error: BaseException) -> str:
    return error.code if isinstance(error, LiteMaaSError) else Unexpected.code
