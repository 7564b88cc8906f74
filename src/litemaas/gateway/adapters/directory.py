"""What does the gateway read from PostgreSQL? Virtual keys, the catalogue, and the numbered changes of both."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from litemaas.core.answer_cache import SETTING, Forgetting
from litemaas.core.catalog import Deployment, Mode, Model, Snapshot, Strategy, Tls, snapshot_of
from litemaas.core.entitlements import Block
from litemaas.core.guardrail_definitions import Definition, definitions_of
from litemaas.core.keys import Access, Capture, VirtualKey, ceilings_of, extra_budget, key_model_scope, key_scope
from litemaas.core.limits import (
    DEFAULT_CUSTOMER,
    INSTALLATION,
    BudgetRule,
    CustomerLimits,
    RateRule,
    customer_scope,
    enforced,
    installation_scope,
    member_scope,
    pot_scope,
    team_model_scope,
    team_scope,
    user_scope,
)
from litemaas.core.pass_through import PassThrough
from litemaas.core.price_terms import Terms, charged
from litemaas.core.pricing import Price
from litemaas.core.routes import routes_of
from litemaas.core.windows import window_at
from litemaas.gateway.adapters.entitlements import read_access
from litemaas.gateway.feed import Change
from litemaas.kit.crypto import SealBroken, Vault

if TYPE_CHECKING:
    import asyncpg

    from litemaas.gateway.adapters.postgres import Postgres

log = structlog.get_logger(__name__)

_KEY = """
select k.key_hash, k.key_name, coalesce(k.alias, k.name) as alias, k.user_id, k.team_id, k.pot_id, k.models, k.aliases,
       k.metadata, k.blocked, k.expires_at, k.max_budget_nano, k.budget_duration, k.budget_set_at, k.rpm_limit, k.tpm_limit,
       k.max_parallel_requests, k.model_limits, k.created_at, k.extras -> 'guardrails' as guardrails,
       k.extras -> 'temp_budget' as temp_budget, k.extras -> 'allowed_routes' as allowed_routes,
       k.extras ->> 'key_type' as key_type, k.extras -> 'enforced_params' as enforced_params,
       k.extras -> 'allowed_cache_controls' as cache_controls,
       t.extras -> 'model_rpm_limit' as team_model_rpm,
       t.extras -> 'model_tpm_limit' as team_model_tpm,
       coalesce(m.rpm_limit, (t.extras ->> 'team_member_rpm_limit')::bigint) as member_rpm,
       coalesce(m.tpm_limit, (t.extras ->> 'team_member_tpm_limit')::bigint) as member_tpm,
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
_STRATEGIES = {strategy.value: strategy for strategy in Strategy}
_SPENT = "select settled_nano from budget_windows where scope = $1 and window_start = $2"
_LIMITS = """
select scope, max_budget_nano, budget_duration, budget_set_at, rpm_limit, tpm_limit, max_parallel_requests
from budgets where scope = any($1)
"""
_ANY_CUSTOMER = """
select exists (select 1 from budgets where scope like 'customer:%') or exists (select 1 from customers where is_blocked)
"""
_IS_BLOCKED = "select exists (select 1 from customers where id = $1 and is_blocked)"
_CATALOG = """
select d.id, d.model_name, d.provider, d.engine_model, d.api_base, d.api_key_sealed, d.extra_headers, d.defaults, d.weight,
       d.timeout_s, d.stream_timeout_s, d.tls_verify, d.tls_ca, d.max_output_tokens, d.max_context_tokens, d.stream_usage,
       d.rpm_limit, d.tpm_limit, d.max_parallel_requests, d.cooldown_s, d.params->>'api_version' as api_version,
       d.info->'supported_endpoints' as endpoints,
       m.mode, m.access_groups, m.aliases, m.routing_strategy, m.fallbacks, m.context_fallbacks, m.retries, m.guardrails,
       m.rpm_limit as model_rpm, m.tpm_limit as model_tpm,
       p.version, p.input_per_million, p.output_per_million, p.cached_input_per_million,
       p.cache_write_per_million, p.reasoning_per_million, p.page_per_million, p.request_per_million,
       p.second_per_million, p.character_per_million, p.image_per_million, p.audio_input_per_million,
       p.audio_output_per_million, p.input_above_128k_per_million, p.output_above_128k_per_million,
       p.input_above_200k_per_million, p.output_above_200k_per_million, p.cached_input_above_200k_per_million,
       p.cache_write_above_200k_per_million, p.discount_millionths, p.margin_millionths, p.margin_per_million_requests
from deployments d join models m on m.name = d.model_name left join prices p on p.version = d.price_version
where d.enabled and d.deleted_at is null and m.status in ('available', 'deprecated')
order by d.model_name, d.created_at, d.id
"""
_OWN_ROUTES = """
select t.id, t.path, t.target, t.secrets_sealed, t.methods, t.include_subpath, t.needs_key, t.price_version,
       p.request_per_million, p.discount_millionths, p.margin_millionths, p.margin_per_million_requests
from pass_through_routes t join prices p on p.version = t.price_version order by t.path
"""
_FORGETTING = "select value from settings where name = $1"
_GUARDRAILS = "select value -> 'guardrails' from settings where name = 'guardrails'"


