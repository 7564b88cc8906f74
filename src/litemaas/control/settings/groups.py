"""Which settings can administrators change while the platform runs? Typed groups with defaults; one row each in the database.

Source of groups and initial values: control-plane contract 9.2 and 15. Money is in nano-units like everywhere; null = none.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from litemaas.control.http.shapes import Name, Nano
from litemaas.core.guardrail_definitions import definitions_of
from litemaas.core.windows import check_window


def _readable(duration: str) -> str:
    check_window(duration)
    return duration


UNIT = 1_000_000_000
"""Nano-units of one unit of currency."""
Limit = Annotated[int, Field(ge=0, le=2**31 - 1)]
BigLimit = Annotated[int, Field(ge=0, le=2**63 - 1)]
Duration = Annotated[str, AfterValidator(_readable)]
Grace = Annotated[int, Field(ge=0, le=7 * 24)]
Days = Annotated[int, Field(ge=1, le=36_500)]


class Group(BaseModel):
    """Each member has a default; what is stored holds only what was set."""

    model_config = ConfigDict(extra="forbid", strict=True)
    group: ClassVar[str]
    is_read_by_gateways: ClassVar[bool] = False


class UserSettings(Group):
    """What a new user gets; a null member falls back to the environment (``LITEMAAS_DEFAULT_USER_*``)."""

    group = "users"
    max_budget_nano: Nano | None = 100 * UNIT
    budget_duration: Duration | None = "monthly"
    tpm_limit: BigLimit | None = 100_000
    rpm_limit: Limit | None = 120
    default_team_id: Name | None = None


class KeyLimits(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    max_budget_nano: Nano | None = None
    tpm_limit: BigLimit | None = None
    rpm_limit: Limit | None = None
    max_parallel_requests: Limit | None = None
    expiration_days: Days | None = None


class KeyDefaults(KeyLimits):
    budget_duration: Duration | None = None
    soft_budget_nano: Nano | None = None


class KeySettings(Group):
    """What a key gets that names nothing, and what people may give to their own keys at most."""

    group = "api-keys"
    defaults: KeyDefaults = KeyDefaults()
    maximums: KeyLimits = KeyLimits()
    grace_hours: Grace = 24
    """For how long a rotated key's former secret works where nothing is said."""
    max_grace_hours: Grace = 168
    reveal: bool = True
    reveals_per_5_minutes: Annotated[int, Field(ge=1, le=1000)] = 10

    @model_validator(mode="after")
    def _defaults_fit(self) -> Self:
        for name in KeyLimits.model_fields:
            wanted, most = getattr(self.defaults, name), getattr(self.maximums, name)
            if wanted is not None and most is not None and wanted > most:
                raise ValueError(f"defaults.{name} is above maximums.{name}")
        if self.grace_hours > self.max_grace_hours:
            raise ValueError("grace_hours is above max_grace_hours")
        return self


class SubscriptionSettings(Group):
    group = "subscriptions"
    quota_requests: BigLimit | None = 10_000
    quota_tokens: BigLimit | None = 1_000_000
    max_quota_requests: BigLimit | None = None
    max_quota_tokens: BigLimit | None = None

    @model_validator(mode="after")
    def _defaults_fit(self) -> Self:
        for name in ("quota_requests", "quota_tokens"):
            wanted, most = getattr(self, name), getattr(self, f"max_{name}")
            if wanted is not None and most is not None and wanted > most:
                raise ValueError(f"{name} is above max_{name}")
        return self


class TeamSettings(Group):
    """What a new team gets."""

    group = "teams"
    max_budget_nano: Nano | None = 10_000 * UNIT
    budget_duration: Duration | None = "monthly"
    tpm_limit: BigLimit | None = 50_000
    rpm_limit: Limit | None = 1_000


class CountSettings(Group):
    """How many active keys there may be."""

    group = "counts"
    keys_per_user: Annotated[int, Field(ge=0, le=100_000)] = 10
    keys_per_team: Annotated[int, Field(ge=0, le=100_000)] = 100


