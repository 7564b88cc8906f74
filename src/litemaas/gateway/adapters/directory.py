"""What does the gateway read from PostgreSQL? Virtual keys, the catalogue, and the numbered changes of both."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from litemaas.core.answer_cache import SETTING, Forgetting
from litemaas.core.catalog import Deployment, Mode, Model, Snapshot, Strategy, Tls, snapshot_of
from litemaas.core.errors import ServiceUnavailable
from litemaas.core.guardrail_definitions import Definition, definitions_of
from litemaas.core.guardrail_services import SEALED, purpose_of, with_secrets
from litemaas.core.keys import VirtualKey
from litemaas.core.limits import (
    DEFAULT_CUSTOMER,
    INSTALLATION,
    PROVIDER,
    TAG,
    BudgetRule,
    CustomerLimits,
    Limits,
    customer_scope,
    deployment_scope,
    enforced,
    installation_scope,
)
from litemaas.core.money import nano_from_usd
from litemaas.core.pass_through import PassThrough
from litemaas.core.price_terms import Terms, charged
from litemaas.core.pricing import Price
from litemaas.core.windows import window_at
from litemaas.gateway.adapters.entitlements import read_access
from litemaas.gateway.adapters.key_rows import KEY, USUAL, KeyRules, names_in, shared_scopes, virtual_key
from litemaas.gateway.adapters.limit_rows import budget_of, budget_rule, limits_of, rate_rule
from litemaas.gateway.feed import Change
from litemaas.kit.crypto import SealBroken, Vault

if TYPE_CHECKING:
    import asyncpg

    from litemaas.gateway.adapters.postgres import Postgres

log = structlog.get_logger(__name__)

_STRATEGIES = {strategy.value: strategy for strategy in Strategy}
_SPENT = "select settled_nano from budget_windows where scope = $1 and window_start = $2"
_SHARED = """
select scope, max_budget_nano, budget_duration, budget_set_at, rpm_limit, tpm_limit, max_parallel_requests
from budgets where scope like 'tag:%' or scope like 'provider:%'
"""
_PLAN = """
select max_budget_nano, budget_duration, budget_set_at, rpm_limit, tpm_limit, max_parallel_requests
from budget_plans where id = $1
"""
_ANY_CUSTOMER = """
select exists (select 1 from budgets where scope like 'customer:%') or exists (select 1 from customers where is_blocked)
"""
_IS_BLOCKED = "select exists (select 1 from customers where id = $1 and is_blocked)"
_CATALOG = """
select d.id, d.model_name, d.provider, d.engine_model, d.api_base, d.api_key_sealed, d.extra_headers, d.defaults, d.weight,
       d.timeout_s, d.stream_timeout_s, d.tls_verify, d.tls_ca, d.max_output_tokens, d.max_context_tokens, d.stream_usage,
       d.rpm_limit, d.tpm_limit, d.max_parallel_requests, d.cooldown_s, d.params->>'api_version' as api_version,
       d.info->'supported_endpoints' as endpoints, d.params->>'max_budget' as max_budget, d.params->'tags' as tags,
       d.params->>'budget_duration' as budget_duration, d.created_at,
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

    def __init__(
        self, postgres: Postgres, vault: Vault, zone: tzinfo, rules: KeyRules = USUAL, customers_plan: str | None = None
    ) -> None:
        """``customers_plan``: the budget by its name of customers who have none; None = what is set for all of them."""
        self._customers_plan = customers_plan
        self._postgres = postgres
        self._vault = vault
        self._zone = zone
        self._rules = rules

    async def zone_kept(self) -> str:
        """The time zone of the database's windows."""
        async with self._postgres.connection() as connection:
            return str(await connection.fetchval("select timezone from installation"))

    async def find_key(self, key_hash: str) -> tuple[VirtualKey, int] | None:
        async with self._postgres.connection() as connection:
            row = await connection.fetchrow(KEY, key_hash)
            if row is None:
                return None
            now = row["now"]
            access = await read_access(connection, row, now) if row["governed"] else None
            key = virtual_key(row, await limits_of(connection, shared_scopes(row)), access, self._rules)
            rule = key.budgets[0]
            window = window_at(rule.duration, now, rule.set_at, self._zone)
            spent = await connection.fetchval(_SPENT, rule.scope, window.start)
            return key, spent or 0

    async def find_customer(self, customer_id: str) -> CustomerLimits:
        """What holds for calls that name this end user: its own limits, or those of customers without any.

        Errors: ServiceUnavailable, too, while the budget that those shall have is not there.
        """
        own = customer_scope(customer_id)
        async with self._postgres.connection() as connection:
            limits = await limits_of(connection, [own, default := customer_scope(DEFAULT_CUSTOMER)])
            is_blocked = bool(await connection.fetchval(_IS_BLOCKED, customer_id))
            row = limits.get(own, limits.get(default))
            if own not in limits and self._customers_plan is not None:
                row = await connection.fetchrow(_PLAN, self._customers_plan)
                if row is None:
                    log.warning("the budget of customers without one is not there", budget_id=self._customers_plan)
                    raise ServiceUnavailable("the budget of customers without one is not there")
        return (
            CustomerLimits(budget_rule(own, "customer", row), rate_rule(own, "customer", row), is_blocked)
            if row
            else CustomerLimits(is_blocked=is_blocked)
        )

    async def customers_have_limits(self) -> bool:
        """Whether any customer has limits, or is blocked."""
        if self._customers_plan is not None:
            return True
        async with self._postgres.connection() as connection:
            return bool(await connection.fetchval(_ANY_CUSTOMER))

    async def load_snapshot(self, version: int) -> Snapshot:
        """The catalogue as it is now. A deployment that cannot be read is left out, with a log line."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(_CATALOG)
            forgetting = _forgetting_in(await connection.fetchval(_FORGETTING, SETTING))
            guardrails = _guardrails_in(await connection.fetchval(_GUARDRAILS), self._vault)
            limits = (await limits_of(connection, [installation_scope()])).get(installation_scope())
            shared = _limits_in(await connection.fetch(_SHARED))
            routes = [self._pass_through(row) for row in await connection.fetch(_OWN_ROUTES)]
        deployments: dict[str, list[Deployment]] = {}
        models: dict[str, Model] = {}
        for row in rows:
            name = row["model_name"]
            try:
                deployment, mode = self._deployment(row, shared[PROVIDER]), Mode(row["mode"])
            except (SealBroken, msgspec.MsgspecError, ValueError) as error:
                reason = str(error) if isinstance(error, SealBroken) else type(error).__name__
                log.warning("a deployment is left out", deployment=row["id"], model=name, reason=reason)
                continue
            deployments.setdefault(name, []).append(deployment)
            models[name] = _model(row, mode, deployments[name])
        snapshot = snapshot_of(version, models, self._zone, guardrails)
        snapshot = msgspec.structs.replace(
            snapshot, pass_through=tuple(filter(None, routes)), forgetting=forgetting, tags=shared[TAG]
        )
        if limits is None:
            return snapshot
        rates = rate_rule(installation_scope(), INSTALLATION, limits)
        budget = budget_rule(installation_scope(), INSTALLATION, limits)
        return msgspec.structs.replace(snapshot, budget=budget, rates=rates)

    def _deployment(self, row: asyncpg.Record, providers: dict[str, Limits]) -> Deployment:
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
            budgets=_budgets_of(row, providers),
            tags=names_in(row["tags"]),
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


def _guardrails_in(stored: str | None, vault: Vault) -> dict[str, Definition]:
    """One that cannot be read is left out: who names it is refused, and not let through unseen."""
    found: dict[str, Definition] = {}
    for entry in msgspec.json.decode(stored) if stored is not None else ():
        try:
            found |= definitions_of([_opened(entry, vault)])
        except (SealBroken, ValueError) as error:
            log.warning("a guardrail is left out", reason=str(error))
    return found


def _opened(entry: dict[str, Any], vault: Vault) -> dict[str, Any]:
    """The entry with its secrets in clear. Errors: SealBroken."""
    purpose = purpose_of(str(entry.get("guardrail_name")))

    def opened(_: str, value: str) -> str:
        return vault.open(b64decode(value.removeprefix(SEALED)), purpose) if value.startswith(SEALED) else value

    return with_secrets(entry, opened)


def _limits_in(rows: Sequence[asyncpg.Record]) -> dict[str, dict[str, Limits]]:
    """By kind, then by whose they are."""
    found: dict[str, dict[str, Limits]] = {TAG: {}, PROVIDER: {}}
    for row in rows:
        scope = row["scope"]
        kind, _, whose = scope.partition(":")
        found[kind][whose] = Limits(budget_rule(scope, kind, row), rate_rule(scope, kind, row))
    return found


def _budgets_of(row: asyncpg.Record, providers: dict[str, Limits]) -> tuple[BudgetRule, ...]:
    """What a deployment's calls are booked on besides their callers' budgets. Errors: ValueError, ArithmeticError."""
    rules = []
    if row["max_budget"] is not None:
        limit, scope = budget_of(nano_from_usd(row["max_budget"])), deployment_scope(row["id"])
        rules.append(BudgetRule(scope, "deployment", limit, row["budget_duration"], row["created_at"]))
    of_provider = providers.get(row["provider"])
    if of_provider is not None and of_provider.budget is not None:
        rules.append(of_provider.budget)
    return tuple(rules)


def _forgetting_in(stored: str | None) -> Forgetting:
    return Forgetting() if stored is None else msgspec.json.decode(stored, type=Forgetting)


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