class Directory:
    """Keys, models and news. Every method: ServiceUnavailable when the database does not answer."""

    def __init__(self, postgres: Postgres, vault: Vault, zone: tzinfo) -> None:
        self._postgres = postgres
        self._vault = vault
        self._zone = zone

    async def zone_kept(self) -> str:
        """The time zone of the database's windows."""
        async with self._postgres.connection() as connection:
            return str(await connection.fetchval("select timezone from installation"))

    async def find_key(self, key_hash: str) -> tuple[VirtualKey, int] | None:
        async with self._postgres.connection() as connection:
            row = await connection.fetchrow(_KEY, key_hash)
            if row is None:
                return None
            now = row["now"]
            access = await read_access(connection, row, now) if row["governed"] else None
            key = _virtual_key(row, await _limits_of(connection, _shared_scopes(row)), access)
            rule = key.budgets[0]
            window = window_at(rule.duration, now, rule.set_at, self._zone)
            spent = await connection.fetchval(_SPENT, rule.scope, window.start)
            return key, spent or 0

    async def find_customer(self, customer_id: str) -> CustomerLimits:
        """What holds for calls that name this end user: its own limits, or those of customers without any."""
        own = customer_scope(customer_id)
        async with self._postgres.connection() as connection:
            limits = await _limits_of(connection, [own, default := customer_scope(DEFAULT_CUSTOMER)])
            is_blocked = bool(await connection.fetchval(_IS_BLOCKED, customer_id))
        row = limits.get(own, limits.get(default))
        return (
            CustomerLimits(_budget_rule(own, "customer", row), _rate_rule(own, "customer", row), is_blocked)
            if row
            else CustomerLimits(is_blocked=is_blocked)
        )

    async def customers_have_limits(self) -> bool:
        """Whether any customer has limits, or is blocked."""
        async with self._postgres.connection() as connection:
            return bool(await connection.fetchval(_ANY_CUSTOMER))

    async def load_snapshot(self, version: int) -> Snapshot:
        """The catalogue as it is now. A deployment that cannot be read is left out, with a log line."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(_CATALOG)
            forgetting = _forgetting_in(await connection.fetchval(_FORGETTING, SETTING))
            guardrails = _guardrails_in(await connection.fetchval(_GUARDRAILS))
            limits = (await _limits_of(connection, [installation_scope()])).get(installation_scope())
            routes = [self._pass_through(row) for row in await connection.fetch(_OWN_ROUTES)]
        deployments: dict[str, list[Deployment]] = {}
        models: dict[str, Model] = {}
        for row in rows:
            name = row["model_name"]
            try:
                deployment, mode = self._deployment(row), Mode(row["mode"])
            except (SealBroken, msgspec.MsgspecError, ValueError) as error:
                reason = str(error) if isinstance(error, SealBroken) else type(error).__name__
                log.warning("a deployment is left out", deployment=row["id"], model=name, reason=reason)
                continue
            deployments.setdefault(name, []).append(deployment)
            models[name] = _model(row, mode, deployments[name])
        snapshot = snapshot_of(version, models, self._zone, guardrails)
        snapshot = msgspec.structs.replace(snapshot, pass_through=tuple(filter(None, routes)), forgetting=forgetting)
        if limits is None:
            return snapshot
        rates = _rate_rule(installation_scope(), INSTALLATION, limits)
        budget = _budget_rule(installation_scope(), INSTALLATION, limits)
        return msgspec.structs.replace(snapshot, budget=budget, rates=rates)

    def _deployment(self, row: asyncpg.Record) -> Deployment:
        sealed = row["api_key_sealed"]
        price, listed, terms = _charged(_price(row), row)
        return Deployment(
            id=row["id"],
            model=row["model_name"],
            provider=row["provider"],
            engine_model=row["engine_model"],
            api_base=row["api_base"],
            api_key=self._vault.open(sealed, f"deployment:{row['id']}") if sealed is not None else None,
            extra_headers=msgspec.json.decode(row["extra_headers"], type=dict[str, str]),
            defaults=msgspec.json.decode(row["defaults"], type=dict[str, msgspec.Raw]),
            price=price,
            listed=listed,
            terms=terms,
            weight=row["weight"],
            timeout_s=row["timeout_s"],
            stream_timeout_s=row["stream_timeout_s"],
            tls=Tls(row["tls_verify"], row["tls_ca"]),
            max_output_tokens=row["max_output_tokens"],
            max_context_tokens=row["max_context_tokens"],
            stream_usage=row["stream_usage"],
            rpm=enforced(row["rpm_limit"]),
            tpm=enforced(row["tpm_limit"]),
            parallel=enforced(row["max_parallel_requests"]),
            cooldown_s=row["cooldown_s"],
            api_version=row["api_version"],
            endpoints=tuple(msgspec.json.decode(row["endpoints"] or "null", type=list[str] | None) or ()),
        )

    def _pass_through(self, row: asyncpg.Record) -> PassThrough | None:
        """None, with a log line, for a route whose secrets cannot be opened."""
        try:
            opened = self._vault.open(row["secrets_sealed"], f"pass_through:{row['id']}")
            secrets = msgspec.json.decode(opened, type=dict[str, dict[str, str]])
        except (SealBroken, msgspec.MsgspecError) as error:
            log.warning("a route is left out", route=row["path"], reason=type(error).__name__)
            return None
        stated = Price(version=row["price_version"], request_per_million=row["request_per_million"])
        price, listed, terms = _charged(stated, row)
        return PassThrough(
            id=row["id"], path=row["path"], target=row["target"], headers=secrets["headers"], query=secrets["query"],
            methods=tuple(row["methods"]), include_subpath=row["include_subpath"], needs_key=row["needs_key"],
            price=price, listed=listed, terms=terms,
        )  # fmt: skip

    async def latest_change(self) -> int:
        async with self._postgres.connection() as connection:
            return await connection.fetchval("select coalesce(max(seq), 0) from changes") or 0

    async def changes_since(self, seq: int) -> Sequence[Change]:
        async with self._postgres.connection() as connection:
            rows = await connection.fetch("select seq, kind, refs from changes where seq > $1 order by seq", seq)
        return [Change(row["seq"], row["kind"], row["refs"]) for row in rows]


def _model(row: asyncpg.Record, mode: Mode, deployments: Sequence[Deployment]) -> Model:
    return Model(
        name=row["model_name"], mode=mode, access_groups=tuple(row["access_groups"]), deployments=tuple(deployments),
        aliases=tuple(row["aliases"]), strategy=_STRATEGIES.get(row["routing_strategy"]),
        fallbacks=tuple(row["fallbacks"]), context_fallbacks=tuple(row["context_fallbacks"]), retries=row["retries"],
        guardrails=tuple(row["guardrails"]), rpm=enforced(row["model_rpm"]), tpm=enforced(row["model_tpm"]),
    )  # fmt: skip


def _shared_scopes(row: asyncpg.Record) -> dict[str, str]:
    """The scopes that a key shares with others, with their levels."""
    scopes = {}
    if row["pot_id"] is not None:
        scopes[pot_scope(row["pot_id"])] = "pot"
    if row["team_id"] is not None:
        scopes[team_scope(row["team_id"])] = "team"
    if row["user_id"] is not None:
        scopes[user_scope(row["user_id"])] = "user"
    return scopes


async def _limits_of(connection: asyncpg.Connection, scopes: Collection[str]) -> dict[str, asyncpg.Record]:
    return {row["scope"]: row for row in await connection.fetch(_LIMITS, list(scopes))} if scopes else {}


def _budget_rule(scope: str, level: str, row: asyncpg.Record | None) -> BudgetRule:
    if row is None:
        return BudgetRule(scope, level)
    return BudgetRule(scope, level, _budget(row["max_budget_nano"]), row["budget_duration"], row["budget_set_at"])


def _member_rule(row: asyncpg.Record, team: asyncpg.Record | None) -> BudgetRule:
    """A member's cap inside the team; its windows are the team's."""
    scope, limit = member_scope(row["team_id"], row["user_id"]), _budget(row["member_budget_nano"])
    if team is None:
        return BudgetRule(scope, "member", limit)
    return BudgetRule(scope, "member", limit, team["budget_duration"], team["budget_set_at"])


def _rate_rule(scope: str, level: str, row: asyncpg.Record | None) -> RateRule | None:
    if row is None:
        return None
    limits = [enforced(row[name]) for name in ("rpm_limit", "tpm_limit", "max_parallel_requests")]
    return None if limits == [None, None, None] else RateRule(scope, level, *limits)


def _own_rule(row: asyncpg.Record, extra_nano: int) -> BudgetRule:
    """The key's own budget, with what it has for a while."""
    rule = _budget_rule(key_scope(row["key_hash"]), "key", row)
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


