"""What does the gateway ask of PostgreSQL? Keys, the catalogue, changes, leases, and to take usage records.

Plain SQL over asyncpg: the gateway carries no ORM. Every call may fail with ServiceUnavailable and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
import structlog

from litemaas.core.catalog import Deployment, Mode, Model, Snapshot, Tls
from litemaas.core.errors import ServiceUnavailable
from litemaas.core.keys import VirtualKey, key_model_scope, key_scope
from litemaas.core.ledger import COLUMNS
from litemaas.core.limits import BudgetRule, RateRule, enforced
from litemaas.core.pricing import Price
from litemaas.core.windows import window_at
from litemaas.gateway.accountant import RecordsRejected
from litemaas.gateway.budgets import Grant
from litemaas.gateway.feed import Change
from litemaas.gateway.records import JOURNAL_COLUMNS
from litemaas.kit.crypto import SealBroken, Vault

log = structlog.get_logger(__name__)

_KEY = """
select key_hash, key_name, alias, user_id, team_id, models, aliases, metadata, blocked, expires_at, max_budget_nano,
       budget_duration, budget_set_at, rpm_limit, tpm_limit, max_parallel_requests, model_limits, created_at
from virtual_keys where key_hash = $1 and deleted_at is null
"""
_SPENT = "select settled_nano from budget_windows where scope = $1 and window_start = $2"
_CATALOG = """
select d.id, d.model_name, d.provider, d.engine_model, d.api_base, d.api_key_sealed, d.extra_headers, d.defaults, d.weight,
       d.timeout_s, d.stream_timeout_s, d.tls_verify, d.tls_ca, d.max_output_tokens, d.max_context_tokens, d.stream_usage,
       m.mode, m.access_groups, p.version, p.input_per_million, p.output_per_million, p.cached_input_per_million,
       p.cache_write_per_million, p.reasoning_per_million, p.page_per_million, p.request_per_million
from deployments d join models m on m.name = d.model_name left join prices p on p.version = d.price_version
where d.enabled and d.deleted_at is null
order by d.model_name, d.created_at, d.id
"""
_INCOMING = f"""
create temp table if not exists incoming (
    {", ".join(f"{name} {kind}" for name, kind in JOURNAL_COLUMNS)}
) on commit delete rows;
create temp table if not exists fresh (
    scope text, window_start timestamptz, cost bigint, requests bigint, leased bigint
) on commit delete rows
"""
_PLAIN = ", ".join(column for column in COLUMNS if column != "tags")
_STORE = f"""
with stored as (
    insert into usage_records ({_PLAIN}, tags)
    select {_PLAIN}, array(select jsonb_array_elements_text(tags)) from incoming
    on conflict do nothing
    returning request_id, started_at
)
insert into fresh (scope, window_start, cost, requests, leased)
select b.booking ->> 0, (b.booking ->> 1)::timestamptz, sum(i.cost_nano), count(*), sum(least(i.cost_nano, i.held_nano))
from stored s join incoming i using (request_id, started_at) cross join lateral jsonb_array_elements(i.bookings) as b(booking)
group by 1, 2
"""  # noqa: S608 - column names of ours
_LOCK = """
with present as (
    insert into budget_windows (scope, window_start)
    select scope, window_start from fresh order by scope, window_start on conflict do nothing
)
select 1 from budget_windows w join fresh using (scope, window_start) order by w.scope, w.window_start for update of w
"""
_UNLEASE = """
update fresh f set leased = least(f.leased, coalesce(
    (select l.granted_nano from leases l where l.worker_id = $1 and l.scope = f.scope and l.window_start = f.window_start), 0
))
"""
_SETTLE = """
with returned as (
    update leases l set granted_nano = l.granted_nano - f.leased, updated_at = now()
    from fresh f where l.worker_id = $1 and l.scope = f.scope and l.window_start = f.window_start and f.leased > 0
)
update budget_windows w
set settled_nano = w.settled_nano + f.cost, leased_nano = w.leased_nano - f.leased, requests = w.requests + f.requests,
    updated_at = now()
