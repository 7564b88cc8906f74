"""What do all bodies, queries and lists of this plane have in common? Strictness, and one envelope for pages."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from litemaas.control.http.problems import PROBLEM_MEDIA, PROBLEM_REF

T = TypeVar("T")
Moment = Annotated[AwareDatetime, Field(strict=False)]
"""RFC 3339 with an offset."""
Day = Annotated[date, Field(strict=False)]
"""``2026-11-25``"""
Name = Annotated[str, Field(min_length=1, max_length=256)]
Nano = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""Money in nano-USD."""

_PROBLEM = {PROBLEM_MEDIA: {"schema": {"$ref": PROBLEM_REF}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request was refused", "content": _PROBLEM},
    "5XX": {"description": "The platform failed", "content": _PROBLEM},
}
"""What every route may answer besides. By reference: as ``model`` it would be compiled anew for each of the routes."""


class Body(BaseModel):
    """What a client sends: strict types, no unknown members."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    page: int = Field(1, ge=1, le=1_000_000)
    limit: int = Field(20, ge=1, le=100)

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit


class Pagination(BaseModel):
    page: int
    limit: int
    total: int
    total_pages: int


class Page(BaseModel, Generic[T]):
    data: list[T]
    pagination: Pagination


def pagination(query: PageQuery, total: int) -> Pagination:
    return Pagination(page=query.page, limit=query.limit, total=total, total_pages=-(-total // query.limit))