def _virtual_key(
    row: asyncpg.Record, shared: dict[str, asyncpg.Record], access: dict[str, Access] | None
) -> VirtualKey:
    """``shared``: the limits of what the key shares with others. A user's budget does not count for team keys."""
    key_hash = row["key_hash"]
    own_scope = key_scope(key_hash)
    limits: dict[str, dict[str, Any]] = msgspec.json.decode(row["model_limits"])
    levels = _shared_scopes(row)
    stored = msgspec.json.decode(row["temp_budget"]) if row["temp_budget"] is not None else None
    extra_nano, extra_until = extra_budget(stored, row["now"])
    budgets = [_own_rule(row, extra_nano)]
    budgets += [
        _budget_rule(scope, level, shared.get(scope))
        for scope, level in levels.items() if level != "user" or row["team_id"] is None
    ]  # fmt: skip
    if row["is_member"]:
        budgets.append(_member_rule(row, shared.get(team_scope(row["team_id"]))))
    rates = [_rate_rule(own_scope, "key", row)]
    rates += [_rate_rule(scope, level, shared.get(scope)) for scope, level in levels.items()]
    rates.append(_member_rates(row))
    return VirtualKey(
        key_hash=key_hash,
        key_name=row["key_name"],
        alias=row["alias"],
        user_id=row["user_id"],
        team_id=row["team_id"],
        pot_id=row["pot_id"],
        models=tuple(row["models"]),
        aliases=_aliases(row["team_aliases"]) | _aliases(row["aliases"]),
        ceilings=() if access is not None else ceilings_of(
            row["allowed_models"], _names_in(row["user_models"]), has_team=row["team_id"] is not None
        ),
        metadata=msgspec.json.decode(row["metadata"]),
        blocked=_block(row) is not None,
        block=_block(row),
        tags=tuple(row["tags"]),
        secret_until=row["secret_until"],
        access=access,
        permissions=frozenset(row["permissions"]) if row["permissions"] is not None else None,
        expires_at=row["expires_at"],
        budgets=tuple(budgets),
        rates=tuple(rule for rule in rates if rule is not None),
        model_budgets=_model_budgets(key_hash, limits, row["budget_set_at"]),
        model_rates=_model_rates(key_hash, limits),
        guardrails=_names_in(row["guardrails"]),
        extra_budget_nano=extra_nano,
        extra_budget_until=extra_until,
        team_model_rates=_team_model_rates(row),
        capture=Capture(row["capture_id"], row["capture_until"].timestamp()) if row["capture_id"] is not None else None,
        routes=routes_of({"allowed_routes": _names_in(row["allowed_routes"]), "key_type": row["key_type"]}),
        enforced_params=_names_in(row["enforced_params"]),
        cache_controls=_names_in(row["cache_controls"]),
    )  # fmt: skip


