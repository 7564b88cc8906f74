"""How do captures look in the API?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from litemaas.control.http.shapes import Body, Moment, Name


class CaptureIn(Body):
    """Whose calls, until when (30 days at most), and why: owner and audit are told so."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "key_id": "3f0c6a52-4d9e-4c8e-9a53-0c1c55a1f8de",
                "until": "2026-11-27T18:00:00Z",
                "reason": "Ticket 4711: answers are cut off",
            }
        }
    )

    key_id: Name | None = None
    team_id: Name | None = None
    until: Moment
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.key_id is None) == (self.team_id is None):
            raise ValueError("give key_id or team_id, one of them")
        return self


class CaptureOut(BaseModel):
    """``name``: of the key or team. ``payloads``: how many calls are kept."""

    id: str
    key_id: str | None
    team_id: str | None
    name: str | None
    reason: str
    until: datetime
    active: bool
    payloads: int
    created_at: datetime
    created_by: str


class PayloadOut(BaseModel):
    """One call. Bodies and answers are kept up to 64 KiB, without credentials; the sizes are those of the whole.

    ``request`` and ``answer`` are null where they were sealed with another key than the installation has.
    """

    request_id: str
    at: datetime
    key_id: str
    model: str
    endpoint: str
    status_code: int
    request: str | None
    request_bytes: int
    answer: str | None
    answer_bytes: int


class PayloadPage(BaseModel):
    data: list[PayloadOut]
    next_cursor: str | None


class PayloadQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    request_id: Annotated[str, Field(max_length=200)] | None = None
    cursor: str | None = None
    limit: int = Field(20, ge=1, le=50)
