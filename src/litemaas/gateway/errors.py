"""How is an error told to a client? In OpenAI's envelope, with the status that LiteLLM's clients expect.

One table maps the leaves of ``core.errors`` to status, type and param in two profiles (gateway-api contract 4): ``1.81`` is
what existing clients were written against, ``current`` what newer ones expect. A test fails when a leaf is missing here.
"""

from __future__ import annotations

from typing import Any

from litemaas.core import errors
from litemaas.core.errors import LiteMaaSError
from litemaas.core.refusals import Refusal
from litemaas.gateway.bodies import encode

NONE_TEXT = "None"
"""The profile 1.81 writes a missing type or param as this text where the contract marks it so."""

_CONTEXT_EXCEEDED = "context_length_exceeded"
_Row = tuple[int, str | None, str | None]
"""Status, type, param; ``...None`` texts are the contract's own."""

PROFILE_1_81: dict[type[LiteMaaSError], _Row] = {
    errors.KeyMissing: (401, "auth_error", NONE_TEXT),
    errors.KeyMalformed: (401, "auth_error", NONE_TEXT),
    errors.KeyUnknown: (401, "token_not_found_in_db", "key"),
    errors.KeyBlocked: (401, "auth_error", NONE_TEXT),
    errors.KeyExpired: (400, "expired_key", None),
    errors.ModelNotAllowed: (401, "key_model_access_denied", "model"),
    errors.RouteNotAllowed: (403, "auth_error", NONE_TEXT),
    errors.MasterKeyRequired: (401, "auth_error", NONE_TEXT),
    errors.ClientCredentialsRefused: (401, "auth_error", NONE_TEXT),
    errors.ContentRefused: (403, NONE_TEXT, NONE_TEXT),
    errors.ContentJudgedUnfit: (400, NONE_TEXT, NONE_TEXT),
    errors.MalformedBody: (400, "invalid_request_error", "request_body"),
    errors.MissingField: (400, "invalid_request_error", None),
    errors.InvalidField: (400, "bad_request_error", None),
    errors.ModelUnknown: (400, None, None),
    errors.PromptTooLong: (400, None, None),
    errors.BodyTooLarge: (413, "invalid_request_error", "request_body"),
    errors.RequestTooSlow: (408, "invalid_request_error", "request_body"),
    errors.AlreadyExists: (400, "bad_request_error", None),
    errors.NotFound: (404, "not_found_error", None),
    errors.NotOffered: (501, "not_offered", None),
    errors.MethodNotAllowed: (405, "invalid_request_error", None),
    errors.BudgetExhausted: (400, "budget_exceeded", None),
    errors.QuotaExhausted: (429, "quota_exceeded", None),
    errors.RateLimited: (429, NONE_TEXT, NONE_TEXT),
    errors.UpstreamUnreachable: (500, None, None),
    errors.UpstreamTimeout: (408, None, None),
    errors.UpstreamGarbage: (500, None, None),
    errors.UpstreamDied: (500, None, None),
    errors.UpstreamRefused: (0, None, None),
    errors.NoDeploymentAvailable: (429, NONE_TEXT, NONE_TEXT),
    errors.ServiceUnavailable: (503, "service_unavailable", None),
    errors.GuardrailUnavailable: (503, "service_unavailable", None),
    errors.KeyUncheckable: (400, "no_db_connection", None),
    errors.ClientGone: (499, None, None),
    errors.Unexpected: (500, "internal_server_error", None),
}
_DIFFERENT_IN_CURRENT: dict[type[LiteMaaSError], _Row] = {
    errors.KeyExpired: (401, "expired_key", None),
    errors.ModelNotAllowed: (403, "key_model_access_denied", "model"),
    errors.BudgetExhausted: (429, "budget_exceeded", None),
    errors.RateLimited: (429, "throttling_error", None),
    errors.NoDeploymentAvailable: (429, None, None),
    errors.KeyUncheckable: (503, "no_db_connection", None),
}
PROFILES = {"1.81": PROFILE_1_81, "current": PROFILE_1_81 | _DIFFERENT_IN_CURRENT}


