"""Which settings does the gateway have? Read once from ``LITEMAAS_…`` variables and handed down."""

from __future__ import annotations

import re
import socket
from typing import Annotated, Literal

import msgspec

from litemaas.core.answer_cache import AnswerCacheSettings
from litemaas.gateway.http.limits import ClientLimits, ServerLimits
from litemaas.kit.logging import Level
from litemaas.kit.settings import SettingsError
from litemaas.kit.telemetry import TracingSettings

_WORKER_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")  # it names a directory


class UpstreamSettings(msgspec.Struct, frozen=True):
    """How long model servers may take, unless a deployment says otherwise.

    Units: seconds; bytes. ``timeout_s``: first byte or whole reply; ``stream_timeout_s``: silence within a stream.
    ``abandoned_timeout_s``: how long an answer is still waited for, to be billed, whose client has left.
    """

    timeout_s: float = 600.0
    stream_timeout_s: float = 300.0
    abandoned_timeout_s: float = 10.0
    tokenize_timeout_s: float = 2.0
    max_reply_bytes: int = 256 * 1024 * 1024
    pool: ClientLimits = ClientLimits()


class BudgetSettings(msgspec.Struct, frozen=True):
    """How calls are held against budgets (gateway-api contract 5.3).

    ``default_output_ceiling``: output tokens held for a call that names no bound, on a model that has none.
    ``template_allowance``: prompt tokens that a chat template may add to what the request's bytes bound.
    ``media_allowance``: prompt tokens per image, audio or video part.
    ``estimate_without_tokenizer``: a prompt whose engine has no tokenizer, and whose bytes do not fit into what is left, gets
    all of it if it likely fits; it can then cost more than was left. False = such a call is refused.
    ``customer_budget_id``: the named budget of customers without one of their own; while it is not there, calls that name
    such a customer are refused.
    ``user_on_team_keys``: a user's budget holds for their keys of teams, too.
    ``lease_calls``: a worker draws room for about this many calls at once, but never more than a quarter of what is left.
    ``lease_trust_s``: for how long a worker spends what it has leased after the database last confirmed that it lives.
    ``lost_after_s``: after how long without a sign of it others take its leases back; much longer than the former, because what
    it spent while it was cut off is only known when it is back.
    """

    default_output_ceiling: int = 4096
    min_output_tokens: int = 1
    template_allowance: int = 256
    media_allowance: int = 4096
    lease_calls: int = 1024
    lease_trust_s: float = 90.0
    lost_after_s: float = 900.0
    estimate_without_tokenizer: bool = True
    user_on_team_keys: bool = False
    customer_budget_id: str = ""


class RateSettings(msgspec.Struct, frozen=True):
    """``replica_count``: workers of all machines, at least; without Valkey each keeps to its share of every rate limit.

    ``tokens``: which of them limits of tokens per minute count.
    """

    replica_count: Annotated[int, msgspec.Meta(ge=1)] = 1
    tokens: Literal["total", "input", "output"] = "total"


class RoutingSettings(msgspec.Struct, frozen=True):
    """Which deployment is asked, what is tried when it fails, and when it is left alone; a model may say otherwise.

    Units: seconds. ``strategy``: one of :class:`~litemaas.core.catalog.Strategy`. ``retries``: further tries of a call on the
    same model. ``allowed_failures``: in a row, before a deployment is left alone that has others beside it;
    ``allowed_failures_alone``: that has none. ``max_cooldown_s``: each time after another it is twice as long.
    ``max_retry_after_s``: what an engine may ask for. ``default_fallbacks``: models, with commas between them, for those that
    name none. ``check_prompts``: deployments that a prompt is too long for are not asked.
    ``tag_filtering``: deployments with tags are for calls that bear one of them. ``probe_interval_s``: 0 = no probes.

    As JSON: ``retry_policy``: further tries by kind of failure, like ``{"RateLimitErrorRetries": 3}``, by model in
    ``model_retry_policies``; ``allowed_failures_policy``: failures in a row by kind; ``content_policy_fallbacks``: by model,
    those that are asked when its engine refuses what a request is about, ``*`` = any.
    """

    strategy: str = "weighted"
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2
    retry_pause_s: float = 0.2
    max_retry_pause_s: float = 2.0
    default_fallbacks: str = ""
    cooldowns: bool = True
    cooldown_s: float = 5.0
    max_cooldown_s: float = 60.0
    max_retry_after_s: float = 300.0
    allowed_failures: int = 0
    allowed_failures_alone: int = 2
    enforce_model_rate_limits: bool = True
    retry_policy: str = ""
    model_retry_policies: str = ""
    allowed_failures_policy: str = ""
    content_policy_fallbacks: str = ""
    check_prompts: bool = False
    tag_filtering: bool = False
    probe_interval_s: float = 30.0
    probe_timeout_s: float = 3.0


class JournalSettings(msgspec.Struct, frozen=True):
    """Units: seconds and bytes. ``max_bytes``: when this much is waiting for PostgreSQL, new calls are refused with 503."""

    flush_interval_s: float = 0.2
    segment_bytes: int = 8 * 1024 * 1024
    max_bytes: int = 1024 * 1024 * 1024


