"""What can go wrong, in the domain's words? One tree, stable public codes, no HTTP.

    LiteMaaSError
    ├── Unauthenticated            who is asking?
    │   ├── KeyMissing · KeyMalformed · KeyUnknown
    │   └── KeyBlocked · KeyExpired
    ├── Forbidden                  may they?
    │   ├── ModelNotAllowed · RouteNotAllowed · MasterKeyRequired · ClientCredentialsRefused
    │   ├── ContentRefused · ContentJudgedUnfit
    ├── InvalidRequest             can this be understood?
    │   ├── MalformedBody · MissingField · InvalidField · ModelUnknown · PromptTooLong · BodyTooLarge
    │   ├── RequestTooSlow · AlreadyExists
    ├── NotFound · NotOffered · MethodNotAllowed
    ├── LimitReached               is there room?
    │   ├── BudgetExhausted · QuotaExhausted
    │   └── RateLimited
    ├── UpstreamFailure            did the model server do its part?
    │   ├── UpstreamUnreachable · UpstreamTimeout · UpstreamGarbage · UpstreamDied
    │   └── UpstreamRefused        it answered with a 4xx or 5xx of its own
    ├── NoDeploymentAvailable      all deployments of the model are cooling down
    ├── ServiceUnavailable         a part of the platform is away: database, control plane, journal
    ├── GuardrailUnavailable       a service is away without whose word no call goes on
    ├── KeyUncheckable             a key is not known here, and the database is away
    ├── ClientGone                 the caller hung up; nobody is left to tell
    └── Unexpected                 a defect of ours

Each plane maps the leaves to its own wire format in one table; a test fails when a leaf is missing there. Messages tell
the caller what to do next and hold no secret, no internal host and no SQL.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from litemaas.core.refusals import Refusal


class LiteMaaSError(Exception):
    """Something the caller is told about in words meant for them."""

    code: ClassVar[str] = "unexpected"
    refusal: Refusal | None = None
    """Why a call was blocked, once it is settled (``core.refusals``)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthenticated(LiteMaaSError):
    """``asked_by``: the caller, where a known key is refused; each plane has its own idea of one."""

    code = "unauthenticated"
    asked_by: object | None = None


class KeyMissing(Unauthenticated):
    code = "key_missing"


class KeyMalformed(Unauthenticated):
    code = "key_malformed"


class KeyUnknown(Unauthenticated):
    code = "key_unknown"


class KeyBlocked(Unauthenticated):
    """``block``: the contract's word for why, like ``key_disabled`` or ``account_disabled``."""

    code = "key_blocked"

    def __init__(self, message: str, block: str = "key_disabled") -> None:
        super().__init__(message)
        self.block = block


class KeyExpired(Unauthenticated):
    code = "key_expired"

    def __init__(self, message: str, masked_key: str) -> None:
        super().__init__(message)
        self.masked_key = masked_key


class Forbidden(LiteMaaSError):
    code = "forbidden"


class ModelNotAllowed(Forbidden):
    """``block``: the contract's word for why, like ``subscription_pending``. ``level``: whose list it is, key, team or user."""

    code = "model_not_allowed"

    def __init__(self, message: str, block: str = "model_not_on_key", level: str = "key") -> None:
        super().__init__(message)
        self.block = block
        self.level = level


class RouteNotAllowed(Forbidden):
    code = "route_not_allowed"


class MasterKeyRequired(Forbidden):
    code = "master_key_required"


class ClientCredentialsRefused(Forbidden):
    code = "client_credentials_refused"


class ContentRefused(Forbidden):
    """A guardrail found in the request what must not pass; ``kind`` names it, the message never quotes it."""

    code = "content_refused"

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class ContentJudgedUnfit(Forbidden):
    """A service did not let a text pass; ``kind`` names the guardrail. Its reason is for the caller: records do not have it."""

    code = "content_judged_unfit"

    def __init__(self, kind: str, reason: str = "") -> None:
        words = f"Content blocked by the guardrail {kind}"
        super().__init__(words)
        self.kind = kind
        self.message = f"{words}: {reason}" if reason else words


class InvalidRequest(LiteMaaSError):
    """The request cannot be understood; ``field`` names the member to mend."""

    code = "invalid_request"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class MalformedBody(InvalidRequest):
    code = "malformed_body"


class MissingField(InvalidRequest):
    code = "missing_field"


