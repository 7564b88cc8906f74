"""Which of the gateway's settings cannot be meant? What is a list of names in them, and which names there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litemaas.core.guardrails import unknown_of
from litemaas.gateway.errors import PROFILES
from litemaas.kit.settings import SettingsError

if TYPE_CHECKING:
    from litemaas.gateway.settings import GatewaySection


def check_error_styles(own: GatewaySection) -> None:
    """Errors: SettingsError."""
    if own.error_profile not in PROFILES:
        raise SettingsError(f"LITEMAAS_GATEWAY__ERROR_PROFILE must be one of {', '.join(PROFILES)}")
    if own.messages_error_style not in ("openai", "anthropic"):
        raise SettingsError("LITEMAAS_GATEWAY__MESSAGES_ERROR_STYLE must be openai or anthropic")


def guardrails_in(setting: str) -> tuple[str, ...]:
    """Errors: SettingsError for a name that is none."""
    names = names_in(setting)
    if unknown := unknown_of(names):
        raise SettingsError(f"LITEMAAS_GATEWAY__GUARDRAILS: there is no guardrail {unknown!r}")
    return names


def names_in(setting: str) -> tuple[str, ...]:
    """Of a list with commas."""
    return tuple(name for part in setting.split(",") if (name := part.strip()))
