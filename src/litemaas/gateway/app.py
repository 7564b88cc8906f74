"""Where is the gateway put together? The composition root of one worker process: it constructs, connects, runs and ends."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
import uvloop

from litemaas.core.catalog import Snapshot, strategy_of
from litemaas.core.errors import ServiceUnavailable
from litemaas.core.limits import installation_scope
from litemaas.gateway.accountant import Accountant
from litemaas.gateway.adapters.census import WorkerCensus
from litemaas.gateway.adapters.conversion_tasks import ConversionTasks
from litemaas.gateway.adapters.directory import Directory
from litemaas.gateway.adapters.key_rows import KeyRules
from litemaas.gateway.adapters.leases import CHANNEL, Leases, read_news
from litemaas.gateway.adapters.ledger import PREPARE, Ledger
from litemaas.gateway.adapters.payloads import Payloads
from litemaas.gateway.adapters.postgres import Postgres
from litemaas.gateway.adapters.valkey import follow_pushes
from litemaas.gateway.adapters.workers import Workers
from litemaas.gateway.admission import Admission
from litemaas.gateway.answer_stores import answer_cache
from litemaas.gateway.budgets import Budgets
from litemaas.gateway.callbacks import callbacks
from litemaas.gateway.captures import Captures
from litemaas.gateway.conversions import Conversions
from litemaas.gateway.customers import Customers
from litemaas.gateway.deployment_metrics import DeploymentMetrics
from litemaas.gateway.dispatch import Dispatch
from litemaas.gateway.endpoints.pass_through import PassThroughTable
from litemaas.gateway.endpoints.table import EndpointTable
from litemaas.gateway.engines import Engines
from litemaas.gateway.errors import refusal_body
from litemaas.gateway.failure_rules import FailureRules
from litemaas.gateway.fallbacks import Fallbacks
from litemaas.gateway.feed import Change, ChangeFeed
from litemaas.gateway.guardrail_services import GuardrailServices
from litemaas.gateway.guardrails import Guardrails
from litemaas.gateway.header_labels import HeaderLabels
from litemaas.gateway.heartbeat import Heartbeat
from litemaas.gateway.http.client import Pool
from litemaas.gateway.http.server import Handler, Server
from litemaas.gateway.http.turns import Turn
from litemaas.gateway.identity import Identity
from litemaas.gateway.judging import Judging
from litemaas.gateway.leasing import Leasing
from litemaas.gateway.leaving import leave
from litemaas.gateway.listening import bound_socket
from litemaas.gateway.loads import Loads
from litemaas.gateway.management import Management
from litemaas.gateway.metering import Meter
from litemaas.gateway.metrics import Metrics
from litemaas.gateway.offered_routes import OfferedRoutes
from litemaas.gateway.origins import Origins
from litemaas.gateway.orphans import Orphans, open_journal
from litemaas.gateway.pages import Pages, public_pages
from litemaas.gateway.probes import Probes
from litemaas.gateway.prompt_room import PromptRoom
from litemaas.gateway.proxy import Proxy
from litemaas.gateway.rate_sharing import rate_limits
from litemaas.gateway.refusals import Refusals
from litemaas.gateway.relay import Relay
from litemaas.gateway.reply_headers import ReplyHeaders
from litemaas.gateway.required_members import END_USER
from litemaas.gateway.response_ids import ResponseIds
from litemaas.gateway.root_path import RootPath
from litemaas.gateway.routing import Routing
from litemaas.gateway.setting_checks import check_error_styles, guardrails_in, names_in
from litemaas.gateway.settings import GatewaySection, GatewaySettings, worker_id_of
from litemaas.gateway.settlement import Settlement
from litemaas.gateway.siblings import Siblings
from litemaas.gateway.sources import Sources
from litemaas.gateway.stored_responses import StoredResponses
from litemaas.gateway.strategies import Strategies
from litemaas.gateway.targets import Targets
from litemaas.gateway.token_counter import TokenCounter
from litemaas.gateway.upstream import Upstream
from litemaas.kit.clock import SystemClock
from litemaas.kit.crypto import Vault
from litemaas.kit.ids import RequestIds
from litemaas.kit.logging import configure_logging
from litemaas.kit.settings import SettingsError, load_settings
from litemaas.kit.tasks import Background
from litemaas.kit.telemetry import end_tracing, tracing
from litemaas.kit.zones import zone_of

_UPKEEP_S = 5.0
_IDLE_LEASE_S = 30.0
_LAST_WORDS_S = 5.0
"""For which callbacks are told of the last calls."""
_IN_SNAPSHOT = ("tag:", "provider:")
"""Whose limits come with the catalogue."""
log = structlog.get_logger(__name__)


class Gateway:
    """One worker: everything that it owns, and how it starts and stops.

    ``numbers``: where workers that share the port tell one another what they have counted.
    """

    def __init__(self, settings: GatewaySettings, numbers: Path | None = None) -> None:
        self._settings = settings
        own = settings.gateway
        check_error_styles(own)
        clock = SystemClock()
        self.worker_id = worker_id_of(own)
        self.metrics = Metrics(per_key=own.metrics_per_key)
        journals = Path(settings.state_dir) / "journal"
        self.journal = open_journal(journals / self.worker_id, own.journal)
        self.postgres = Postgres(
            settings.database_url, PREPARE, connections=own.database_connections, timeout_s=own.database_timeout_s
        )
        vault = Vault(settings.encryption_key)
        self._zone = setting_of_zone(settings.timezone)
        self.directory = Directory(
            self.postgres, vault, self._zone,
            KeyRules(own.budgets.user_on_team_keys, own.enforce_key_permissions), own.budgets.customer_budget_id or None,
        )  # fmt: skip
        self.captures = Captures(Payloads(self.postgres, vault))
        self.leases = Leases(self.postgres, self.worker_id)
        self.feed = ChangeFeed(
            self.directory, self._apply, self._start_over, trust_s=own.trust_cache_s, timeout_s=own.database_timeout_s
        )
        self.identity = Identity(
            self.directory, self.feed.trust, settings.master_key, clock.now,
            cache_size=own.key_cache_size, distrust_s=own.trust_cache_s, timeout_s=own.database_timeout_s,
            key_header=own.key_header, sources=Sources(vault),
        )  # fmt: skip
        self._failure_rules = FailureRules(own.routing)
        self.targets = Targets(own.upstream.timeout_s, own.routing, self._failure_rules.borne)
        self.guardrails = Guardrails(guardrails_in(own.guardrails), self.metrics)
        required = (END_USER,) if own.enforce_user else ()
        self.routing = Routing(self.targets, self.guardrails, self.metrics, required)
        self.own_routes = PassThroughTable(own.max_body_bytes)
        self._open_budgets(own)
        self.rates, self.rate_link = rate_limits(settings, self.worker_id, WorkerCensus(self.postgres).alive, clock)
        turn = Turn(self.journal.flush)
        self.pool = Pool(own.upstream.pool, turn)
        self.judging = self.guardrails.judging = Judging(GuardrailServices(self.pool), self.metrics, self._on_defect)
        engines = Engines(self.pool, self.targets, own.upstream)
        self._open_ledger(own, journals)
        self.siblings = Siblings(numbers, self.worker_id, self.metrics) if numbers is not None else None
        origins = Origins(own.cors_origins)
        refusals = Refusals(origins, own.error_profile)
        settlement = Settlement(self.journal, self.metrics, own.error_profile, own.rates.tokens)
        self.conversions = self._conversions(own, settlement, refusals)
        headers = ReplyHeaders(own.litellm_version, origins)
        self.answer_cache, self.shared_answers = answer_cache(settings, self.routing, headers, vault, self.judging)
        proxy = self._proxy(own, engines, settlement, headers)
        dispatch = self._dispatch(own, proxy, engines, origins, refusals)
        self.server = Server(
            _offered(own, dispatch, refusals), own.server, refusal_body, self._on_defect, self._on_refusal, turn
        )
        self.probes = Probes(engines, self.targets, self.routing, own.routing)
        self._background = Background(self._on_dead_task)
        self.port = settings.gateway.port
        """Where it listens; known once it has started when the setting is 0, which lets the system choose."""
        self._count_gauges()
        self._open_traces()
        self._open_callbacks()

    def _conversions(self, own: GatewaySection, settlement: Settlement, refusals: Refusals) -> Conversions:
        return Conversions(
            store=ConversionTasks(self.postgres, self.worker_id), identity=self.identity, routing=self.routing,
            targets=self.targets, pool=self.pool, journal=self.journal, settlement=settlement, refusals=refusals,
            settings=own.conversions, upstream=own.upstream, timeout_s=own.database_timeout_s,
        )  # fmt: skip

    def _proxy(self, own: GatewaySection, engines: Engines, settlement: Settlement, headers: ReplyHeaders) -> Proxy:
        meter = Meter(engines, own.budgets)
        admission = Admission(self.budgets, self.rates, self.customers, meter, own.budgets, own.rates.tokens)
        return Proxy(
            identity=self.identity,
            routing=self.routing,
            admission=admission,
            guardrails=self.guardrails,
            upstream=self._upstream(own, settlement, admission, meter),
            relay=Relay(meter, headers, settlement, own.upstream, own.always_include_stream_usage, self.guardrails),
            conversions=self.conversions,
            captures=self.captures,
            settlement=settlement,
            journal=self.journal,
            labels=HeaderLabels(own.user_header),
            headers=headers,
            cache=self.answer_cache,
            ids=RequestIds(lambda: time.time_ns() // 1_000_000),
            now=time.time,
            profile=own.error_profile,
            on_defect=self._on_defect,
        )

    def _upstream(self, own: GatewaySection, settlement: Settlement, admission: Admission, meter: Meter) -> Upstream:
        chance = random.Random()  # noqa: S311 - weights and pauses, not secrets
        try:
            strategies = Strategies(chance, strategy_of(own.routing.strategy))
        except ValueError as error:
            raise SettingsError(f"LITEMAAS_GATEWAY__ROUTING__STRATEGY: {error}") from None
        usual = names_in(own.routing.default_fallbacks)
        rules = self._failure_rules
        fallbacks = Fallbacks(self.routing, admission, self.guardrails, self.metrics, rules, usual)
        return Upstream(
            self.pool,
            settlement,
            admission,
            strategies,
            fallbacks,
            rules,
            PromptRoom(meter) if own.routing.check_prompts else None,
            own.routing,
            chance,
            own.upstream.abandoned_timeout_s,
        )

    def _dispatch(
        self, own: GatewaySection, proxy: Proxy, engines: Engines, origins: Origins, refusals: Refusals
    ) -> Dispatch:
        pages = Pages(
            identity=self.identity, routing=self.routing, engines=engines, targets=self.targets, metrics=self._metrics_page,
            ping=self.postgres.ping, is_ready=self.feed.trust.is_current, is_leaving=lambda: self.server.is_draining,
            litellm_version=own.litellm_version, metrics_need_key=own.metrics_need_key, metrics_per_key=own.metrics_per_key,
            refusals=refusals, cache_type=self._settings.answer_cache.type, public=public_pages(own.public_routes),
        )  # fmt: skip
        management = Management(self.pool, self.feed, own.control_url, refusals, shows_docs=own.docs)
        stored = StoredResponses(
            ResponseIds(self._settings.encryption_key), identity=self.identity, routing=self.routing, targets=self.targets,
            pool=self.pool, refusals=refusals, settings=own.upstream,
        )  # fmt: skip
        endpoints = EndpointTable(own, stored)
        meter = Meter(engines, own.budgets)
        counter = TokenCounter(self.identity, self.routing, meter, endpoints.find("POST", "/tokenize")[0], refusals)
        return Dispatch(
            endpoints, self.own_routes, proxy, pages, management, self.conversions, stored, counter, origins, refusals
        )

    def _open_ledger(self, own: GatewaySection, journals: Path) -> None:
        store_of = partial(Ledger, self.postgres, customers_plan=own.budgets.customer_budget_id or None)
        self.accountant = Accountant(self.journal, store_of(self.worker_id), self.metrics, own.journal.flush_interval_s)
        self.orphans = Orphans(journals, self.worker_id, own.journal, store_of, self.leases, self.metrics)

    def _open_budgets(self, own: GatewaySection) -> None:
        leasing = Leasing(self.leases, own.budgets.lease_calls, own.database_timeout_s)
        self.budgets = Budgets(leasing, self.journal, time.time, self._zone)
        workers = Workers(self.postgres, self.worker_id)
        self.heartbeat = Heartbeat(workers, self.budgets, own.budgets, time.time)
        self.loads = Loads(workers, self.targets)
        self.customers = Customers(
            self.directory, self.feed.trust, own.key_cache_size, own.trust_cache_s, own.database_timeout_s
        )

    def _count_gauges(self) -> None:
        if self.answer_cache is not None:
            self.metrics.besides.append(self.answer_cache.collect)
        self.metrics.besides += [
            DeploymentMetrics(self.targets).collect, self.captures.collect, self.judging.collect,
            partial(self.metrics.callers.collect_budgets, self.budgets),
        ]  # fmt: skip
        self.metrics.gauges |= {
            "litemaas_gateway_connections": ("Client connections.", lambda: float(self.server.connection_count)),
            "litemaas_gateway_journal_bytes": (
                "Usage waiting for the database.",
                lambda: float(self.journal.waiting_bytes),
            ),
            "litemaas_gateway_cache_current": (
                "Whether changes reach this worker.",
                lambda: float(self.feed.trust.is_current()),
            ),
            "litemaas_gateway_rate_limits_shared": (
                "Whether this worker is in step with the others' rate limits.",
                lambda: float(self.rate_link is None or self.rate_link.in_step),
            ),
        }

    def _open_traces(self) -> None:
        self._traces = tracing(self._settings.tracing, "litemaas-gateway", self.worker_id)
        if self._traces is not None:
            # Imported only here: without an address for traces nothing of OpenTelemetry is loaded.
            from litemaas.gateway.tracing import CallTracer

            self.metrics.listeners.append(CallTracer(self._traces))

    def _open_callbacks(self) -> None:
        self.callbacks = callbacks(self._settings.callbacks, self.pool)
        if self.callbacks is not None:
            self.metrics.listeners.append(self.callbacks)
            self.metrics.besides.append(self.callbacks.collect)

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self, listening: socket.socket | None = None) -> None:
        """Replays what an earlier life left in the journal, loads the catalogue and listens.

        ``listening``: the address, where it was opened before.
        Errors: ServiceUnavailable when the database does not answer; SettingsError for another time zone than the database's;
        OSError when the port is taken.
        """
        kept = await self.directory.zone_kept()
        if kept != self._settings.timezone:
            raise SettingsError(
                f"LITEMAAS_TIMEZONE is {self._settings.timezone}, but the database keeps its days in {kept}"
            )
        await self.accountant.empty()
        await self.heartbeat.begin(socket.gethostname(), os.getpid())
        await self.feed.look()
        self.pool.start()
        if self.rate_link is not None:
            await self.rate_link.begin()
            self._background.keep("rate limits", self.rate_link.work)
            self._background.keep("rate limits' news", self.rate_link.listen)
            self._background.keep("rate limits' census", self.rate_link.watch)
        if listening is None:
            listening = bound_socket(self._settings.gateway.host, self._settings.gateway.port)
        self.port = listening.getsockname()[1]
        if self.siblings is not None:
            await self.siblings.start()
        await self.server.listen(listening)
        self._background.keep("feed", self.feed.follow)
        self._background.keep("listening", self._listen)
        self._background.keep("accountant", self.accountant.work)
        self._background.keep("heartbeat", self._beat)
        self._background.keep("upkeep", self._upkeep)
        self._background.keep("conversions", self.conversions.work)
        self._background.keep("captures", self.captures.work)
        self._background.keep("orphans", self.orphans.look_after)
        if self._settings.gateway.routing.probe_interval_s > 0:
            self._background.keep("probes", self.probes.work)
        if self.callbacks is not None:
            self._background.keep("callbacks", self.callbacks.work)
        if self.shared_answers is not None:
            self._background.keep("kept answers", self.shared_answers.work)
        if self._settings.redis_url is not None:
            self._background.keep("pushes", partial(follow_pushes, self._settings.redis_url, self.feed.wake))
        gc.collect()
        gc.set_threshold(50_000, 20, 50)
        gc.freeze()  # what was built at start lives as long as the process; the collector need not walk it again

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Lets calls finish, stores their records, returns the leases. ``hurry``: nobody waits for calls any more."""
        if not await leave(self.server, self._settings.gateway.drain_timeout_s, hurry or asyncio.Event()):
            log.warning("calls were cut off", worker=self.worker_id)
        await self._background.stop()
        self.judging.close()
        if self.rate_link is not None:
            await self.rate_link.end()
        if self.shared_answers is not None:
            await self.shared_answers.close()
        with suppress(ServiceUnavailable):
            await self.captures.empty()
        try:
            await self.accountant.empty()
            await self.heartbeat.end()
            await self.orphans.look()  # a sibling may have been killed a moment ago, and nobody may come after us
        except ServiceUnavailable:
            log.warning("stopped with records in the journal", bytes=self.journal.waiting_bytes)
        if self.callbacks is not None:
            await self.callbacks.empty(_LAST_WORDS_S)
        if self.siblings is not None:
            await self.siblings.stop()
        if self._traces is not None:
            await asyncio.to_thread(end_tracing, self._traces)
        self.pool.close()
        self.journal.close()
        await self.postgres.close()

    async def _metrics_page(self) -> bytes:
        return await self.siblings.render() if self.siblings is not None else self.metrics.render()

    async def _listen(self) -> None:
        while True:
            with suppress(ServiceUnavailable):
                await self.postgres.listen(self.feed.wake, {CHANNEL: self._hear_of_leases})
            await asyncio.sleep(1.0)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_UPKEEP_S)
            with suppress(ServiceUnavailable, TimeoutError):
                await self.heartbeat.beat()
                await self.loads.tell()

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(_UPKEEP_S)
            self.rates.forget_idle()
            with suppress(ServiceUnavailable, TimeoutError):
                await self.budgets.return_idle(_IDLE_LEASE_S)

    # -- news ---------------------------------------------------------------------------------------------------------

    async def _apply(self, change: Change) -> None:
        if change.kind == "key":
            for key_hash in change.refs:
                self.identity.forget(key_hash)
        elif change.kind == "catalog":
            self._adopt(await self.directory.load_snapshot(change.seq))
            self.identity.forget_governed()
        elif change.kind == "budget":
            for scope in change.refs:
                if scope.startswith("customer:"):
                    await self.customers.changed(scope)
            self.identity.forget_sharers(*change.refs)
            if any(scope == installation_scope() or scope.startswith(_IN_SNAPSHOT) for scope in change.refs):
                self._adopt(await self.directory.load_snapshot(change.seq))

    def _adopt(self, snapshot: Snapshot) -> None:
        self.routing.adopt(snapshot)
        self.own_routes.adopt(snapshot.pass_through)

    def _hear_of_leases(self, payload: str) -> None:
        news = read_news(payload)
        if news is not None and news.worker_id != self.worker_id:
            if news.kind == "recall":
                self.budgets.recalled(news.scope, news.window_start)
            else:
                self.budgets.returned(news.scope, news.window_start, news.worker_id, news.nano)

    async def _start_over(self) -> None:
        snapshot = await self.directory.load_snapshot(0)  # first: while the database is away, known keys stay known
        await self.customers.start_over()
        self.identity.forget_all()
        self._adopt(snapshot)

    def _on_defect(self, error: BaseException | None) -> None:
        self.metrics.defects += 1
        log.error("a request ended in a defect", exc_info=error)

    def _on_dead_task(self, name: str, error: Exception) -> None:
        self.metrics.defects += 1
        log.error("a background task died and begins anew", task=name, exc_info=error)

    def _on_refusal(self, status: int) -> None:
        self.metrics.refused_connections[status] += 1


