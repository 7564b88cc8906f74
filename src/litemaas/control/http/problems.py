"""How does an error look on this plane? As an RFC 9457 problem; one table says which status and code each leaf has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from litemaas.control.http.refusals import ControlRefusal
from litemaas.core import errors as e

TABLE: dict[type[e.LiteMaaSError], tuple[int, str]] = {
    e.KeyMissing: (401, "UNAUTHENTICATED"),
    e.KeyMalformed: (401, "UNAUTHENTICATED"),
    e.KeyUnknown: (401, "UNAUTHENTICATED"),
    e.KeyBlocked: (401, "UNAUTHENTICATED"),
    e.KeyExpired: (401, "UNAUTHENTICATED"),
    e.ModelNotAllowed: (403, "FORBIDDEN"),
    e.RouteNotAllowed: (403, "FORBIDDEN"),
    e.MasterKeyRequired: (403, "FORBIDDEN"),
    e.ClientCredentialsRefused: (403, "FORBIDDEN"),
    e.ContentRefused: (403, "FORBIDDEN"),
    e.ContentJudgedUnfit: (403, "FORBIDDEN"),
    e.MalformedBody: (400, "VALIDATION_ERROR"),
    e.MissingField: (400, "VALIDATION_ERROR"),
    e.InvalidField: (400, "VALIDATION_ERROR"),
    e.ModelUnknown: (400, "VALIDATION_ERROR"),
    e.PromptTooLong: (400, "VALIDATION_ERROR"),
    e.BodyTooLarge: (413, "BODY_TOO_LARGE"),
    e.RequestTooSlow: (408, "TIMEOUT"),
    e.AlreadyExists: (409, "ALREADY_EXISTS"),
    e.NotFound: (404, "NOT_FOUND"),
    e.NotOffered: (501, "NOT_OFFERED"),
    e.MethodNotAllowed: (405, "METHOD_NOT_ALLOWED"),
    e.BudgetExhausted: (429, "BUDGET_EXHAUSTED"),
    e.QuotaExhausted: (429, "QUOTA_EXCEEDED"),
    e.RateLimited: (429, "RATE_LIMITED"),
    e.UpstreamUnreachable: (502, "UPSTREAM_ERROR"),
    e.UpstreamTimeout: (504, "TIMEOUT"),
    e.UpstreamGarbage: (502, "UPSTREAM_ERROR"),
    e.UpstreamDied: (502, "UPSTREAM_ERROR"),
    e.UpstreamRefused: (502, "UPSTREAM_ERROR"),
    e.NoDeploymentAvailable: (503, "UNAVAILABLE"),
    e.ServiceUnavailable: (503, "UNAVAILABLE"),
    e.GuardrailUnavailable: (503, "UNAVAILABLE"),
    e.KeyUncheckable: (503, "UNAVAILABLE"),
    e.ClientGone: (499, "CLIENT_GONE"),
    e.Unexpected: (500, "INTERNAL_ERROR"),
}
_TITLES = {
    "UNAUTHENTICATED": "Who is asking is not known",
    "FORBIDDEN": "Not allowed",
    "VALIDATION_ERROR": "The request cannot be understood",
    "BODY_TOO_LARGE": "The body is too large",
    "ALREADY_EXISTS": "It already exists",
    "SESSION_EXPIRED": "The session has ended",
    "ACCOUNT_DISABLED": "The account is disabled",
    "REAUTHENTICATION_REQUIRED": "Sign in again first",
    "LIMIT_ABOVE_MAXIMUM": "A limit is above its maximum",
    "INVALID_DATE_RANGE": "The dates do not make a range",
    "DATE_RANGE_TOO_LARGE": "The range is too long",
    "INVALID_TRANSITION": "Not possible from this state",
    "CONFLICT": "Something else is in the way",
    "PRECONDITION_FAILED": "It was changed in the meantime",
    "WRONG_CODE": "The code is not right",
    "NO_SEAT": "No seat can be claimed",
    "RATE_LIMITED": "Too many requests",
    "NOT_FOUND": "Not found",
    "METHOD_NOT_ALLOWED": "The path does not know this method",
    "UNAVAILABLE": "A part of the platform is away",
    "INTERNAL_ERROR": "Unexpected error",
}


class Violation(BaseModel):
    """One member that must be mended."""

    field: str
    message: str
    code: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    retry_after: int | None = None
    errors: list[Violation] | None = None


PROBLEM_MEDIA = "application/problem+json"
PROBLEM_REF = "#/components/schemas/Problem"


class Described(FastAPI):
    """An application whose contract defines what its routes only refer to."""

    def openapi(self) -> dict[str, Any]:
        contract = super().openapi()
        problem = Problem.model_json_schema(ref_template=f"{PROBLEM_REF.removesuffix('Problem')}{{model}}")
        contract.setdefault("components", {}).setdefault("schemas", {}).update(problem.pop("$defs"), Problem=problem)
        return contract


def answer_with_problems(app: FastAPI) -> None:
    app.add_exception_handler(e.LiteMaaSError, _of_domain)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(UnicodeEncodeError, _of_half_a_character)
    app.add_exception_handler(Exception, _of_defect)


async def _of_domain(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, e.LiteMaaSError)  # noqa: S101 — registered for this type only
    status, code = (error.status, error.public_code) if isinstance(error, ControlRefusal) else TABLE[type(error)]
    violations = [Violation(**msgspec.structs.asdict(mend)) for mend in getattr(error, "mends", ())] or None
    if (field := getattr(error, "field", None)) and status == 400:
        violations = [Violation(field=field, message=error.message, code=error.code)]
    retry_after = getattr(error, "retry_after_s", 1 if status == 503 else None)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return _respond(request, status, code, error.message, violations, retry_after, headers)


def code_of(error: e.LiteMaaSError) -> str:
    """The public code, where an error is told of inside an answer."""
    return error.public_code if isinstance(error, ControlRefusal) else TABLE[type(error)][1]


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 — registered for this type only
    found = violations_of(error.errors())
    detail = found[0].message if len(found) == 1 else f"{len(found)} members of the request must be mended."
    return _respond(request, 400, "VALIDATION_ERROR", detail, found)


def violations_of(found: Sequence[Any]) -> list[Violation]:
    """Where and why, without what was sent: that could be a secret."""
    return [
        Violation(
            field=".".join(str(step) for step in violation["loc"][1:] if violation["type"] != "json_invalid"),
            message=str(violation["msg"]),
            code=str(violation["type"]),
        )
        for violation in found
    ]


async def _of_framework(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 — registered for this type only
    known = {
        400: ("VALIDATION_ERROR", "The body is not valid JSON."),
        404: ("NOT_FOUND", "There is nothing at this path."),
        405: ("METHOD_NOT_ALLOWED", "The path does not know this method."),
        413: ("BODY_TOO_LARGE", "The body is too large."),
    }
    code, detail = known.get(error.status_code, ("INTERNAL_ERROR", str(error.detail)))
    return _respond(request, error.status_code, code, detail, headers=dict(error.headers or {}))


async def _of_half_a_character(request: Request, _: Exception) -> JSONResponse:
    """JSON can name half of a surrogate pair, and no database or answer can hold it."""
    words = "A text holds half of a surrogate pair, which is no character."
    return _respond(request, 400, "VALIDATION_ERROR", words)


async def _of_defect(request: Request, _: Exception) -> JSONResponse:
    return _respond(request, 500, "INTERNAL_ERROR", "Something went wrong on our side.")


def problem_before_any_request() -> bytes:
    """The body for what could not be read as a request at all."""
    detail = "This is no well-formed HTTP request, or its address is too long."
    return _problem(400, "VALIDATION_ERROR", detail, str(uuid4())).model_dump_json(exclude_none=True).encode()


def _respond(
    request: Request,
    status: int,
    code: str,
    detail: str,
    violations: list[Violation] | None = None,
    retry_after: int | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    problem = _problem(status, code, detail, request.state.request_id, violations, retry_after)
    extra = dict(headers or {})
    if retry_after is not None:
        extra["Retry-After"] = str(retry_after)
    return JSONResponse(problem.model_dump(exclude_none=True), status, headers=extra, media_type=PROBLEM_MEDIA)


def _problem(
    status: int, code: str, detail: str, request_id: str, violations: list[Violation] | None = None,
    retry_after: int | None = None,
) -> Problem:  # fmt: skip
    return Problem(
        type=f"urn:litemaas:problem:{re.sub('_', '-', code.lower())}",
        title=_TITLES.get(code, code.replace("_", " ").capitalize()),
        status=status, detail=detail, code=code, request_id=request_id, retry_after=retry_after, errors=violations,
    )  # fmt: skip
