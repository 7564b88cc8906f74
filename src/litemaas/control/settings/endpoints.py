"""Which paths serve the settings?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from litemaas.control.auth.gates import Open, requires
from litemaas.control.http.etags import IfMatch, require_match, tag
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.settings import repository, service
from litemaas.control.settings.groups import (
    CURRENCIES,
    GROUPS,
    AnalyticsSettings,
    BackupSettings,
    CatalogueSettings,
    ChargebackSettings,
    CountSettings,
    CurrencySettings,
    GroupName,
    GuardrailSettings,
    KeySettings,
    NotificationSettings,
    RetentionSettings,
    SessionSettings,
    SubscriptionSettings,
    TeamSettings,
    UserSettings,
)
from litemaas.core.permissions import Permission

router = APIRouter(prefix="/api/v1", tags=["settings"], route_class=WorkRoute, responses=PROBLEMS)
_READ = [requires(Permission.ADMIN_SETTINGS_READ)]
_WRITE = [requires(Permission.ADMIN_SETTINGS_WRITE)]
AnyGroup = (
    UserSettings | KeySettings | SubscriptionSettings | TeamSettings | CountSettings | CurrencySettings
    | AnalyticsSettings | CatalogueSettings | SessionSettings | NotificationSettings | RetentionSettings
    | BackupSettings | ChargebackSettings | GuardrailSettings
)  # fmt: skip


class Currency(BaseModel):
    code: str
    symbol: str
    name: str


class Currencies(BaseModel):
    data: list[Currency]


class AllSettings(BaseModel):
    """Every group, under its name with ``_`` for ``-``."""

    users: UserSettings
    api_keys: KeySettings
    subscriptions: SubscriptionSettings
    teams: TeamSettings
    counts: CountSettings
    currency: CurrencySettings
    analytics: AnalyticsSettings
    catalogue: CatalogueSettings
    sessions: SessionSettings
    notifications: NotificationSettings
    retention: RetentionSettings
    backup: BackupSettings
    chargeback: ChargebackSettings
    guardrails: GuardrailSettings


class KeyBounds(KeySettings):
    """What people must know to make a key."""

    keys_per_user: int
    keys_per_team: int


@router.get("/admin/settings", dependencies=_READ)
async def list_settings(work: WorkOf) -> AllSettings:
    """All groups as they hold now."""
    rows = await repository.every(await work.connection())
    held = {name.replace("-", "_"): service.shown(kind, rows.get(name)) for name, kind in GROUPS.items()}
    return AllSettings.model_validate(held)


@router.get("/admin/settings/currency/supported", dependencies=_READ)
async def list_currencies() -> Currencies:
    """The currencies to choose from, with their usual symbols and names."""
    return Currencies(data=[Currency(code=code, symbol=s, name=n) for code, (s, n) in CURRENCIES.items()])


@router.get("/admin/settings/{group}", dependencies=_READ, response_model=AnyGroup)
async def get_settings(work: WorkOf, group: GroupName, response: Response) -> Any:
    """One group as it holds now."""
    return tag(response, await service.read(work, GROUPS[group]))


@router.put("/admin/settings/{group}", dependencies=_WRITE, response_model=AnyGroup)
async def put_settings(
    work: WorkOf, group: GroupName, body: dict[str, Any], response: Response, if_match: IfMatch = None
) -> Any:
    """Puts a whole group; members that are left out have their defaults again."""
    kind = GROUPS[group]
    require_match(if_match, await service.read(work, kind))
    try:
        wanted = kind.model_validate(body)
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in error.errors()]) from None
    return tag(response, await service.write(work, wanted))


@router.get("/config/keys", dependencies=[requires(Open.SIGNED_IN)])
async def get_key_bounds(work: WorkOf) -> KeyBounds:
    """Defaults and maximums of keys that people make for themselves."""
    keys = await service.read(work, KeySettings)
    counts = await service.read(work, CountSettings)
    return KeyBounds(**keys.model_dump(), keys_per_user=counts.keys_per_user, keys_per_team=counts.keys_per_team)