def _model_budgets(key_hash: str, limits: dict[str, dict[str, Any]], set_at: datetime) -> dict[str, BudgetRule]:
    return {
        model: BudgetRule(
            key_model_scope(key_hash, model), f"key and model {model}", _budget(own.get("max_budget_nano")),
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


def _names_in(stored: str | None) -> tuple[str, ...]:
    """What somebody stored as names; what is none is kept as one that nobody knows, so that it is not passed over."""
    value = msgspec.json.decode(stored) if stored is not None else None
    return tuple(str(name) for name in value) if isinstance(value, list) else ()


def _guardrails_in(stored: str | None) -> dict[str, Definition]:
    """One that cannot be read is left out: who names it is refused, and not let through unseen."""
    found: dict[str, Definition] = {}
    for entry in msgspec.json.decode(stored) if stored is not None else ():
        try:
            found |= definitions_of([entry])
        except ValueError as error:
            log.warning("a guardrail is left out", reason=str(error))
    return found


def _forgetting_in(stored: str | None) -> Forgetting:
    return Forgetting() if stored is None else msgspec.json.decode(stored, type=Forgetting)


def _budget(nano: int | None) -> int | None:
    """Clients write 2147483647 USD for "no limit"."""
    return None if nano is None or enforced(nano // 1_000_000_000) is None else nano


def _charged(listed: Price, row: asyncpg.Record) -> tuple[Price, Price | None, Terms | None]:
    """The price that is charged; the catalogue's and what leads from it, where they differ."""
    if row["discount_millionths"] is None:
        return listed, None, None
    terms = Terms(row["discount_millionths"], row["margin_millionths"], row["margin_per_million_requests"])
    price = charged(listed, terms)
    return (price, None, None) if price is listed else (price, listed, terms)


def _price(row: asyncpg.Record) -> Price:
    if row["version"] is None:
        return Price()
    return Price(
        version=row["version"],
        input_per_million=row["input_per_million"],
        output_per_million=row["output_per_million"],
        cached_input_per_million=row["cached_input_per_million"],
        cache_write_per_million=row["cache_write_per_million"],
        reasoning_per_million=row["reasoning_per_million"],
        page_per_million=row["page_per_million"],
        request_per_million=row["request_per_million"],
        second_per_million=row["second_per_million"],
        character_per_million=row["character_per_million"],
        image_per_million=row["image_per_million"],
        audio_input_per_million=row["audio_input_per_million"],
        audio_output_per_million=row["audio_output_per_million"],
        input_above_128k_per_million=row["input_above_128k_per_million"],
        output_above_128k_per_million=row["output_above_128k_per_million"],
        input_above_200k_per_million=row["input_above_200k_per_million"],
        output_above_200k_per_million=row["output_above_200k_per_million"],
        cached_input_above_200k_per_million=row["cached_input_above_200k_per_million"],
        cache_write_above_200k_per_million=row["cache_write_above_200k_per_million"],
    )