class CurrencySettings(Group):
    """A label; nothing is converted."""

    group = "currency"
    code: str = "USD"
    symbol: Annotated[str, Field(min_length=1, max_length=5)] = "$"
    name: Annotated[str, Field(min_length=1, max_length=50)] = "US dollar"

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.code not in CURRENCIES:
            raise ValueError(f"code must be one of {', '.join(CURRENCIES)}")
        return self


class AnalyticsSettings(Group):
    group = "analytics"
    max_days: Days = 90
    max_export_days: Days = 365


class CatalogueSettings(Group):
    group = "catalogue"
    public_catalogue: bool = False


class SessionSettings(Group):
    group = "sessions"
    hours: Annotated[int, Field(ge=1, le=24)] = 8
    max_hours: Annotated[int, Field(ge=1, le=168)] = 24
    per_user: Annotated[int, Field(ge=1, le=100)] = 10
    recent_minutes: Annotated[int, Field(ge=1, le=120)] = 15


class NotificationSettings(Group):
    group = "notifications"
    email: bool = True
    sender: Annotated[str, Field(max_length=255)] = "litemaas@localhost"
    kept_days: Days = 90


class RetentionSettings(Group):
    group = "retention"
    audit_days: Annotated[int, Field(ge=90, le=36_500)] = 365
    request_log_days: Days = 30
    captured_payload_days: Annotated[int, Field(ge=1, le=30)] = 7


class BackupSettings(Group):
    group = "backup"
    every_hours: Annotated[int, Field(ge=1, le=24 * 31)] | None = None
    kept: Annotated[int, Field(ge=1, le=1000)] = 7
    encrypted: bool = False


class ChargebackSettings(Group):
    group = "chargeback"
    operator: Annotated[str, Field(min_length=1, max_length=100)] = "LiteMaaS"
    billing_account_id: Annotated[str, Field(min_length=1, max_length=100)] = "litemaas"
    billing_account_name: Annotated[str, Field(min_length=1, max_length=100)] = "LiteMaaS"


def _readable_guardrails(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    definitions_of(entries)
    return entries


class GuardrailSettings(Group):
    """Guardrails of this installation's own, as LiteLLM's ``guardrails:`` file has them."""

    group = "guardrails"
    is_read_by_gateways = True
    guardrails: Annotated[list[dict[str, Any]], AfterValidator(_readable_guardrails)] = Field(default=[], max_length=50)


GROUPS: dict[str, type[Group]] = {
    kind.group: kind
    for kind in (
        UserSettings, KeySettings, SubscriptionSettings, TeamSettings, CountSettings, CurrencySettings, AnalyticsSettings,
        CatalogueSettings, SessionSettings, NotificationSettings, RetentionSettings, BackupSettings, ChargebackSettings,
        GuardrailSettings,
    )
}  # fmt: skip
GroupName = Literal[
    "users", "api-keys", "subscriptions", "teams", "counts", "currency", "analytics", "catalogue", "sessions",
    "notifications", "retention", "backup", "chargeback", "guardrails",
]  # fmt: skip

CURRENCIES: dict[str, tuple[str, str]] = {
    "USD": ("$", "US dollar"), "EUR": ("€", "Euro"), "GBP": ("£", "Pound sterling"), "JPY": ("¥", "Japanese yen"),
    "CNY": ("¥", "Chinese yuan"), "CAD": ("CA$", "Canadian dollar"), "AUD": ("A$", "Australian dollar"),
    "CHF": ("CHF", "Swiss franc"), "INR": ("₹", "Indian rupee"), "KRW": ("₩", "South Korean won"),
    "BRL": ("R$", "Brazilian real"), "MXN": ("MX$", "Mexican peso"), "SGD": ("S$", "Singapore dollar"),
    "HKD": ("HK$", "Hong Kong dollar"), "NZD": ("NZ$", "New Zealand dollar"), "SEK": ("kr", "Swedish krona"),
    "NOK": ("kr", "Norwegian krone"), "DKK": ("kr", "Danish krone"), "PLN": ("zł", "Polish złoty"),
    "ZAR": ("R", "South African rand"), "TRY": ("₺", "Turkish lira"), "THB": ("฿", "Thai baht"),
    "AED": ("AED", "UAE dirham"), "SAR": ("SAR", "Saudi riyal"), "ILS": ("₪", "Israeli new shekel"),
}  # fmt: skip