class InvalidField(InvalidRequest):
    code = "invalid_field"


class ModelUnknown(InvalidRequest):
    code = "model_unknown"


class PromptTooLong(InvalidRequest):
    """No deployment of the model takes a prompt of this length."""

    code = "prompt_too_long"


class BodyTooLarge(InvalidRequest):
    code = "body_too_large"


class RequestTooSlow(InvalidRequest):
    code = "request_too_slow"


class AlreadyExists(InvalidRequest):
    code = "already_exists"


class NotFound(LiteMaaSError):
    """The thing asked for is not there; ``field`` names the member that pointed to it, if any."""

    code = "not_found"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotOffered(LiteMaaSError):
    """Clients know such an endpoint; here it would promise what is not kept."""

    code = "not_offered"


class MethodNotAllowed(LiteMaaSError):
    code = "method_not_allowed"

    def __init__(self, message: str, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class LimitReached(LiteMaaSError):
    code = "limit_reached"


class BudgetExhausted(LimitReached):
    """The call does not fit into what is left of a budget.

    Units: nano-USD.
    """

    code = "budget_exhausted"

    def __init__(
        self, message: str, level: str, limit_nano: int, spent_nano: int, scope: str | None = None,
        window_start: datetime | None = None, frees_at: datetime | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.level = level
        self.limit_nano = limit_nano
        self.spent_nano = spent_nano
        self.scope = scope
        self.window_start = window_start
        self.frees_at = frees_at


class QuotaExhausted(LimitReached):
    """The call does not fit into what is left of a subscription's quota this month.

    ``unit`` is ``requests`` or ``tokens``, and that of ``limit`` and ``used``.
    """

    code = "quota_exhausted"

    def __init__(
        self, message: str, scope: str, unit: str, limit: int, used: int, start: datetime, end: datetime
    ) -> None:
        super().__init__(message)
        self.scope = scope
        self.unit = unit
        self.limit = limit
        self.used = used
        self.window_start = start
        self.frees_at = end


class RateLimited(LimitReached):
    """A limit per minute or in parallel is used up.

    ``kind`` is ``requests``, ``tokens`` or ``max_parallel_requests``; ``retry_after_s`` is at least 1.
    """

    code = "rate_limited"

    def __init__(self, message: str, level: str, kind: str, limit: int, retry_after_s: int, reset_at: datetime) -> None:
        super().__init__(message)
        self.level = level
        self.kind = kind
        self.limit = limit
        self.retry_after_s = retry_after_s
        self.reset_at = reset_at


class UpstreamFailure(LiteMaaSError):
    code = "upstream_failure"


class UpstreamUnreachable(UpstreamFailure):
    """No connection, or it broke before the first byte of an answer. ``is_ours``: nothing is wrong with the model server."""

    code = "upstream_unreachable"

    def __init__(self, message: str, *, is_ours: bool = False) -> None:
        super().__init__(message)
        self.is_ours = is_ours


class UpstreamTimeout(UpstreamFailure):
    code = "upstream_timeout"

    def __init__(self, message: str, timeout_s: float) -> None:
        super().__init__(message)
        self.timeout_s = timeout_s


class UpstreamGarbage(UpstreamFailure):
    code = "upstream_garbage"


class UpstreamDied(UpstreamFailure):
    """The answer had begun and then broke off."""

    code = "upstream_died"


class UpstreamRefused(UpstreamFailure):
    """The model server answered with a status of its own; it is relayed with its text.

    ``answer``: of a route of the installation's own, the JSON that its target sent, without secrets.
    """

    code = "upstream_refused"
    answer: bytes | None = None

    def __init__(
        self, message: str, status: int, retry_after: str | None = None, error_code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.error_code = error_code


class NoDeploymentAvailable(LiteMaaSError):
    code = "no_deployment_available"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ServiceUnavailable(LiteMaaSError):
    code = "service_unavailable"


class GuardrailUnavailable(LiteMaaSError):
    code = "guardrail_unavailable"


class KeyUncheckable(LiteMaaSError):
    code = "no_db_connection"


class ClientGone(LiteMaaSError):
    """``owes_input``: the model server was at work on an answer that did not come in time."""

    code = "client_gone"

    def __init__(self, message: str, *, owes_input: bool = False) -> None:
        super().__init__(message)
        self.owes_input = owes_input


class Unexpected(LiteMaaSError):
    code = "unexpected"