def row_of(error: LiteMaaSError, profile: str) -> _Row:
    """Status, type and param of an error; an unlisted kind is treated as its nearest listed ancestor, or as a defect."""
    table = PROFILES[profile]
    for kind in type(error).__mro__:
        if kind in table:
            return table[kind]
    return table[errors.Unexpected]


def status_of(error: LiteMaaSError, profile: str) -> int:
    return error.status if isinstance(error, errors.UpstreamRefused) else row_of(error, profile)[0]


def body_of(error: LiteMaaSError, profile: str) -> bytes:
    """The whole JSON body."""
    _, kind, param = row_of(error, profile)
    if profile == "current":
        kind, param = (None if kind == NONE_TEXT else kind), (None if param == NONE_TEXT else param)
    code = str(status_of(error, profile))
    if isinstance(error, errors.PromptTooLong) and profile == "current":
        code = _CONTEXT_EXCEEDED
    if isinstance(error, errors.InvalidRequest | errors.NotFound) and error.field is not None:
        param = error.field
    elif isinstance(error, errors.KeyExpired):
        param = error.masked_key
    elif isinstance(error, errors.ModelNotAllowed):
        kind = f"{error.level}_model_access_denied"
    elif isinstance(error, errors.UpstreamRefused):
        if error.status == 429:
            kind = "throttling_error"
        if error.error_code == _CONTEXT_EXCEEDED and profile == "current":
            code = error.error_code
    detail = error.message if isinstance(error, errors.RouteNotAllowed) else None
    return envelope(error.message, kind, param, code, detail, error.refusal)


def envelope(
    message: str, kind: str | None, param: str | None, code: str, detail: Any = None, refusal: Refusal | None = None
) -> bytes:
    """``refusal``: why a call was blocked, as a member of the error (control-plane contract 12)."""
    body: dict[str, Any] = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    if refusal is not None:
        body["error"]["refusal"] = refusal
    if detail is not None:
        body["detail"] = detail
    return encode(body)


def refusal_body(status: int, reason: str) -> bytes:
    """For what was refused before it was a request."""
    return envelope(reason, "invalid_request_error", None, str(status))


def headers_of(error: LiteMaaSError, profile: str = "1.81") -> bytes:
    """Header lines that belong to an error: when to come back, and what may be done instead."""
    match error:
        case errors.RateLimited():
            in_parallel = error.kind == "max_parallel_requests" and profile == "current"
            kind = "concurrent_requests" if in_parallel else error.kind
            return (
                f"retry-after: {error.retry_after_s}\r\nrate_limit_type: {kind}\r\n"
                f"reset_at: {error.reset_at:%Y-%m-%d %H:%M:%S} UTC\r\n"
            ).encode()
        case errors.NoDeploymentAvailable():
            return f"retry-after: {error.retry_after_s}\r\n".encode()
        case errors.UpstreamRefused() if error.retry_after:
            return f"retry-after: {_header_text(error.retry_after)}\r\n".encode()
        case errors.UpstreamTimeout():
            return f"x-litellm-timeout: {error.timeout_s:g}\r\n".encode()
        case errors.MethodNotAllowed():
            return f"allow: {', '.join(error.allowed)}\r\n".encode()
        case errors.ServiceUnavailable() | errors.GuardrailUnavailable() | errors.KeyUncheckable():
            return b"retry-after: 1\r\n"
    return b""


def _header_text(value: str) -> str:
    return "".join(c for c in value if c.isprintable() and c.isascii())[:64]


def stream_event(error: LiteMaaSError, profile: str) -> bytes:
    """An error after the stream has begun: one event, then the end without ``[DONE]``."""
    return b"data: " + body_of(error, profile) + b"\n\n"
