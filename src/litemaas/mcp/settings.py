"""What does the MCP server need to know to start?"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from litemaas.core.principals import TOKEN_PREFIX
from litemaas.kit.settings import SettingsError

_MIN_TOKEN = 24


class McpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``token``: a service token of the control plane, which clients present. ``personal_tokens``: whether other tokens of the
    control plane are taken, too, each with its own permissions. ``query_token``: whether ``?token=`` is taken; it lands in logs
    of proxies. ``allowed_hosts``: names in ``Host`` that are answered, separated by commas; empty: all.
    """

    token: str
    control_url: str = "http://127.0.0.1:8080"
    personal_tokens: bool = True
    query_token: bool = False
    pod_status: bool = False
    allowed_hosts: str = ""
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8082


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``LITEMAAS_MCP__…``."""

    mcp: McpSettings


def check_settings(settings: McpSettings) -> McpSettings:
    """Errors: SettingsError naming the variable, never its value."""
    if not settings.token.startswith(TOKEN_PREFIX) or len(settings.token) < _MIN_TOKEN:
        raise SettingsError("LITEMAAS_MCP__TOKEN: must be a token of the control plane; the master key is not taken")
    url = urlsplit(settings.control_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.username is not None:
        raise SettingsError("LITEMAAS_MCP__CONTROL_URL: must be an http or https URL without credentials")
    return settings
