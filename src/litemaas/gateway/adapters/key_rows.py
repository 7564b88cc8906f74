"""What does a key's row mean? Its identity, entitlement and limits, with what it has from its owner, team and organization."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from litemaas.core.entitlements import Block
from litemaas.core.keys import Access, Capture, VirtualKey, ceilings_of, extra_budget, key_model_scope, key_scope
from litemaas.core.limits import (
    BudgetRule,
    RateRule,
    enforced,
    member_scope,
    organization_scope,
    pot_scope,
    team_model_scope,
    team_scope,
    user_scope,
)
from litemaas.core.routes import routes_of
from litemaas.gateway.adapters.limit_rows import budget_of, budget_rule, rate_rule

if TYPE_CHECKING:
    import asyncpg

KEY = """
select k.key_hash, k.key_name, coalesce(k.alias, k.name) as alias, k.user_id, k.team_id, k.pot_id, k.models, k.aliases,
       k.metadata, k.blocked, k.expires_at, k.max_budget_nano, k.budget_duration, k.budget_set_at, k.rpm_limit, k.tpm_limit,
       k.max_parallel_requests, k.model_limits, k.created_at, k.extras -> 'guardrails' as guardrails,
       k.extras -> 'temp_budget' as temp_budget, k.extras -> 'allowed_routes' as allowed_routes,
       k.extras ->> 'key_type' as key_type,
       coalesce(k.extras ->> 'organization_id', t.extras ->> 'organization_id') as organization_id,
       k.metadata -> 'tags' as own_tags, t.extras -> 'tags' as team_tags, t.extras -> 'guardrails' as team_guardrails,
       k.extras -> 'enforced_params' as enforced_params,
       k.extras -> 'allowed_cache_controls' as cache_controls,
       t.extras -> 'model_rpm_limit' as team_model_rpm,
       t.extras -> 'model_tpm_limit' as team_model_tpm,
       coalesce(m.rpm_limit, (t.extras ->> 'team_member_rpm_limit')::bigint) as member_rpm,
       coalesce(m.tpm_limit, (t.extras ->> 'team_member_tpm_limit')::bigint) as member_tpm,
       k.extras -> 'permissions' as litellm_permissions,
       k.governed, k.permissions, k.tags, k.revoked_at is not null as revoked, u.groups, t.allowed_models,
       u.extras -> 'models' as user_models, t.extras -> 'model_aliases' as team_aliases,
       m.user_id is not null as is_member, coalesce(m.max_budget_nano, t.member_default_budget_nano) as member_budget_nano,
       case when k.old_secret_hash = $1 then k.old_secret_until end as secret_until,
       u.is_active is not false as owner_active,
       (t.is_active is not false and t.archived_at is null and (not k.governed or m.user_id is not null or t.id is null
       or k.user_id is null)) as team_active, c.id as capture_id, c.until as capture_until, now() as now
from virtual_keys k
left join users u on u.id = k.user_id left join teams t on t.id = k.team_id
left join team_members m on m.team_id = k.team_id and m.user_id = k.user_id
left join lateral (
    select id, until from payload_captures p where (p.key_hash = k.key_hash or p.team_id = k.team_id) and p.until > now()
    order by p.key_hash is null, p.until desc limit 1
) c on true
where k.deleted_at is null and (
    (k.key_hash = $1 and (k.secret_hash is null or k.secret_hash = $1)) or k.secret_hash = $1
    or (k.old_secret_hash = $1 and k.old_secret_until > now())
)
"""


_KINDS = {"allow_chat_completions": "chat", "allow_completions": "completions", "allow_embeddings": "embeddings"}
"""Members of LiteLLM's ``permissions`` (gateway-api contract 3.2) and our kinds of endpoints."""
_ALL_KINDS = frozenset({"chat", "completions", "embeddings", "convert"})


class KeyRules(msgspec.Struct, frozen=True):
    """What the installation says of all keys: whether a user's budget holds for their keys of teams, and whether LiteLLM's
    ``permissions`` hold.
    """

    user_on_team_keys: bool = False
    enforces_permissions: bool = False