from fresh f where w.scope = f.scope and w.window_start = f.window_start
"""
_NO_ANSWER = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says of a connection that was lost while it was handed out
    OSError,
    TimeoutError,
)


class Postgres:
    """The gateway's side of the database. ``worker_id`` owns the leases that are drawn."""

    def __init__(self, url: str, worker_id: str, vault: Vault, *, connections: int, timeout_s: float) -> None:
        self._url = url
        self._worker_id = worker_id
        self._vault = vault
        self._connections = connections
        self._timeout_s = timeout_s
        self._pool: asyncpg.Pool | None = None
        self._pool_lock = asyncio.Lock()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Errors: ServiceUnavailable when the database does not answer."""
        try:
            pool = self._pool or await self._open()
            async with pool.acquire(timeout=self._timeout_s) as connection:
                yield connection
        except asyncpg.DataError as error:
            raise RecordsRejected(type(error).__name__) from error
        except _NO_ANSWER as error:
            log.debug("the database did not answer", error=type(error).__name__)
            raise ServiceUnavailable("the database does not answer; try again") from error

    async def _open(self) -> asyncpg.Pool:
        async with self._pool_lock:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url, min_size=1, max_size=self._connections, timeout=self._timeout_s,
                    command_timeout=self._timeout_s, init=_prepare, server_settings={"application_name": "litemaas-gateway"},
                )  # fmt: skip
            return self._pool

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    async def ping(self) -> None:
        async with self._connection() as connection:
            await connection.execute("select 1")

    # -- keys and catalogue -------------------------------------------------------------------------------------------

    async def find_key(self, key_hash: str) -> tuple[VirtualKey, int] | None:
        async with self._connection() as connection:
            row = await connection.fetchrow(_KEY, key_hash)
            if row is None:
                return None
            key = _virtual_key(row)
            rule = key.budgets[0]
            now = await connection.fetchval("select now()")
            window = window_at(rule.duration, now, rule.set_at)
            spent = await connection.fetchval(_SPENT, rule.scope, window.start)
            return key, spent or 0

    async def load_snapshot(self, version: int) -> Snapshot:
        """The catalogue as it is now. A deployment that cannot be read is left out, with a log line."""
        async with self._connection() as connection:
            rows = await connection.fetch(_CATALOG)
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
            models[name] = Model(
                name=name, mode=mode, access_groups=tuple(row["access_groups"]),
                deployments=tuple(deployments[name]),
            )  # fmt: skip
        return Snapshot(version, models)

    def _deployment(self, row: asyncpg.Record) -> Deployment:
        sealed = row["api_key_sealed"]
        return Deployment(
            id=row["id"],
            model=row["model_name"],
            provider=row["provider"],
            engine_model=row["engine_model"],
            api_base=row["api_base"],
            api_key=self._vault.open(sealed, f"deployment:{row['id']}") if sealed is not None else None,
            extra_headers=msgspec.json.decode(row["extra_headers"], type=dict[str, str]),
            defaults=msgspec.json.decode(row["defaults"], type=dict[str, msgspec.Raw]),
            price=_price(row),
            weight=row["weight"],
            timeout_s=row["timeout_s"],
            stream_timeout_s=row["stream_timeout_s"],
            tls=Tls(row["tls_verify"], row["tls_ca"]),
            max_output_tokens=row["max_output_tokens"],
            max_context_tokens=row["max_context_tokens"],
            stream_usage=row["stream_usage"],
        )

    # -- changes ------------------------------------------------------------------------------------------------------

    async def latest_change(self) -> int:
        async with self._connection() as connection:
            return await connection.fetchval("select coalesce(max(seq), 0) from changes") or 0

    async def changes_since(self, seq: int) -> Sequence[Change]:
        async with self._connection() as connection:
            rows = await connection.fetch("select seq, kind, refs from changes where seq > $1 order by seq", seq)
        return [Change(row["seq"], row["kind"], row["refs"]) for row in rows]

    async def listen(self, wake: Callable[[], None]) -> None:
        """Calls ``wake`` for each notification; returns when the connection is lost.

        Errors: ServiceUnavailable.
        """
        lost = asyncio.Event()
        try:
            connection = await asyncpg.connect(self._url, timeout=self._timeout_s, command_timeout=self._timeout_s)
        except _NO_ANSWER as error:
            raise ServiceUnavailable("the database does not answer; try again") from error
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener("litemaas_changes", lambda *_: wake())
            wake()
            await lost.wait()
        except _NO_ANSWER as error:
            raise ServiceUnavailable("the database does not answer; try again") from error
        finally:
            connection.terminate()

    # -- leases -------------------------------------------------------------------------------------------------------

    async def register_worker(self, host: str, pid: int) -> None:
        """Tells that this worker lives. Leases of an earlier life come back: its journal has been replayed before."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute(
                "insert into workers (worker_id, host, pid, started_at, heartbeat_at) values ($1, $2, $3, now(), now()) "
                "on conflict (worker_id) do update set host = $2, pid = $3, started_at = now(), heartbeat_at = now()",
                self._worker_id, host, pid,
            )  # fmt: skip
            await self._return_leases(connection)

    async def _return_leases(self, connection: asyncpg.Connection) -> None:
        await connection.execute(
            "select 1 from budget_windows w join leases l using (scope, window_start) where l.worker_id = $1 "
            "order by w.scope, w.window_start for update of w",
            self._worker_id,
        )
        await connection.execute(
            "with gone as (delete from leases where worker_id = $1 returning scope, window_start, granted_nano) "
            "update budget_windows w set leased_nano = w.leased_nano - g.granted_nano, updated_at = now() "
            "from gone g where w.scope = g.scope and w.window_start = g.window_start",
            self._worker_id,
        )

    async def heartbeat(self) -> None:
        async with self._connection() as connection:
            await connection.execute("update workers set heartbeat_at = now() where worker_id = $1", self._worker_id)

    async def sign_off(self) -> None:
        """Returns every lease; only after the last record has been stored."""
        async with self._connection() as connection, connection.transaction():
            await self._return_leases(connection)
            await connection.execute("delete from workers where worker_id = $1", self._worker_id)

    async def draw(self, scope: str, window_start: datetime, limit_nano: int, want_nano: int) -> Grant:
        async with self._connection() as connection, connection.transaction():
            await connection.execute(
                "insert into budget_windows (scope, window_start) values ($1, $2) on conflict do nothing",
                scope,
                window_start,
            )
            row = await connection.fetchrow(
                "select settled_nano, leased_nano from budget_windows where scope = $1 and window_start = $2 for update",
                scope, window_start,
            )  # fmt: skip
            settled, leased = row["settled_nano"], row["leased_nano"]
            granted = max(0, min(want_nano, limit_nano - settled - leased))
            if granted:
                await connection.execute(
                    "update budget_windows set leased_nano = leased_nano + $3, updated_at = now() "
                    "where scope = $1 and window_start = $2",
                    scope, window_start, granted,
                )  # fmt: skip
                await connection.execute(
                    "insert into leases as l (worker_id, scope, window_start, granted_nano, updated_at) "
                    "values ($1, $2, $3, $4, now()) on conflict (worker_id, scope, window_start) "
                    "do update set granted_nano = l.granted_nano + excluded.granted_nano, updated_at = now()",
                    self._worker_id, scope, window_start, granted,
                )  # fmt: skip
            return Grant(granted, settled, leased + granted)

    async def give_back(self, scope: str, window_start: datetime, amount_nano: int) -> None:
        async with self._connection() as connection, connection.transaction():
            await connection.execute(
                "select 1 from budget_windows where scope = $1 and window_start = $2 for update", scope, window_start
            )
            await connection.execute(
                "with l as (update leases set granted_nano = greatest(0, granted_nano - $4), updated_at = now() "
                "where worker_id = $1 and scope = $2 and window_start = $3 and granted_nano >= $4 returning 1) "
                "update budget_windows set leased_nano = leased_nano - $4, updated_at = now() "
                "where scope = $2 and window_start = $3 and exists (select 1 from l)",
                self._worker_id, scope, window_start, amount_nano,
            )  # fmt: skip

    # -- the ledger ---------------------------------------------------------------------------------------------------

    async def store(self, lines: bytes) -> None:
        """Takes usage records and settles their cost, in one transaction; records that are there already change nothing.

        Errors: ServiceUnavailable; RecordsRejected when a line cannot be read.
        """
        async with self._connection() as connection, connection.transaction():
            await connection.copy_to_table("incoming", source=_in_one_piece(lines), format="text")
            await connection.execute(_STORE)
            await connection.execute(_LOCK)
            await connection.execute(_UNLEASE, self._worker_id)
            await connection.execute(_SETTLE, self._worker_id)