class ConversionSettings(msgspec.Struct, frozen=True):
    """What becomes of conversions that their clients ask for later.

    Units: seconds. ``unfetched_s``: how long a result may lie at its model server before it is fetched to be billed.
    ``kept_s``: how long a task is known; what has not ended by then has failed.
    """

    unfetched_s: float = 3600.0
    kept_s: float = 86_400.0


class CallbackSettings(msgspec.Struct, frozen=True):
    """``endpoint``: where batches of calls are posted. ``headers``: ``name=value``, with commas between them.

    ``events``: ``success``, ``failure`` or both. ``format``: ``json_array``, ``ndjson`` or ``single``.
    ``langfuse_…``: a Langfuse project, where ``langfuse_public_key`` is set. Units: seconds, calls.
    """

    endpoint: str | None = None
    headers: str = ""
    events: str = "success,failure"
    format: str = "json_array"
    langfuse_host: str = "https://cloud.langfuse.com"
    langfuse_public_key: str | None = None
    langfuse_secret_key: str = ""
    langfuse_events: str = "success,failure"
    flush_interval_s: float = 5.0
    timeout_s: float = 10.0
    most_waiting: int = 10_000


class GatewaySection(msgspec.Struct, frozen=True):
    """``conversion_hosts``: hosts, with commas between them, that documents may be fetched from although not public.

    ``conversion_pages_per_document``: pages that are held for a document before it is known how many it has.
    ``guardrails``: names, with commas between them, of those that hold for every call.
    ``user_header``: a header in which clients name their end user, besides ``x-litellm-customer-id``.
    ``enforce_user``: calls must name their end user. ``enforce_key_permissions``: LiteLLM's ``permissions`` of keys hold.
    ``allowed_routes``: groups and paths, with commas between them, that are answered; empty = all.
    ``public_routes``: pages of the gateway, with commas between them, that need no key. ``root_path``: a prefix under which all
    paths are answered, too. ``docs``: whether ``/docs`` and ``/openapi.json`` are.
    ``client_credentials``: clients may say where their call goes, and with which credential; ``client_hosts``: hosts, with
    commas between them, that they may name although not public.
    ``cors_origins``: origins, with commas between them, whose pages browsers let call; ``*`` = any.
    ``worker_id``: with several workers, what their names begin with.
    ``upload_bytes``: what forms under way may take in the directory for temporary files, together, in each worker.
    ``messages_error_style``: whose envelope errors of ``/v1/messages`` have, ``openai`` or ``anthropic``.
    """

    host: str = "127.0.0.1"
    port: int = 4000
    workers: Annotated[int, msgspec.Meta(ge=1, le=128)] = 1
    worker_id: str | None = None
    control_url: str | None = None
    error_profile: str = "1.81"
    litellm_version: str = "1.81.16"
    max_body_bytes: int = 64 * 1024 * 1024
    upload_bytes: int = 1024 * 1024 * 1024
    drain_timeout_s: float = 20.0
    conversion_hosts: str = ""
    conversion_pages_per_document: int = 100
    database_timeout_s: float = 5.0
    database_connections: int = 4
    trust_cache_s: float = 5.0
    key_cache_size: int = 100_000
    metrics_need_key: bool = False
    metrics_per_key: bool = False
    guardrails: str = ""
    key_header: str = ""
    user_header: str = ""
    enforce_user: bool = False
    enforce_key_permissions: bool = False
    allowed_routes: str = ""
    public_routes: str = ""
    client_credentials: bool = False
    client_hosts: str = ""
    root_path: str = ""
    docs: bool = True
    cors_origins: str = "*"
    always_include_stream_usage: bool = False
    messages_error_style: str = "openai"
    server: ServerLimits = ServerLimits()
    upstream: UpstreamSettings = UpstreamSettings()
    budgets: BudgetSettings = BudgetSettings()
    rates: RateSettings = RateSettings()
    routing: RoutingSettings = RoutingSettings()
    journal: JournalSettings = JournalSettings()
    conversions: ConversionSettings = ConversionSettings()


class GatewaySettings(msgspec.Struct, frozen=True):
    """``encryption_key`` opens the provider credentials that the control plane sealed with the same key."""

    database_url: str
    master_key: str
    encryption_key: str
    redis_url: str | None = None
    timezone: str = "UTC"
    log_level: Level = "info"
    state_dir: str = ".litemaas"
    gateway: GatewaySection = GatewaySection()
    answer_cache: AnswerCacheSettings = AnswerCacheSettings()
    tracing: TracingSettings = TracingSettings()
    callbacks: CallbackSettings = CallbackSettings()


def worker_id_of(settings: GatewaySection) -> str:
    """The name that leases and the journal belong to; the host's where none is given, so that replicas differ.

    Errors: SettingsError when it cannot name a directory.
    """
    name = settings.worker_id or re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:63]
    if not _WORKER_ID.fullmatch(name):
        raise SettingsError(
            "LITEMAAS_GATEWAY__WORKER_ID must be letters, digits and . _ -, at most 100, and not begin with . or -"
        )
    return name
