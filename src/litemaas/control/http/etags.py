"""Was the object changed since it was read? An ``ETag`` on answers, ``If-Match`` on changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Header, Response
from pydantic import BaseModel

from litemaas.control.http.refusals import PreconditionFailed

S = TypeVar("S", bound=BaseModel)
Volatile = frozenset[str] | Mapping[str, Any]
"""Members that change by themselves, like what was spent. Shape: their names, or what pydantic's ``exclude`` takes."""
IfMatch = Annotated[
    str | None, Header(description="The ETag that was read; the change is refused when it is no longer current")
]


def etag(shown: BaseModel, volatile: Volatile = frozenset()) -> str:
    kept = shown.model_dump(mode="json", exclude=dict(volatile) if isinstance(volatile, Mapping) else set(volatile))
    return f'"{hashlib.sha256(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]}"'


def tag(response: Response, shown: S, volatile: Volatile = frozenset()) -> S:
    """Puts the ETag of ``shown`` on the response, and returns ``shown``."""
    response.headers["ETag"] = etag(shown, volatile)
    return shown


def require_match(wanted: str | None, current: BaseModel, volatile: Volatile = frozenset()) -> None:
    """Errors: PreconditionFailed when ``If-Match`` names another state than the current one."""
    if wanted is None or wanted.strip() == "*":
        return
    if etag(current, volatile) not in [one.strip().removeprefix("W/") for one in wanted.split(",")]:
        raise PreconditionFailed("It was changed since you read it. Read it again and repeat your change.")