USUAL = KeyRules()


def shared_scopes(row: asyncpg.Record) -> dict[str, str]:
    """The scopes that a key shares with others, with their levels."""
    scopes = {}
    if row["pot_id"] is not None:
        scopes[pot_scope(row["pot_id"])] = "pot"
    if row["organization_id"] is not None:
        scopes[organization_scope(row["organization_id"])] = "organization"
    if row["team_id"] is not None:
        scopes[team_scope(row["team_id"])] = "team"
    if row["user_id"] is not None:
        scopes[user_scope(row["user_id"])] = "user"
    return scopes


def _member_rule(row: asyncpg.Record, team: asyncpg.Record | None) -> BudgetRule:
    """A member's cap inside the team; its windows are the team's."""
    scope, limit = member_scope(row["team_id"], row["user_id"]), budget_of(row["member_budget_nano"])
    if team is None:
        return BudgetRule(scope, "member", limit)
    return BudgetRule(scope, "member", limit, team["budget_duration"], team["budget_set_at"])


def _own_rule(row: asyncpg.Record, extra_nano: int) -> BudgetRule:
    """The key's own budget, with what it has for a while."""
    rule = budget_rule(key_scope(row["key_hash"]), "key", row)
    return rule if rule.limit_nano is None else msgspec.structs.replace(rule, limit_nano=rule.limit_nano + extra_nano)


def _member_rates(row: asyncpg.Record) -> RateRule | None:
    """A member's own limits inside the team, or those of members without any."""
    rpm, tpm = enforced(row["member_rpm"]), enforced(row["member_tpm"])
    if not row["is_member"] or (rpm is None and tpm is None):
        return None
    return RateRule(member_scope(row["team_id"], row["user_id"]), "member", rpm, tpm)


def _team_model_rates(row: asyncpg.Record) -> dict[str, RateRule]:
    """What all keys of the team take of a model together."""
    if row["team_id"] is None:
        return {}
    rpm, tpm = _counts(row["team_model_rpm"]), _counts(row["team_model_tpm"])
    rules = {
        model: RateRule(
            team_model_scope(row["team_id"], model),
            "team and model",
            enforced(rpm.get(model)),
            enforced(tpm.get(model)),
        )
        for model in rpm | tpm
    }
    return {model: rule for model, rule in rules.items() if not rule.is_empty}


def _counts(stored: str | None) -> dict[str, int]:
    return (msgspec.json.decode(stored, type=dict[str, int] | None) or {}) if stored is not None else {}


def _block(row: asyncpg.Record) -> Block | None:
    """Why nothing may be called with a key at all."""
    if row["revoked"]:
        return Block.KEY_REVOKED
    if row["blocked"]:
        return Block.KEY_DISABLED
    if not row["owner_active"]:
        return Block.ACCOUNT_DISABLED
    return None if row["team_active"] else Block.TEAM_DISABLED


