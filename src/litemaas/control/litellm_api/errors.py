"""How does an error look to LiteLLM's clients? OpenAI's envelope in profile 1.81; some carry ``detail`` as well.

Source: gateway-api contract 3.1, 4 and 5.11. Clients steer by the words of some messages and by the codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from litemaas.core import errors as e

NONE = "None"
"""What 1.81 writes where a type or parameter is missing."""

TABLE: dict[type[e.LiteMaaSError], tuple[int, str, str | None]] = {
    e.KeyMissing: (401, "auth_error", NONE),
    e.KeyMalformed: (401, "auth_error", NONE),
    e.KeyUnknown: (401, "token_not_found_in_db", "key"),
    e.KeyBlocked: (401, "auth_error", NONE),
    e.KeyExpired: (400, "expired_key", None),
    e.ModelNotAllowed: (401, "key_model_access_denied", "model"),
    e.RouteNotAllowed: (403, "auth_error", NONE),
    e.MasterKeyRequired: (401, "auth_error", NONE),
    e.ClientCredentialsRefused: (401, "auth_error", NONE),
    e.ContentRefused: (403, NONE, NONE),
    e.ContentJudgedUnfit: (400, NONE, NONE),
    e.MalformedBody: (400, "invalid_request_error", "request_body"),
    e.MissingField: (400, "bad_request_error", None),
    e.InvalidField: (400, "bad_request_error", None),
    e.ModelUnknown: (400, "bad_request_error", "model"),
    e.PromptTooLong: (400, "bad_request_error", None),
    e.BodyTooLarge: (413, "bad_request_error", None),
    e.RequestTooSlow: (408, "bad_request_error", None),
    e.AlreadyExists: (400, "bad_request_error", None),
    e.NotFound: (404, "not_found_error", None),
    e.NotOffered: (501, "not_offered", None),
    e.MethodNotAllowed: (405, "bad_request_error", None),
    e.BudgetExhausted: (400, "budget_exceeded", None),
    e.QuotaExhausted: (429, "quota_exceeded", None),
    e.RateLimited: (429, NONE, NONE),
    e.UpstreamUnreachable: (500, "internal_server_error", None),
    e.UpstreamTimeout: (408, "internal_server_error", None),
    e.UpstreamGarbage: (500, "internal_server_error", None),
    e.UpstreamDied: (500, "internal_server_error", None),
    e.UpstreamRefused: (500, "internal_server_error", None),
    e.NoDeploymentAvailable: (429, NONE, NONE),
    # Not 1.81's 400: the workshop roles read a 400 of a creating call as "exists".
    e.ServiceUnavailable: (503, "no_db_connection", None),
    e.GuardrailUnavailable: (503, "service_unavailable", None),
    e.KeyUncheckable: (503, "no_db_connection", None),
    e.ClientGone: (499, "bad_request_error", None),
    e.Unexpected: (500, "internal_server_error", None),
}
_PARAMS = {
    "alias": "key_alias",
    "max_budget_nano": "max_budget",
    "soft_budget_nano": "soft_budget",
    "model_limits": "model_max_budget",
    "timeout_s": "timeout",
    "stream_timeout_s": "stream_timeout",
    "engine_model": "model",
    "tls_ca": "ssl_verify",
}
"""What the services' members are called in this API."""
_SECRETS = ("key", "api_key", "keys")


class Refused(HTTPException):
    """An answer that only this API gives; ``detail`` True = the message stands below ``detail``, too."""

    def __init__(self, status: int, type_: str, param: str | None, message: str, *, detail: bool = False) -> None:
        super().__init__(status, message)
        self.type = type_
        self.param = param
        self.with_detail = detail


def answer_like_litellm(app: FastAPI) -> None:
    app.add_exception_handler(e.LiteMaaSError, _of_domain)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(UnicodeEncodeError, _of_half_a_character)
    app.add_exception_handler(Exception, _of_defect)


async def _of_domain(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, e.LiteMaaSError)  # noqa: S101 — registered for this type only
    status, type_, param = TABLE.get(type(error)) or (getattr(error, "status", 500), "bad_request_error", None)
    if isinstance(error, e.KeyExpired):
        param = error.masked_key
    field = getattr(error, "field", None)
    if param is None and field is not None:
        param = _PARAMS.get(field, field)
    message = error.message
    for ours, theirs in _PARAMS.items():
        message = message.replace(ours, theirs) if ours.endswith("_nano") else message
    detail = {"detail": message} if isinstance(error, e.RouteNotAllowed | e.MethodNotAllowed) else {}
    return _respond(status, type_, param, message, detail)


async def _of_validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 — registered for this type only
    found = error.errors()
    if any(violation["type"] == "json_invalid" for violation in found):
        return _respond(400, "invalid_request_error", "request_body", "The body is not valid JSON.")
    detail = [
        {"type": v["type"], "loc": list(v["loc"]), "msg": v["msg"], "input": _harmless(v["loc"], v.get("input"))}
        for v in found
    ]
    message = "; ".join(f"{'.'.join(str(step) for step in v['loc'])}: {v['msg']}" for v in found)
    param = str(found[0]["loc"][-1]) if found else None
    return _respond(422, "bad_request_error", param, message, {"detail": detail})


def _harmless(loc: tuple[Any, ...], value: object) -> object:
    """What was sent, if it can be no secret and JSON can say it: whole bodies and key members are not echoed."""
    if any(step in _SECRETS for step in loc):
        return None
    if isinstance(value, str):
        return value[:100].encode("utf-8", "replace").decode()
    return value if isinstance(value, int) or (isinstance(value, float) and isfinite(value)) else None


async def _of_framework(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 — registered for this type only
    if isinstance(error, Refused):
        extra = {"detail": {"error": str(error.detail)}} if error.with_detail else {}
        return _respond(error.status_code, error.type, error.param, str(error.detail), extra)
    words = {404: "Not Found", 405: "Method Not Allowed", 413: "The body is too large.", 400: "The body is not JSON."}
    message = words.get(error.status_code, str(error.detail))
    type_ = "not_found_error" if error.status_code == 404 else "bad_request_error"
    return _respond(error.status_code, type_, None, message, {"detail": message}, error.headers)


async def _of_half_a_character(_: Request, __: Exception) -> JSONResponse:
    """JSON can name half of a surrogate pair, and no database or answer can hold it."""
    words = "A text holds half of a surrogate pair, which is no character."
    return _respond(400, "invalid_request_error", "request_body", words)


async def _of_defect(_: Request, __: Exception) -> JSONResponse:
    return _respond(500, "internal_server_error", None, "Something went wrong on our side.")


def _respond(
    status: int,
    type_: str,
    param: str | None,
    message: str,
    extra: dict[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    error = {"message": message, "type": type_, "param": param, "code": str(status)}
    return JSONResponse({"error": error} | (extra or {}), status, headers=dict(headers or {}))
