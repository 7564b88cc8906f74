"""What do organisers ask for and see of workshops, and what do participants see of their seat?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from litemaas.control.http.shapes import Body, Moment, Name, Nano, PageQuery
from litemaas.control.workshops.states import Claiming, State

MAX_SEATS = 2_000
Title = Annotated[str, Field(min_length=1, max_length=100)]
Words = Annotated[str, Field(max_length=1_000)]
ClaimMode = Literal["shared_code", "seat_codes"]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be a time zone like Europe/Berlin")
    return ZoneInfo(name).key


Zone = Annotated[str, AfterValidator(_known_zone)]


class SeatLimits(Body):
    """Of each seat. ``budget_nano`` null: a seat may use the whole pot. Units: nano-USD, requests and tokens per minute."""

    budget_nano: Nano | None = None
    rpm_limit: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    tpm_limit: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    max_parallel_requests: Annotated[int, Field(ge=1, le=100_000)] | None = None


class WorkshopPlan(Body):
    """``organisers``: ids or user names. ``labels``: for whom each seat is kept, one per seat; needs seat codes.

    The claim window lies within start and end.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "title": "Prompting for beginners", "organisers": ["user"], "time_zone": "Europe/Berlin",
                "starts_at": "2030-03-07T14:00:00+01:00", "ends_at": "2030-03-07T18:00:00+01:00", "seats": 30,
                "claim_mode": "shared_code", "models": ["granite-3.3-8b"], "pot_nano": 50_000_000_000,
            }
        }
    )  # fmt: skip

    title: Title
    description: Words = ""
    organisers: Annotated[list[Name], Field(min_length=1, max_length=50)]
    time_zone: Zone
    starts_at: Moment
    ends_at: Moment
    claim_opens_at: Moment | None = None
    claim_closes_at: Moment | None = None
    seats: Annotated[int, Field(ge=1, le=MAX_SEATS)]
    claim_mode: ClaimMode = "shared_code"
    labels: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=MAX_SEATS)
    models: Annotated[list[Name], Field(min_length=1, max_length=100)]
    pot_nano: Nano
    limits: SeatLimits = SeatLimits()

    @model_validator(mode="after")
    def _fits(self) -> WorkshopPlan:
        if self.starts_at >= self.ends_at:
            raise ValueError("ends_at must come after starts_at")
        opens, closes = self.claim_window
        if not self.starts_at <= opens < closes <= self.ends_at:
            raise ValueError("the claim window must lie within starts_at and ends_at, and must not be empty")
        if self.labels and (len(self.labels) != self.seats or self.claim_mode != "seat_codes"):
            raise ValueError("labels need claim_mode seat_codes, and one label per seat")
        if self.limits.budget_nano is not None and self.limits.budget_nano > self.pot_nano:
            raise ValueError("limits.budget_nano must not be more than pot_nano")
        return self

    @property
    def claim_window(self) -> tuple[datetime, datetime]:
        return self.claim_opens_at or self.starts_at, self.claim_closes_at or self.ends_at


class WorkshopPatch(Body):
    """Money and ``models`` (all of them) are for administrators; the rest for organisers, too.

    ``announcement``: shown to everybody with a seat.
    """

    title: Title | None = None
    description: Words | None = None
    announcement: Words | None = None
    ends_at: Moment | None = None
    claim_opens_at: Moment | None = None
    claim_closes_at: Moment | None = None
    models: Annotated[list[Name], Field(min_length=1, max_length=100)] | None = None
    pot_nano: Nano | None = None
    seat_budget_nano: Nano | None = None


class MoreSeats(Body):
    """``seats``: how many are added. ``labels``: for whom each new one is kept; needs seat codes."""

    seats: Annotated[int, Field(ge=1, le=MAX_SEATS)]
    labels: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=MAX_SEATS)

    @model_validator(mode="after")
    def _fits(self) -> MoreSeats:
        if self.labels and len(self.labels) != self.seats:
            raise ValueError("labels must name one label per new seat")
        return self


class EventQuery(PageQuery):
    search: Annotated[str, Field(max_length=200)] | None = None


class EventOut(BaseModel):
    """``title`` null: a catalogue hands its keys out. ``may_run``: the caller may change it. ``organisers``: names by id."""

    guid: str
    title: str | None
    description: str
    state: State
    organisers: dict[str, str]
    time_zone: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    claim_opens_at: datetime | None
    claim_closes_at: datetime | None
    claim_mode: ClaimMode | None
    announcement: str
    models: list[str]
    limits: SeatLimits
    seats: int
    claimed: int
    pot_nano: int | None
    pot_spent_nano: int
    may_run: bool
    created_at: datetime


class HandoutSeat(BaseModel):
    user: str
    label: str | None
    code: str | None
    """None: it cannot be opened any more; free the seat, and it gets a new one."""


class Handouts(BaseModel):
    """``code``: the one that all share. ``base_url``: where applications call; None = this plane does not know."""

    title: str
    code: str | None
    base_url: str | None
    seats: list[HandoutSeat]


class Overlap(BaseModel):
    guid: str
    title: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    seats: int


class ModelRoom(BaseModel):
    """``parallel_cap``: of all its deployments together, null = at least one has none. ``wanted``: a call per seat at once.

    ``verdict``: whether that fits under the cap; ``unknown`` without a cap, because nothing says how much the servers take.
    """

    model: str
    deployments: int
    healthy: int
    parallel_cap: int | None
    wanted: int
    verdict: Literal["fits", "tight", "too_much", "unknown"]


class PlanPreview(BaseModel):
    """``most_nano``: what the workshop can cost at most, whatever happens."""

    most_nano: int
    overlaps: list[Overlap]
    models: list[ModelRoom]


class ClaimModel(BaseModel):
    name: str
    type: str | None


class ClaimPage(BaseModel):
    """What anybody who knows the address sees."""

    title: str
    description: str
    claiming: Claiming
    needs: ClaimMode
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    claim_opens_at: datetime
    claim_closes_at: datetime
    now: datetime
    models: list[ClaimModel]


class ClaimIn(Body):
    code: Annotated[str, Field(min_length=1, max_length=40)]
    nickname: Annotated[str, Field(max_length=60)] = ""


class SeatOut(BaseModel):
    """``key`` null: its sealed copy cannot be opened any more; the organisers can replace it."""

    seat: str
    nickname: str | None
    key: str | None
    base_url: str | None
    models: list[ClaimModel]
    ends_at: datetime
    announcement: str
    is_paused: bool
    spent_nano: int
    budget_nano: int | None
    rpm_limit: int | None


class TryIn(Body):
    model: Name


class Tried(BaseModel):
    """``error``: what the gateway said, where the call failed."""

    ok: bool
    error: str | None
    milliseconds: int