def setting_of_zone(name: str) -> ZoneInfo:
    """Errors: SettingsError."""
    try:
        return zone_of(name)
    except ValueError as error:
        raise SettingsError(f"LITEMAAS_TIMEZONE: {error}") from None


def _offered(own: GatewaySection, dispatch: Dispatch, refusals: Refusals) -> Handler:
    """What answers requests: all routes, or those that the installation offers; also below its root path."""
    routes = names_in(own.allowed_routes)
    handler = OfferedRoutes(routes, dispatch.serve, refusals).serve if routes else dispatch.serve
    return RootPath(own.root_path, handler).serve if own.root_path else handler


async def serve(
    settings: GatewaySettings, *, listening: socket.socket | None = None, numbers: Path | None = None,
    on_ready: Callable[[], None] | None = None,
) -> None:  # fmt: skip
    """Runs until SIGTERM or SIGINT; a second one does not wait for running calls."""
    asked, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: (hurry if asked.is_set() else asked).set())
    gateway = Gateway(settings, numbers)
    await gateway.start(listening)
    log.info("the gateway serves", host=settings.gateway.host, port=gateway.port, worker=gateway.worker_id)
    if on_ready is not None:
        on_ready()
    await asked.wait()
    log.info("the gateway stops", worker=gateway.worker_id)
    await gateway.stop(hurry)


def run(environ: Mapping[str, str]) -> None:
    """The entry of ``litemaas gateway``.

    Errors: SettingsError; ServiceUnavailable; OSError.
    """
    settings = load_settings(GatewaySettings, environ)
    configure_logging(settings.log_level)
    uvloop.run(serve(settings))