async def _in_one_piece(lines: bytes) -> AsyncIterator[bytes]:
    """A source for COPY; of a file-like one asyncpg would read in a thread."""
    yield lines


async def _prepare(connection: asyncpg.Connection) -> None:
    """Temporary tables live as long as the connection: made once, they cost the catalogue nothing per batch."""
    await connection.execute(_INCOMING)


def _virtual_key(row: asyncpg.Record) -> VirtualKey:
    key_hash = row["key_hash"]
    set_at = row["budget_set_at"] or row["created_at"]
    limits: dict[str, dict[str, Any]] = msgspec.json.decode(row["model_limits"])
    parallel = enforced(row["max_parallel_requests"])
    rates = RateRule(key_scope(key_hash), "key", enforced(row["rpm_limit"]), enforced(row["tpm_limit"]), parallel)
    model_rates = {
        model: RateRule(
            key_model_scope(key_hash, model), "key and model", enforced(own.get("rpm")), enforced(own.get("tpm"))
        )
        for model, own in limits.items()
    }
    return VirtualKey(
        key_hash=key_hash,
        key_name=row["key_name"],
        alias=row["alias"],
        user_id=row["user_id"],
        team_id=row["team_id"],
        models=tuple(row["models"]),
        aliases=msgspec.json.decode(row["aliases"], type=dict[str, str]),
        metadata=msgspec.json.decode(row["metadata"]),
        blocked=row["blocked"],
        expires_at=row["expires_at"],
        budgets=(
            BudgetRule(key_scope(key_hash), "key", _budget(row["max_budget_nano"]), row["budget_duration"], set_at),
        ),
        rates=() if rates.is_empty else (rates,),
        model_budgets={
            model: BudgetRule(
                key_model_scope(key_hash, model), f"key and model {model}", _budget(own.get("max_budget_nano")),
                own.get("budget_duration"), set_at,
            )
            for model, own in limits.items() if own.get("max_budget_nano") is not None
        },
        model_rates={model: rule for model, rule in model_rates.items() if not rule.is_empty},
    )  # fmt: skip


def _budget(nano: int | None) -> int | None:
    """Clients write 2147483647 USD for "no limit"."""
    return None if nano is None or enforced(nano // 1_000_000_000) is None else nano


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
    )
