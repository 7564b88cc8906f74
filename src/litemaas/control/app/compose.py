"""What is the control plane made of? The one place that constructs its parts and hands them down."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

import litemaas.control.app.config as config
import litemaas.control.app.docs as docs
import litemaas.control.app.health as health
from litemaas.control.analytics import endpoints as analytics
from litemaas.control.analytics import load, requests
from litemaas.control.answer_cache import endpoints as answer_cache
from litemaas.control.answer_cache.store import CacheStore
from litemaas.control.app.portal import Portal, find_bundle
from litemaas.control.app.settings import Settings, check_settings, key_params_of, surroundings, trusted_networks
from litemaas.control.app.upkeep import keep_up
from litemaas.control.auth.service import Authenticator
from litemaas.control.backup import endpoints as backup
from litemaas.control.backup.jobs import kinds as backup_kinds
from litemaas.control.backup.jobs import scheduling
from litemaas.control.backup.service import Backups
from litemaas.control.backup.store import BackupStore
from litemaas.control.banners import endpoints as banners
from litemaas.control.branding import endpoints as branding
from litemaas.control.budgets import endpoints as budgets
from litemaas.control.budgets.jobs import TELL_OF_BUDGETS
from litemaas.control.catalog import checks, discovered
from litemaas.control.catalog import endpoints as catalog
from litemaas.control.catalog import public as models
from litemaas.control.catalog.probing import Prober
from litemaas.control.chargeback import endpoints as chargeback
from litemaas.control.http.duties import Duty, keep_duties
from litemaas.control.http.edge import Edge
from litemaas.control.http.feed import Publisher, SilentPublisher, ValkeyPublisher
from litemaas.control.http.flights import Flights
from litemaas.control.http.forgetting import FORGET_ANSWERS
from litemaas.control.http.problems import Described, answer_with_problems
from litemaas.control.http.rates import LocalRates, Rates, SharedRates, rate_of
from litemaas.control.http.work import Plane
from litemaas.control.jobs import endpoints as jobs
from litemaas.control.jobs.service import keep_working
from litemaas.control.keys import endpoints as keys
from litemaas.control.keys import info_endpoints as key_info
from litemaas.control.keys import many as many_keys
from litemaas.control.keys import own_endpoints as own_keys
from litemaas.control.keys.jobs import ARCHIVE_KEYS, TELL_OF_ENDING_KEYS
from litemaas.control.keys.rotating import ROTATE_KEYS
from litemaas.control.litellm_api.app import create_facade
from litemaas.control.notices import endpoints as notices
from litemaas.control.notices import webhooks
from litemaas.control.notices.delivery import Carrier, delivering
from litemaas.control.notices.endpoints import FORGET_NOTICES
from litemaas.control.operations import capacity
from litemaas.control.operations import endpoints as operations
from litemaas.control.payloads import endpoints as payloads
from litemaas.control.payloads.jobs import PURGE_PAYLOADS
from litemaas.control.playground import endpoints as playground
from litemaas.control.playground.relay import Relay
from litemaas.control.policies import endpoints as policies
from litemaas.control.settings import endpoints as settings_endpoints
from litemaas.control.settings import guardrails as guardrail_endpoints
from litemaas.control.signin import credentials
from litemaas.control.signin import endpoints as signin
from litemaas.control.signin.endpoints import FORGET_SIGN_INS
from litemaas.control.signin.setup import sign_in_of
from litemaas.control.subscriptions import admin as deciding
from litemaas.control.subscriptions import endpoints as subscriptions
from litemaas.control.subscriptions import granting, model_life
from litemaas.control.subscriptions.jobs import END_MODELS, EXPIRE_SUBSCRIPTIONS, TELL_OF_QUOTAS
from litemaas.control.teams import endpoints as teams
from litemaas.control.trail import endpoints as trail
from litemaas.control.trail.jobs import PURGE_AUDIT
from litemaas.control.usage import endpoints as usage
from litemaas.control.usage import maintenance as usage_maintenance
from litemaas.control.usage.maintenance import CHECK_DAILY
from litemaas.control.users import endpoints as users
from litemaas.control.users import mine
from litemaas.control.workshops import claim_endpoints as claims
from litemaas.control.workshops import draft_endpoints as workshop_drafts
from litemaas.control.workshops import endpoints as workshops
from litemaas.control.workshops import organiser_endpoints as organising
from litemaas.db.engine import open_engine
from litemaas.kit.clock import Clock, SystemClock
from litemaas.kit.crypto import Vault
from litemaas.kit.telemetry import end_tracing, tracing
from litemaas.kit.zones import zone_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

MAX_BODY_BYTES = 2_500_000
"""Room for a brand image of 2 MB; all else is small."""
FEATURES = (
    users,
    mine,
    teams,
    signin,
    credentials,
    settings_endpoints,
    guardrail_endpoints,
    answer_cache,
    notices,
    webhooks,
    trail,
    banners,
    branding,
    policies,
    model_life,
    checks,
    discovered,
    catalog,
    models,
    subscriptions,
    deciding,
    granting,
    own_keys,
    key_info,
    many_keys,
    keys,
    budgets,
    usage,
    usage_maintenance,
    analytics,
    requests,
    health,
    operations,
    capacity,
    load,
    chargeback,
    payloads,
    workshops,
    organising,
    workshop_drafts,
    claims,
    backup,
    jobs,
    playground,
    config,
    docs,
)
"""Modules with a ``router``."""
DUTIES: tuple[Duty, ...] = (
    FORGET_SIGN_INS,
    FORGET_ANSWERS,
    PURGE_AUDIT,
    FORGET_NOTICES,
    TELL_OF_BUDGETS,
    EXPIRE_SUBSCRIPTIONS,
    END_MODELS,
    TELL_OF_QUOTAS,
    ARCHIVE_KEYS,
    TELL_OF_ENDING_KEYS,
    ROTATE_KEYS,
    PURGE_PAYLOADS,
    CHECK_DAILY,
)


_TITLE: dict[str, Any] = {
    "title": "LiteMaaS control plane", "version": "1", "openapi_url": None, "docs_url": None, "redoc_url": None,
    "redirect_slashes": False,
}  # fmt: skip


def _all_duties(carrier: Carrier, prober: Prober, backups: Backups) -> tuple[Duty, ...]:
    return (*DUTIES, delivering(carrier), checks.checking_health(prober), scheduling(backups))


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The control plane as an ASGI application; nothing is opened before the first request.

    Errors: SettingsError.
    """
    check_settings(settings)
    engine = open_engine(settings.database_url, settings.control.pool_size, "litemaas-control")
    publisher: Publisher = ValkeyPublisher(settings.redis_url) if settings.redis_url else SilentPublisher()
    traces = tracing(settings.tracing, "litemaas-control", f"{socket.gethostname()}:{os.getpid()}")
    plane = Plane(engine, publisher, Vault(settings.encryption_key), clock or SystemClock(), zone_of(settings.timezone))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        background = [
            asyncio.create_task(keep_up(settings.database_url, settings.control.records_kept_days), name="upkeep"),
            asyncio.create_task(keep_duties(plane, _all_duties(carrier, prober, backups)), name="duties"),
            asyncio.create_task(keep_working(plane, {kind.name: kind for kind in kinds}), name="jobs"),
        ]
        try:
            yield
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await publisher.close()
            await rates.close()
            await cache_store.close()
            await relay.close()
            await engine.dispose()
            if traces is not None:
                await asyncio.to_thread(end_tracing, traces)

    app = Described(**_TITLE, lifespan=lifespan)
    carrier = Carrier(settings.smtp_url, loopback_allowed=settings.host_policy == "single-machine")
    backups = Backups(settings.database_url, settings.encryption_key, BackupStore(settings.backup_target))
    kinds = [*backup_kinds(backups), *usage_maintenance.kinds(settings.database_url)]
    rates: Rates = SharedRates(settings.redis_url, plane.clock) if settings.redis_url else LocalRates(plane.clock)
    relay = Relay(settings.gateway_public_url, plane.vault)
    prober = Prober(loopback_allowed=settings.host_policy == "single-machine")
    cache_store = CacheStore(settings.answer_cache, settings.redis_url)
    authenticator = Authenticator(settings.master_key, settings.encryption_key, settings.bootstrap_token)
    for part in (app, facade := _facade_of(settings)):
        part.state.plane = plane
        part.state.gateway_public_url = settings.gateway_public_url
        part.state.authenticator = authenticator
        part.state.cache_store = cache_store
    _limit(app, settings, rates)
    app.state.relay = relay
    app.state.sign_in = sign_in_of(settings, surroundings(settings), rates)
    app.state.carrier = carrier
    app.state.prober = prober
    app.state.backups = backups
    answer_with_problems(app)
    for feature in FEATURES:
        app.include_router(feature.router)
    app.mount("/litellm", facade)
    if (bundle := find_bundle(settings.control.portal_dir)) is not None:
        app.router.routes.append(Portal(bundle))
    _surround(app, settings, traces)
    return app


def _facade_of(settings: Settings) -> FastAPI:
    by_engine = settings.control.activity_model_key == "upstream"
    return create_facade(key_params_of(settings), activity_by_engine=by_engine)


def _limit(app: FastAPI, settings: Settings, rates: Rates) -> None:
    """How often may be asked, and that equal questions at one moment are answered once."""
    app.state.flights = Flights()
    app.state.rates = rates
    app.state.general_rate = rate_of("general", settings.control.requests_per_minute)
    app.state.browser_rate = rate_of("general-browser", settings.control.browser_requests_per_minute)


def _surround(app: FastAPI, settings: Settings, traces: TracerProvider | None) -> None:
    if traces is not None:
        # Imported only here: without an address for traces nothing of OpenTelemetry is loaded.
        from litemaas.control.http.tracing import Traced

        app.add_middleware(Traced, provider=traces)
    app.add_middleware(Edge, max_body_bytes=MAX_BODY_BYTES, trusted_proxies=trusted_networks(settings))
