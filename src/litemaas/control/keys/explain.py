"""Would a call with this key pass, and if not, what stops it? Every check of the gateway, done dry, without a call.

Rates per minute are counted in the gateways alone; of them only the limits are said.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row

from litemaas.control.http.work import Work
from litemaas.control.keys import repository_views as views
from litemaas.control.keys.schemas import CheckOut, Explanation, Question
from litemaas.control.keys.view import facts as facts_now
from litemaas.control.keys.view import id_of, look_around, model_row
from litemaas.core.access import access_of
from litemaas.core.entitlements import Block, Check, checks
from litemaas.core.keys import VirtualKey, extra_budget, key_model_scope, key_scope
from litemaas.core.limits import (
    INSTALLATION,
    TAG,
    BudgetRule,
    QuotaRule,
    installation_scope,
    organization_scope,
    pot_scope,
    quota_rules,
    tag_scope,
    team_scope,
    user_scope,
)
from litemaas.core.refusals import action_for
from litemaas.core.windows import window_at


async def explain(work: Work, row: Row[Any], question: Question) -> Explanation:
    names = await views.model_names(await work.connection(), [question.model])
    name = names.get(question.model, question.model)
    extended = _Asked(row, [*row.models, name])
    around = await look_around(work, [extended])  # type: ignore[list-item]  # a row with one more name
    found, rule = model_row(row, name, around), facts_now(row, name, around)
    if found is None or rule is None:
        unknown = CheckOut(name="model", passes=False, code=Block.MODEL_UNAVAILABLE.value,
                           action=action_for(Block.MODEL_UNAVAILABLE))  # fmt: skip
        return Explanation(allowed=False, model=name, checks=[unknown])
    if not row.governed:
        linked = VirtualKey(key_hash=row.key_hash, key_name=row.key_name, models=tuple(row.models)).may_call(name)
        rule = msgspec.structs.replace(rule, needs_subscription=False, linked=linked)
    told = [_access_check(check, row, name) for check in checks(rule, work.now)]
    access = access_of(found, rule, work.now)
    if access.block is Block.MODEL_RETIRED:
        told = [_access_check(Check("model", access.block), row, name) if c.name == "model" else c for c in told]
    told += [_endpoint_check(row, question)] if question.endpoint is not None else []
    told += await _limit_checks(work, row, name, found, question.tokens or 0)
    told += _rate_checks(row, name)
    return Explanation(allowed=all(check.passes is not False for check in told), model=name, checks=told)


class _Asked:
    """A key's row as if it were linked to one more model, so that everything of that model is read, too."""

    def __init__(self, row: Row[Any], models: list[str]) -> None:
        self.user_id, self.team_id = row.user_id, row.team_id
        self.models = models


def _access_check(check: Check, row: Row[Any], model: str) -> CheckOut:
    if check.block is None:
        return CheckOut(name=check.name, passes=True)
    subject = model if check.name in ("model", "link", "subscription", "policies") else f"key:{id_of(row)}"
    return CheckOut(
        name=check.name, passes=False, code=check.block.value, subject=subject, action=action_for(check.block)
    )


def _endpoint_check(row: Row[Any], question: Question) -> CheckOut:
    if row.permissions is None or question.endpoint in row.permissions:
        return CheckOut(name="endpoint", passes=True)
    code = Block.ENDPOINT_NOT_PERMITTED
    return CheckOut(
        name="endpoint", passes=False, code=code.value, subject=f"key:{id_of(row)}", action=action_for(code)
    )


