"""What may be asked for a workshop? One list of people, one set of models and limits for all of their keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

MASTER = "master"
MAX_KEYS = 5_000
"""In one call."""


class Seat(msgspec.Struct, frozen=True):
    """``user``: who within the workshop; ``user_id``: whom usage is attributed to."""

    user: str
    alias: str
    user_id: str | None
    metadata: dict[str, Any]


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of each key; columns of ``virtual_keys``. Units: nano-USD per window, requests and tokens per minute."""

    max_budget_nano: int | None = None
    budget_duration: str | None = None
    rpm_limit: int | None = None
    tpm_limit: int | None = None
    max_parallel_requests: int | None = None


class WorkshopDraft(msgspec.Struct, frozen=True, kw_only=True):
    """``duration`` like ``30d`` counts from the first call, or from one with another duration. ``pot_nano``: for all keys."""

    guid: str
    models: list[str]
    duration: str | None
    expires_at: datetime | None
    limits: Limits
    metadata: dict[str, Any]
    seats: list[Seat]
    pot_nano: int | None = None


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a credential may do; the master key is bound by nothing."""

    credential: str = MASTER
    name: str = "master key"
    models: frozenset[str] | None = None
    pot_id: str | None = None
    max_keys: int | None = None
    max_budget_nano: int | None = None
    max_rpm_limit: int | None = None
    max_tpm_limit: int | None = None
    valid_until: datetime | None = None
