"""How do stored subscriptions become what people see? With holder, model, use and what blocks them, in few queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Row

from litemaas.control.catalog.showing import Background
from litemaas.control.http.work import Work
from litemaas.control.policies.service import policies_now
from litemaas.control.subscriptions import asking, quotas, repository
from litemaas.control.subscriptions.quotas import Use
from litemaas.control.subscriptions.schemas import (
    AdminSubscriptionOut,
    HistoryEntry,
    HolderOut,
    KeyOfHolder,
    QuotaOut,
    SubscribedModel,
    SubscriptionOut,
)
from litemaas.core.catalog import Lifecycle
from litemaas.core.entitlements import Block, Facts, Payer, Policy, first_block, judge
from litemaas.core.subscriptions import Status, status_now

S = TypeVar("S", bound=SubscriptionOut)
_HISTORY = 50


class Surroundings:
    """What some subscriptions are shown with, read once for all of them."""

    def __init__(self, work: Work) -> None:
        self._now = work.now
        self.models: dict[str, Row[Any]] = {}
        self.background = Background([], [])
        self.people: dict[str, Row[Any]] = {}
        self.teams: dict[str, Row[Any]] = {}
        self.use: dict[str, Use] = {}
        self.policies: list[Policy] = []

    @classmethod
    async def read(cls, work: Work, rows: Sequence[Row[Any]]) -> Surroundings:
        self = cls(work)
        if not rows:
            return self
        connection = await work.connection()
        names = sorted({row.model_name for row in rows})
        found = await repository.model_rows(connection, names)
        self.models = {row.name: row for row in found}
        self.background = await Background.read(connection, found)
        self.people = await repository.people(connection, [row.user_id for row in rows if row.user_id is not None])
        self.teams = await repository.team_rows(connection, [row.team_id for row in rows if row.team_id is not None])
        self.use = await quotas.use_of(work, rows)
        self.policies = await policies_now(work)
        return self

    def shown(self, row: Row[Any]) -> SubscriptionOut:
        return SubscriptionOut(**self._members(row))

    def full(self, row: Row[Any], **more: Any) -> AdminSubscriptionOut:
        """``more``: what only administrators see."""
        return AdminSubscriptionOut(**self._members(row), needs_approval=row.needs_approval, **more)

    def quota(self, row: Row[Any]) -> QuotaOut:
        use = self.use[row.id]
        shares = [
            used * 100 / quota if quota else 100.0
            for used, quota in ((use.requests, row.quota_requests), (use.tokens, row.quota_tokens)) if quota is not None
        ]  # fmt: skip
        return QuotaOut(
            quota_requests=row.quota_requests, quota_tokens=row.quota_tokens, used_requests=use.requests,
            used_tokens=use.tokens, remaining_requests=_left(row.quota_requests, use.requests),
            remaining_tokens=_left(row.quota_tokens, use.tokens),
            utilisation=round(max(shares), 2) if shares else None, reset_at=use.reset_at,
        )  # fmt: skip

    def _members(self, row: Row[Any]) -> dict[str, Any]:
        block = self._block(row)
        names = (
            "id", "status_reason", "status_changed_at", "status_changed_by", "justification", "expires_at", "created_at",
            "created_by", "updated_at",
        )  # fmt: skip
        return {
            **{name: getattr(row, name) for name in names},
            **self.quota(row).model_dump(),
            "holder": self._holder(row),
            "model": self._model(row.model_name),
            "status": status_now(Status(row.status), row.expires_at, self._now),
            "effective": block is None,
            "blocked_by": block,
        }

    def _holder(self, row: Row[Any]) -> HolderOut:
        if row.team_id is not None:
            team = self.teams.get(row.team_id)
            name = team.name if team is not None else row.team_id
            return HolderOut(kind="team", id=row.team_id, name=name, full_name=team and team.alias, email=None)
        person = self.people.get(row.user_id)
        if person is None:
            return HolderOut(kind="user", id=row.user_id, name=row.user_id, full_name=None, email=None)
        return HolderOut(
            kind="user", id=row.user_id, name=person.username, full_name=person.full_name, email=person.email
        )

    def _model(self, name: str) -> SubscribedModel:
        shown = self.background.shown(self.models[name]).model_dump()
        return SubscribedModel(**{field: shown[field] for field in SubscribedModel.model_fields})

    def _block(self, row: Row[Any]) -> Block | None:
        """Why no call passes by this subscription now."""
        model = self.models[row.model_name]
        team, person = self.teams.get(row.team_id), self.people.get(row.user_id)
        groups = frozenset(person.groups) if person is not None else frozenset()
        verdict = judge(
            self.policies, Payer(row.user_id, groups, row.team_id), model.name, model.tags, model.restricted_access
        )
        facts = Facts(
            model=model.name, subscription=Status(row.status), subscription_expires_at=row.expires_at, verdict=verdict,
            owner_active=row.team_id is not None or person is None or person.is_active,
            team_active=None if team is None else team.is_active and team.archived_at is None,
            team_models=None if team is None else team.allowed_models, lifecycle=Lifecycle(model.status),
            has_endpoint=any(one.enabled for one in self.background.deployments.get(model.name, ())),
        )  # fmt: skip
        block = first_block(facts, self._now)
        if block is None and not quotas.has_room(row, self.use[row.id]):
            return Block.QUOTA_EXCEEDED
        return block


async def fully_shown(work: Work, rows: Sequence[Row[Any]]) -> list[AdminSubscriptionOut]:
    """As administrators see them."""
    surroundings = await Surroundings.read(work, rows)
    connection, ids = await work.connection(), [row.id for row in rows]
    asked_at, keys = await asking.asked(connection, ids), await asking.keys_with_it(connection, ids, work.now)
    return [
        surroundings.full(
            row, asked_at=asked_at[row.id], keys=[KeyOfHolder(id=key.id, name=key.name) for key in keys.get(row.id, ())],
            key_count=keys[row.id][0].total if row.id in keys else 0,
        )
        for row in rows
    ]  # fmt: skip


async def with_history(work: Work, row: Row[Any], shown: S) -> S:
    entries, _ = await repository.history(await work.connection(), row.id, 0, _HISTORY)
    shown.history = [history_entry(entry) for entry in entries]
    return shown


def history_entry(row: Row[Any]) -> HistoryEntry:
    return HistoryEntry(**{name: row._mapping[name] for name in HistoryEntry.model_fields})


def _left(quota: int | None, used: int) -> int | None:
    return None if quota is None else max(0, quota - used)
