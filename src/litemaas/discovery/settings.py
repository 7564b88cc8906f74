"""What does the discovery of model servers need to know to start?"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from litemaas.kit.settings import SettingsError

PRICE_FIELDS = ("input_per_million", "output_per_million", "page_per_million", "request_per_million")
Seconds = Annotated[float, msgspec.Meta(ge=0.05, le=3600)]
_NANO = 1_000_000_000
Price = dict[str, int]


class DiscoverySettings(msgspec.Struct, frozen=True, kw_only=True):
    """``namespaces``: separated by commas, ``*`` = all, empty = its own. ``price_policies``: JSON, prices by name of a policy.

    ``engine_ca``: a file with the authorities of model servers that are reached by https.
    """

    control_url: str
    token: str
    cluster: str = "default"
    namespaces: str = ""
    lease_name: str = "litemaas-discovery"
    lease_namespace: str = ""
    lease_s: Seconds = 8.0
    resync_s: Seconds = 60.0
    price_policies: str = "{}"
    default_price_policy: str = ""
    engine_ca: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8081


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``LITEMAAS_DISCOVERY__…``."""

    discovery: DiscoverySettings


def check_settings(settings: DiscoverySettings) -> DiscoverySettings:
    """Errors: SettingsError naming the variable, never its value."""
    url = urlsplit(settings.control_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.username is not None:
        raise SettingsError("LITEMAAS_DISCOVERY__CONTROL_URL: must be an http or https URL without credentials")
    if len(settings.token) < 16 or not settings.token.isascii():
        raise SettingsError("LITEMAAS_DISCOVERY__TOKEN: must be a service token of the control plane")
    if not settings.cluster or "/" in settings.cluster:
        raise SettingsError("LITEMAAS_DISCOVERY__CLUSTER: must be a name without a slash")
    policies = price_policies(settings)
    if settings.default_price_policy and settings.default_price_policy not in policies:
        raise SettingsError(
            "LITEMAAS_DISCOVERY__DEFAULT_PRICE_POLICY: names no policy of LITEMAAS_DISCOVERY__PRICE_POLICIES"
        )
    engine_ca(settings)
    return settings


def price_policies(settings: DiscoverySettings) -> dict[str, Price]:
    """Units: in, currency per million; out, nano per million. Errors: SettingsError."""
    wrong = SettingsError(
        'LITEMAAS_DISCOVERY__PRICE_POLICIES: must be JSON like {"gpu": {"input_per_million": "0.15"}}; '
        f"a price has {', '.join(PRICE_FIELDS)}"
    )
    try:
        stated = msgspec.json.decode(settings.price_policies, type=dict[str, dict[str, Any]])
        policies = {name: {field: nano(value) for field, value in price.items()} for name, price in stated.items()}
    except (msgspec.DecodeError, ValueError):
        raise wrong from None
    if any(price.keys() - set(PRICE_FIELDS) for price in policies.values()):
        raise wrong
    return policies


def nano(value: object) -> int:
    """An amount of the currency, in nano-units. Errors: ValueError."""
    try:
        amount = Decimal(str(value)) * _NANO
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not amount.is_finite() or amount != int(amount) or not 0 <= amount < 2**63:
        raise ValueError("not a price")
    return int(amount)


def engine_ca(settings: DiscoverySettings) -> str | None:
    """Errors: SettingsError when the file cannot be read or holds no certificate."""
    if settings.engine_ca is None:
        return None
    try:
        text = Path(settings.engine_ca).read_text()
    except OSError:
        raise SettingsError("LITEMAAS_DISCOVERY__ENGINE_CA: the file cannot be read") from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise SettingsError("LITEMAAS_DISCOVERY__ENGINE_CA: the file holds no certificate")
    return text
