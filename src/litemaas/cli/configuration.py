"""Do the settings in the environment fit both planes? Said in words, by the planes' own readers, without any secret."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from litemaas.cli.up.options import Environment
from litemaas.control.app.settings import Settings as ControlSettings
from litemaas.control.app.settings import check_settings
from litemaas.discovery.settings import Settings as DiscoverySettings
from litemaas.gateway.settings import GatewaySettings
from litemaas.kit.settings import PREFIX, SettingsError, load_settings
from litemaas.mcp.settings import Settings as McpSettings

_READERS = (Environment, GatewaySettings, ControlSettings, DiscoverySettings, McpSettings)
_SECRETS = ("LITEMAAS_MASTER_KEY", "LITEMAAS_ENCRYPTION_KEY")
_URLS = {
    "LITEMAAS_DATABASE_URL": ("postgresql", "postgres"),
    "LITEMAAS_REDIS_URL": ("redis", "rediss", "unix", "valkey"),
}


@dataclass(frozen=True)
class Finding:
    """One sentence, and whether it keeps a plane from starting."""

    text: str
    is_wrong: bool = False
    is_doubtful: bool = False

    def __str__(self) -> str:
        return f"{'wrong ' if self.is_wrong else 'note  ' if self.is_doubtful else 'fine  '} {self.text}"


def check(environ: Mapping[str, str]) -> list[Finding]:
    """What each plane says to its settings, and what no plane knows."""
    return [
        *_check_plane("gateway", environ, lambda: _describe_gateway(load_settings(GatewaySettings, environ))),
        *_check_plane("control plane", environ, lambda: _describe_control(load_settings(ControlSettings, environ))),
        *_check_shared(environ),
        *_unknown(environ),
    ]


def _check_plane(plane: str, environ: Mapping[str, str], describe: Callable[[], str]) -> Iterator[Finding]:
    try:
        yield Finding(f"{plane}: {describe()}")
    except SettingsError as error:
        yield Finding(f"{plane}: {without_values(str(error), environ)}", is_wrong=True)


def without_values(reason: str, environ: Mapping[str, str]) -> str:
    """A reader's message can quote what it could not read, which may be a secret in the wrong place."""
    for name, value in environ.items():
        if name.startswith(PREFIX) and len(value) > 3:
            reason = reason.replace(value, "...")
    return reason


def _describe_gateway(settings: GatewaySettings) -> str:
    own = settings.gateway
    if not 0 <= own.port <= 65535:
        raise SettingsError("LITEMAAS_GATEWAY__PORT: must be between 0 and 65535")
    management = (
        "with a control plane" if own.control_url else "without LITEMAAS_GATEWAY__CONTROL_URL: no management calls"
    )
    return f"listens on {own.host}:{own.port}, {management}"


def _describe_control(settings: ControlSettings) -> str:
    check_settings(settings)
    return f"listens on {settings.control.host}:{settings.control.port}"


def _check_shared(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name in _SECRETS:
        if environ.get(name):
            yield Finding(f"{name} is set ({len(environ[name])} characters)")
    key = environ.get("LITEMAAS_MASTER_KEY")
    if key and not key.startswith("sk-"):
        yield Finding("LITEMAAS_MASTER_KEY must start with sk-", is_wrong=True)
    for name, schemes in _URLS.items():
        if environ.get(name):
            yield _check_url(name, environ[name], schemes)
    if not environ.get("LITEMAAS_REDIS_URL"):
        yield Finding(
            "LITEMAAS_REDIS_URL is not set: changes reach the gateways through PostgreSQL alone", is_doubtful=True
        )


def _check_url(name: str, value: str, schemes: tuple[str, ...]) -> Finding:
    try:
        url = urlsplit(value)
        host, port = url.hostname, url.port
    except ValueError:
        return Finding(f"{name} is no URL", is_wrong=True)
    if url.scheme.partition("+")[0] not in schemes:
        return Finding(f"{name} must begin with {schemes[0]}://", is_wrong=True)
    return Finding(f"{name} points to {host or 'a local socket'}{f':{port}' if port else ''}")


def _unknown(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that look like ours and that nobody reads: most often a slip of the pen."""
    known = {name for kind in _READERS for name in _variables(kind, PREFIX)}
    for name in sorted(name for name in environ if name.startswith(PREFIX) and name not in known):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        yield Finding(f"{name} is read by no part{f'; is {near[0]} meant?' if near else ''}", is_doubtful=True)


def _variables(kind: Any, prefix: str) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        name = f"{prefix}{field.name.upper()}"
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _variables(field.type, f"{name}__")
        else:
            yield name
