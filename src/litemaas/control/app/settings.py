"""What does the control plane need to know to start?"""

from __future__ import annotations

from typing import Annotated

import msgspec

from litemaas.kit.settings import SettingsError

_MIN_SECRET = 16


class ListenSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``LITEMAAS_CONTROL__HOST``, ``…__PORT``, ``…__POOL_SIZE``, ``…__RECORDS_KEPT_DAYS`` (None: for ever)."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    pool_size: Annotated[int, msgspec.Meta(ge=1, le=200)] = 10
    records_kept_days: Annotated[int, msgspec.Meta(ge=7)] | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``LITEMAAS_DATABASE_URL``, ``LITEMAAS_REDIS_URL`` (optional), ``LITEMAAS_MASTER_KEY``, ``LITEMAAS_ENCRYPTION_KEY``."""

    database_url: str
    master_key: str
    encryption_key: str
    redis_url: str | None = None
    control: ListenSettings = ListenSettings()


def check_settings(settings: Settings) -> Settings:
    """Errors: SettingsError naming the variable, never its value."""
    if not settings.master_key.startswith("sk-") or len(settings.master_key) < _MIN_SECRET:
        raise SettingsError(f"LITEMAAS_MASTER_KEY: must start with sk- and have at least {_MIN_SECRET} characters")
    if len(settings.encryption_key) < _MIN_SECRET:
        raise SettingsError(f"LITEMAAS_ENCRYPTION_KEY: must have at least {_MIN_SECRET} characters")
    if not settings.database_url.startswith(("postgresql", "postgres")):
        raise SettingsError("LITEMAAS_DATABASE_URL: must be a postgresql:// URL")
    return settings