def virtual_key(
    row: asyncpg.Record, shared: dict[str, asyncpg.Record], access: dict[str, Access] | None, rules: KeyRules = USUAL
) -> VirtualKey:
    """``shared``: the limits of what the key shares with others. A user's budget does not count for team keys."""
    key_hash = row["key_hash"]
    own_scope = key_scope(key_hash)
    limits: dict[str, dict[str, Any]] = msgspec.json.decode(row["model_limits"])
    levels = shared_scopes(row)
    stored = msgspec.json.decode(row["temp_budget"]) if row["temp_budget"] is not None else None
    extra_nano, extra_until = extra_budget(stored, row["now"])
    budgets = [_own_rule(row, extra_nano)]
    budgets += [
        budget_rule(scope, level, shared.get(scope))
        for scope, level in levels.items() if level != "user" or row["team_id"] is None or rules.user_on_team_keys
    ]  # fmt: skip
    if row["is_member"]:
        budgets.append(_member_rule(row, shared.get(team_scope(row["team_id"]))))
    rates = [rate_rule(own_scope, "key", row)]
    rates += [rate_rule(scope, level, shared.get(scope)) for scope, level in levels.items()]
    rates.append(_member_rates(row))
    return VirtualKey(
        key_hash=key_hash,
        key_name=row["key_name"],
        alias=row["alias"],
        user_id=row["user_id"],
        team_id=row["team_id"],
        pot_id=row["pot_id"],
        organization_id=row["organization_id"],
        models=tuple(row["models"]),
        aliases=_aliases(row["team_aliases"]) | _aliases(row["aliases"]),
        ceilings=() if access is not None else ceilings_of(
            row["allowed_models"], names_in(row["user_models"]), has_team=row["team_id"] is not None
        ),
        metadata=msgspec.json.decode(row["metadata"]),
        blocked=_block(row) is not None,
        block=_block(row),
        tags=_tags_of(row),
        secret_until=row["secret_until"],
        access=access,
        permissions=_permissions(row, rules),
        expires_at=row["expires_at"],
        budgets=tuple(budgets),
        rates=tuple(rule for rule in rates if rule is not None),
        model_budgets=_model_budgets(key_hash, limits, row["budget_set_at"]),
        model_rates=_model_rates(key_hash, limits),
        guardrails=(*names_in(row["guardrails"]), *names_in(row["team_guardrails"])),
        extra_budget_nano=extra_nano,
        extra_budget_until=extra_until,
        team_model_rates=_team_model_rates(row),
        capture=Capture(row["capture_id"], row["capture_until"].timestamp()) if row["capture_id"] is not None else None,
        routes=routes_of({"allowed_routes": names_in(row["allowed_routes"]), "key_type": row["key_type"]}),
        enforced_params=names_in(row["enforced_params"]),
        cache_controls=names_in(row["cache_controls"]),
    )  # fmt: skip


def _permissions(row: asyncpg.Record, rules: KeyRules) -> frozenset[str] | None:
    """Kinds of endpoints that the key may call; None = all."""
    own = frozenset(row["permissions"]) if row["permissions"] is not None else None
    if not rules.enforces_permissions or row["litellm_permissions"] is None:
        return own
    said = msgspec.json.decode(row["litellm_permissions"])
    refused = {kind for name, kind in _KINDS.items() if isinstance(said, dict) and said.get(name) is False}
    return own if not refused else (own if own is not None else _ALL_KINDS) - refused


def _model_budgets(key_hash: str, limits: dict[str, dict[str, Any]], set_at: datetime) -> dict[str, BudgetRule]:
    return {
        model: BudgetRule(
            key_model_scope(key_hash, model), f"key and model {model}", budget_of(own.get("max_budget_nano")),
            own.get("budget_duration"), set_at,
        )
        for model, own in limits.items() if own.get("max_budget_nano") is not None
    }  # fmt: skip


def _model_rates(key_hash: str, limits: dict[str, dict[str, Any]]) -> dict[str, RateRule]:
    rules = {
        model: RateRule(
            key_model_scope(key_hash, model), "key and model", enforced(own.get("rpm")), enforced(own.get("tpm"))
        )
        for model, own in limits.items()
    }
    return {model: rule for model, rule in rules.items() if not rule.is_empty}


def _aliases(stored: str | None) -> dict[str, str]:
    return {} if stored is None else msgspec.json.decode(stored, type=dict[str, str])


def names_in(stored: str | None) -> tuple[str, ...]:
    """What somebody stored as names; what is none is kept as one that nobody knows, so that it is not passed over."""
    value = msgspec.json.decode(stored) if stored is not None else None
    return tuple(str(name) for name in value) if isinstance(value, list) else ()


def _tags_of(row: asyncpg.Record) -> tuple[str, ...]:
    """Of all its calls: the key's own, those that LiteLLM's clients put among its notes, and its team's."""
    given = (*row["tags"], *names_in(row["own_tags"]), *names_in(row["team_tags"]))
    return tuple(dict.fromkeys(given))
