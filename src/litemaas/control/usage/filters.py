"""Which calls are meant? Lists of values, all of which may be combined; records and rollups are filtered alike."""

from __future__ import annotations

from datetime import datetime

import msgspec


class UsageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Values within a member are alternatives, members narrow one another; empty or None = all, '' = those without.

    ``since`` is in, ``until`` is out. ``request_id``: ours or the engine's. Units: microseconds, nano-USD.
    """

    keys: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    error_codes: tuple[str, ...] = ()
    end_users: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    request_id: str | None = None
    min_duration_us: int | None = None
    min_cost_nano: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def needs_records(self) -> bool:
        """Whether it names what rollups do not tell apart."""
        return bool(
            self.end_users
            or self.tags
            or self.request_id is not None
            or self.min_duration_us is not None
            or self.min_cost_nano is not None
        )


DIMENSION_OF = {
    "keys": "key_hash",
    "users": "user_id",
    "teams": "team_id",
    "models": "model",
    "deployments": "deployment_id",
    "providers": "provider",
    "endpoints": "endpoint",
    "statuses": "status",
    "error_codes": "error_code",
}
"""The dimension of the rollups that a member of the filter narrows."""
