"""Was the object changed since it was read? An ``ETag`` on answers, ``If-Match`` on changes."""

from __future__ import annotations

import hashlib
from typing import Annotated, TypeVar

import orjson
from fastapi import Header, Response
from pydantic import BaseModel

from litemaas.control.http.refusals import PreconditionFailed

S = TypeVar("S", bound=BaseModel)
IfMatch = Annotated[
    str | None, Header(description="The ETag that was read; the change is refused when it is no longer current")
]


def etag(shown: BaseModel, volatile: frozenset[str] = frozenset()) -> str:
    """``volatile``: members that change by themselves, like what was spent."""
    kept = shown.model_dump(mode="json", exclude=set(volatile))
    return f'"{hashlib.sha256(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]}"'


def tag(response: Response, shown: S, volatile: frozenset[str] = frozenset()) -> S:
    """Puts the ETag of ``shown`` on the response, and returns ``shown``."""
    response.headers["ETag"] = etag(shown, volatile)
    return shown


def require_match(wanted: str | None, current: BaseModel, volatile: frozenset[str] = frozenset()) -> None:
    """Errors: PreconditionFailed when ``If-Match`` names another state than the current one."""
    if wanted is None or wanted.strip() == "*":
        return
    if etag(current, volatile) not in [one.strip().removeprefix("W/") for one in wanted.split(",")]:
        raise PreconditionFailed("It was changed since you read it. Read it again and repeat your change.")
