"""What does the control plane need to know to start?"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from litemaas.control.signin.settings import SignInSettings, Surroundings, check_sign_in
from litemaas.core.answer_cache import AnswerCacheSettings
from litemaas.kit.logging import Level
from litemaas.kit.settings import SettingsError
from litemaas.kit.telemetry import TracingSettings
from litemaas.kit.zones import zone_of

if TYPE_CHECKING:
    from litemaas.control.litellm_api.key_params import KeyParams

_MIN_SECRET = 16


class ListenSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``LITEMAAS_CONTROL__HOST``, ``…__PORT``, ``…__POOL_SIZE``, ``…__RECORDS_KEPT_DAYS`` (None: for ever).

    ``requests_per_minute``: of programs with one person's or service's tokens; ``browser_requests_per_minute``: of one person's
    pages; None: any.
    ``default_key_generate_params``, ``upperbound_key_generate_params``: what LiteLLM's clients get for keys where they say
    nothing, and the most that they may say; JSON objects. ``empty_models_on_update``: what their ``/key/update`` with no models
    leaves. ``activity_model_key``: whether their daily activity calls models by our names or by those of the engines.
    ``portal_dir``: where a built portal is; None: in the wheel, or in the checkout that this code runs from.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    pool_size: Annotated[int, msgspec.Meta(ge=1, le=200)] = 10
    records_kept_days: Annotated[int, msgspec.Meta(ge=7)] | None = None
    requests_per_minute: Annotated[int, msgspec.Meta(ge=1)] | None = 100
    browser_requests_per_minute: Annotated[int, msgspec.Meta(ge=1)] | None = 1_200
    portal_dir: str | None = None
    default_key_generate_params: str | None = None
    upperbound_key_generate_params: str | None = None
    empty_models_on_update: Literal["none", "all"] = "none"
    activity_model_key: Literal["public", "upstream"] = "public"


class Settings(SignInSettings, frozen=True, kw_only=True):
    """``LITEMAAS_DATABASE_URL``, ``LITEMAAS_REDIS_URL`` (optional), ``LITEMAAS_MASTER_KEY``, ``LITEMAAS_ENCRYPTION_KEY``.

    ``log_level``: what is less is not logged.
    ``public_url``: where browsers reach this plane and the portal; ``gateway_public_url``: where clients reach the gateway.
    ``trusted_proxies``: networks like ``10.0.0.0/8,::1/128`` whose ``X-Forwarded-For`` counts.
    ``smtp_url``: ``smtp://``, ``smtps://`` or ``smtp+starttls://user:password@host:port``. ``host_policy``: on a single machine
    calls to loopback addresses are allowed, too. ``backup_target``: a folder or ``s3://bucket/prefix``.
    """

    database_url: str
    master_key: str
    encryption_key: str
    redis_url: str | None = None
    timezone: str = "UTC"
    log_level: Level = "info"
    public_url: str | None = None
    gateway_public_url: str | None = None
    trusted_proxies: str = ""
    smtp_url: str | None = None
    backup_target: str | None = None
    host_policy: Literal["cluster", "single-machine"] = "cluster"
    control: ListenSettings = ListenSettings()
    answer_cache: AnswerCacheSettings = AnswerCacheSettings()
    tracing: TracingSettings = TracingSettings()


def check_settings(settings: Settings) -> Settings:
    """Errors: SettingsError naming the variable, never its value."""
    if not settings.master_key.startswith("sk-") or len(settings.master_key) < _MIN_SECRET:
        raise SettingsError(f"LITEMAAS_MASTER_KEY: must start with sk- and have at least {_MIN_SECRET} characters")
    if len(settings.encryption_key) < _MIN_SECRET:
        raise SettingsError(f"LITEMAAS_ENCRYPTION_KEY: must have at least {_MIN_SECRET} characters")
    if not settings.database_url.startswith(("postgresql", "postgres")):
        raise SettingsError("LITEMAAS_DATABASE_URL: must be a postgresql:// URL")
    trusted_networks(settings)
    try:
        zone_of(settings.timezone)
    except ValueError as error:
        raise SettingsError(f"LITEMAAS_TIMEZONE: {error}") from None
    if settings.control.default_key_generate_params or settings.control.upperbound_key_generate_params:
        key_params_of(settings)
    check_sign_in(settings, surroundings(settings))
    if settings.smtp_url and not settings.smtp_url.startswith(("smtp://", "smtps://", "smtp+starttls://")):
        raise SettingsError("LITEMAAS_SMTP_URL: must begin with smtp://, smtps:// or smtp+starttls://")
    return settings


def key_params_of(settings: Settings) -> KeyParams:
    """Errors: SettingsError."""
    # Imported only here: whoever only reads settings loads no framework.
    from litemaas.control.litellm_api.key_params import read_key_params

    control = settings.control
    try:
        return read_key_params(
            control.default_key_generate_params, control.upperbound_key_generate_params,
            no_models_means_all=control.empty_models_on_update == "all",
        )  # fmt: skip
    except ValueError as error:
        raise SettingsError(f"LITEMAAS_CONTROL__{error}") from None


def surroundings(settings: Settings) -> Surroundings:
    return Surroundings(settings.public_url, settings.control.host, settings.host_policy == "single-machine")


def trusted_networks(settings: Settings) -> list[IPv4Network | IPv6Network]:
    """Errors: SettingsError."""
    try:
        return [ip_network(written.strip()) for written in settings.trusted_proxies.split(",") if written.strip()]
    except ValueError:
        raise SettingsError("LITEMAAS_TRUSTED_PROXIES: must be networks like 10.0.0.0/8, separated by commas") from None