async def _limit_checks(
    work: Work, row: Row[Any], model: str, found: dict[str, Any], tokens: int
) -> list[CheckOut]:  # fmt: skip
    connection = await work.connection()
    rules = await _rules(work, row, model)
    if found["subscription_id"] is not None and row.governed:
        rules += quota_rules(found["subscription_id"], found["quota_requests"], found["quota_tokens"])
    places = {
        rule.scope: (rule.scope, window_at(rule.duration, work.now, rule.set_at, work.zone).start) for rule in rules
    }
    windows = await views.windows(connection, set(places.values()))
    told = []
    for rule in rules:
        if rule.limit_nano is None:
            continue
        window = windows.get(places[rule.scope])
        used = window.settled_nano if window is not None else 0
        is_quota = isinstance(rule, QuotaRule)
        need = 0 if not is_quota else max(1, tokens) if rule.counts_tokens else 1  # type: ignore[attr-defined]
        passes = used + need <= rule.limit_nano if is_quota else used < rule.limit_nano
        code = Block.QUOTA_EXCEEDED.value if is_quota else "budget_exceeded"
        told.append(CheckOut(
            name="quota" if is_quota else "budget", passes=passes, code=None if passes else code, subject=rule.scope,
            limit=rule.limit_nano, used=used, unit=_unit(rule),
            frees_at=window_at(rule.duration, work.now, rule.set_at, work.zone).end,
            action=None if passes else action_for(code),
        ))  # fmt: skip
    return told


def _unit(rule: BudgetRule) -> str:
    if not isinstance(rule, QuotaRule):
        return "nano"
    return "tokens" if rule.counts_tokens else "requests"


async def _rules(work: Work, row: Row[Any], model: str) -> list[BudgetRule]:
    """The budgets that a call would be booked on."""
    scopes = {installation_scope(): INSTALLATION}
    if row.pot_id is not None:
        scopes[pot_scope(row.pot_id)] = "pot"
    of_team = await views.team_extras(await work.connection(), row.team_id)
    scopes |= {tag_scope(tag): TAG for tag in (*row.tags, *_names(row.metadata), *_names(of_team))}
    if organization := row.extras.get("organization_id") or of_team.get("organization_id"):
        scopes[organization_scope(organization)] = "organization"
    if row.team_id is not None:
        scopes[team_scope(row.team_id)] = "team"
    elif row.user_id is not None:
        scopes[user_scope(row.user_id)] = "user"
    limits = await views.limits_of(await work.connection(), scopes)
    rules = [
        BudgetRule(key_scope(row.key_hash), "key", _own_limit(row, work.now), row.budget_duration, row.budget_set_at),
        *(
            BudgetRule(scope, level, limits[scope].max_budget_nano, limits[scope].budget_duration, limits[scope].budget_set_at)
            for scope, level in scopes.items() if scope in limits
        ),
    ]  # fmt: skip
    own = row.model_limits.get(model)
    if own is not None and own.get("max_budget_nano") is not None:
        scope = key_model_scope(row.key_hash, model)
        rules.append(
            BudgetRule(scope, "key and model", own["max_budget_nano"], own.get("budget_duration"), row.budget_set_at)
        )
    return rules


def _names(said: Mapping[str, Any]) -> list[str]:
    """Tags that LiteLLM's clients put among the notes of a key, or gave to its team."""
    tags = said.get("tags")
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _own_limit(row: Row[Any], now: datetime) -> int | None:
    """The key's own budget with what it has for a while. Units: nano-USD."""
    extra, _ = extra_budget(row.extras.get("temp_budget"), now)
    return None if row.max_budget_nano is None else row.max_budget_nano + extra


def _rate_checks(row: Row[Any], model: str) -> list[CheckOut]:
    own = row.model_limits.get(model) or {}
    limits = (
        ("requests_per_minute", row.rpm_limit, own.get("rpm")),
        ("tokens_per_minute", row.tpm_limit, own.get("tpm")),
        ("parallel_requests", row.max_parallel_requests, None),
    )
    return [
        CheckOut(
            name=name, passes=False if limit == 0 else None, code=name if limit == 0 else None, subject=f"key:{id_of(row)}",
            limit=limit,
        )
        for name, *given in limits for limit in given if limit is not None
    ]  # fmt: skip
