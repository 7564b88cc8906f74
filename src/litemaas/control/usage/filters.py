"""Which calls are meant? Lists of values, all of which may be combined; records and rollups are filtered alike.

Conditions are SQL as it is sent: figures are asked with statements of many columns, too many to compose anew each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from litemaas.core.ledger import Status
from litemaas.core.sources import Source


class UsageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Values within a member are alternatives, members narrow one another; empty or None = all, '' = those without.

    ``since`` is in, ``until`` is out. ``request_id``: ours or the engine's. ``error_text``: a part of the error's words.
    Units: microseconds, nano-USD.
    """

    keys: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    cost_centres: tuple[str, ...] = ()
    workshops: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    error_codes: tuple[str, ...] = ()
    end_users: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    request_id: str | None = None
    min_duration_us: int | None = None
    min_cost_nano: int | None = None
    max_cost_nano: int | None = None
    key_aliases: tuple[str, ...] = ()
    http_status: int | None = None
    error_text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    zone: tzinfo | None = None

    @property
    def calendar(self) -> tzinfo:
        """Errors: ValueError for a question about a period that does not say whose days it means: a defect."""
        if self.zone is None:
            raise ValueError("a filter with a period needs its time zone")
        return self.zone

    @property
    def needs_records(self) -> bool:
        """Whether it names what rollups do not tell apart."""
        return bool(
            self.end_users
            or self.tags
            or self.sources
            or self.request_id is not None
            or self.min_duration_us is not None
            or self.min_cost_nano is not None
            or self.max_cost_nano is not None
            or self.key_aliases
            or self.http_status is not None
            or self.error_text is not None
        )

    @property
    def is_known_to_cells(self) -> bool:
        """Whether rollups know the days on which to look for records, and few enough cells say so."""
        asked = self.keys or self.users or self.teams
        return bool(asked or self.models or self.deployments or self.providers or self.endpoints or self.error_codes)

    @property
    def may_mean_strangers(self) -> bool:
        """Whether calls without a known key can meet it by their model, of which rollups know nothing."""
        known = (self.keys, self.users, self.teams, self.deployments, self.providers)
        return bool(self.models) and not any(chosen and "" not in chosen for chosen in known)

    @property
    def is_unsuccessful_only(self) -> bool:
        """Whether no successful call can meet it: these have no error."""
        return bool(self.statuses and Status.SUCCESS not in self.statuses) or bool(
            self.error_codes and "" not in self.error_codes
        )

    @property
    def is_playground_only(self) -> bool:
        return bool(self.sources) and Source.API not in self.sources

    def cells_only(self) -> UsageFilter:
        """As far as rollups tell apart."""
        return msgspec.structs.replace(
            self, end_users=(), tags=(), sources=(), request_id=None, min_duration_us=None, min_cost_nano=None,
            max_cost_nano=None, key_aliases=(), http_status=None, error_text=None,
        )  # fmt: skip


DIMENSION_OF = {
    "keys": "key_hash",
    "users": "user_id",
    "teams": "team_id",
    "models": "model",
    "deployments": "deployment_id",
    "providers": "provider",
    "endpoints": "endpoint",
    "cost_centres": "cost_centre",
    "workshops": "workshop",
    "statuses": "status",
    "error_codes": "error_code",
}
"""The dimension of the rollups that a member of the filter narrows."""
UNSUCCESSFUL = frozenset(status for status in Status if status is not Status.SUCCESS)
_NEVER_NULL = {"key_hash", "model", "endpoint", "status", "cost_centre", "workshop"}


class Values:
    """The values of a statement, in the order of their places."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def place(self, value: Any) -> str:
        """Where ``value`` stands in the statement."""
        self.given.append(value)
        return f"${len(self.given)}"


def cell_conditions(wanted: UsageFilter, values: Values) -> list[str]:
    """What dimensions must meet, in their table or in that of the deltas."""
    return [
        one_of(column, chosen, values) for member, column in DIMENSION_OF.items() if (chosen := getattr(wanted, member))
    ]


def record_conditions(wanted: UsageFilter, values: Values, *, as_summed: bool = False) -> list[str]:
    """What records must meet. ``as_summed``: calls without a known key have no model, as in the rollups."""
    where = []
    for member, column in DIMENSION_OF.items():
        chosen = getattr(wanted, member)
        if not chosen or (member == "statuses" and set(chosen) == UNSUCCESSFUL):
            continue  # the latter are all that did not succeed, see below
        if member == "models" and as_summed:
            named = f"(key_hash <> '' AND {one_of(column, chosen, values)})"
            where.append(f"(key_hash = '' OR {named})" if "" in chosen else named)
        elif "" in chosen and column not in _NEVER_NULL:
            where.append(f"({column} IS NULL OR {one_of(column, chosen, values)})")
        else:
            where.append(one_of(column, chosen, values))
    if wanted.is_unsuccessful_only:
        where.append("status <> 'success'")  # written out, so that the index on all others is used
    where += _only_in_records(wanted, values)
    return where


def _only_in_records(wanted: UsageFilter, values: Values) -> list[str]:
    """What rollups do not tell apart."""
    where = []
    if wanted.end_users:
        where.append(one_of("end_user", wanted.end_users, values))
    if wanted.key_aliases:
        where.append(one_of("key_alias", wanted.key_aliases, values))
    if wanted.tags:
        where.append(f"tags && {values.place(list(wanted.tags))} AND tags <> '{{}}'")
    if wanted.is_playground_only:  # not twice, lest the planner expects too few of them
        where.append("source <> 'api'")  # written out, as above
    elif wanted.sources:
        where.append(one_of("source", wanted.sources, values))
    if wanted.request_id is not None:
        place = values.place(wanted.request_id)
        where.append(f"(request_id = {place} OR engine_request_id = {place})")
    if wanted.error_text is not None:
        where.append(f"position(lower({values.place(wanted.error_text)}) in lower(error_message)) > 0")
    for column, sign, bound in (
        ("duration_us", ">=", wanted.min_duration_us), ("cost_nano", ">=", wanted.min_cost_nano),
        ("cost_nano", "<=", wanted.max_cost_nano), ("http_status", "=", wanted.http_status),
    ):  # fmt: skip
        if bound is not None:
            where.append(f"{column} {sign} {values.place(bound)}")
    return where


def one_of(column: str, chosen: Sequence[str], values: Values) -> str:
    if len(chosen) == 1:
        return f"{column} = {values.place(chosen[0])}"
    return f"{column} = ANY({values.place(list(chosen))})"


def within(column: str, since: datetime | None, until: datetime | None, values: Values) -> list[str]:
    """``since`` is in, ``until`` is out, None = no bound."""
    found = [] if since is None else [f"{column} >= {values.place(since)}"]
    return found if until is None else [*found, f"{column} < {values.place(until)}"]


def where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
