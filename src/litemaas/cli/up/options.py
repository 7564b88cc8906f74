"""What was asked for at ``litemaas up``? Options and environment, read once and checked before anything starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from litemaas.cli.litellm_config import LitellmConfig
from litemaas.cli.litellm_extras import WantedRouting
from litemaas.cli.up.demo import MODEL_NAMES
from litemaas.cli.up.errors import CannotStart
from litemaas.core.keys import KEY_PREFIX
from litemaas.kit.settings import SettingsError, load_settings

MIN_SECRET = 16
_NAME = re.compile(r"[A-Za-z0-9._:/-]{1,255}")  # control-plane contract 6.1
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class GatewayOptions(msgspec.Struct, frozen=True):
    """The gateway reads all of its settings itself; these are the ones that its neighbours must know."""

    host: str = "127.0.0.1"
    port: Port = 4000
    workers: Annotated[int, msgspec.Meta(ge=1, le=128)] = 1
    drain_timeout_s: float = 20.0


class ControlOptions(msgspec.Struct, frozen=True):
    host: str = "127.0.0.1"
    port: Port = 8080


class Environment(msgspec.Struct, frozen=True):
    """What ``up`` takes from the environment; where it is silent, ``up`` provides."""

    state_dir: str = ".litemaas"
    database_url: str | None = None
    redis_url: str | None = None
    master_key: str | None = None
    encryption_key: str | None = None
    gateway: GatewayOptions = GatewayOptions()
    control: ControlOptions = ControlOptions()


@dataclass(frozen=True)
class ModelOption:
    """One ``--model``: a public name, the server behind it, and how that server calls the model, if it was said."""

    name: str
    api_base: str
    engine_model: str | None = None


@dataclass(frozen=True)
class UpOptions:
    environment: Environment
    demo: bool = False
    models: Sequence[ModelOption] = ()
    listed: Sequence[Mapping[str, Any]] = ()
    """Models of a configuration file, as bodies of LiteLLM's ``/model/new``."""
    credentials: Sequence[Mapping[str, Any]] = ()
    """Credentials that they refer to, as bodies of ``/credentials``."""
    routing: Mapping[str, WantedRouting] = field(default_factory=dict)
    """Fallbacks and aliases, by model."""
    guardrails: Sequence[Mapping[str, Any]] = ()
    """Definitions of a configuration file, as the settings take them."""
    budgets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Budgets of a configuration file, by whose they are, as ``PUT /api/v1/admin/budgets`` takes them."""
    pass_through: Sequence[Mapping[str, Any]] = ()
    """Routes of a configuration file, as bodies of ``/config/pass_through_endpoint``."""
    price_terms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Discounts and margins of a configuration file, by the names of LiteLLM's calls that take them."""
    webhooks: Sequence[Mapping[str, Any]] = ()
    """Whom a configuration file wants to be alerted, as bodies of ``/api/v1/admin/webhooks``."""

    @property
    def state_dir(self) -> Path:
        return Path(self.environment.state_dir).expanduser()


def read_options(
    environ: Mapping[str, str], demo: bool, models: Sequence[str], config: LitellmConfig | None = None
) -> UpOptions:
    """Errors: CannotStart, without the value of a secret."""
    try:
        environment = load_settings(Environment, environ)
    except SettingsError as error:
        raise CannotStart(str(error)) from None
    key = environment.master_key
    if key is not None and (not key.startswith(KEY_PREFIX) or len(key) < MIN_SECRET or not _is_visible(key)):
        raise CannotStart(
            f"LITEMAAS_MASTER_KEY must start with {KEY_PREFIX} and have at least {MIN_SECRET} visible ASCII characters."
        )
    if environment.encryption_key is not None and len(environment.encryption_key) < MIN_SECRET:
        raise CannotStart(f"LITEMAAS_ENCRYPTION_KEY must have at least {MIN_SECRET} characters.")
    gateway, control = environment.gateway, environment.control
    if gateway.port and gateway.port == control.port:
        raise CannotStart(
            f"LITEMAAS_GATEWAY__PORT and LITEMAAS_CONTROL__PORT are both {gateway.port}: choose another port for one."
        )
    options = [read_model_option(text) for text in models]
    for option in options:
        if demo and option.name in MODEL_NAMES:
            raise CannotStart(f"--model {option.name}: --demo simulates a model of this name; choose another name.")
    if config is None:
        return UpOptions(environment, demo, options)
    return UpOptions(
        environment,
        demo,
        options,
        config.models,
        config.credentials,
        config.routing,
        config.guardrails,
        config.budgets,
        config.pass_through,
        config.price_terms,
        config.webhooks,
    )


def read_model_option(text: str) -> ModelOption:
    """Reads ``NAME=URL`` or ``NAME=URL#engine-model``; a URL without a path means its ``/v1``.

    Errors: CannotStart
    """
    name, _, address = text.partition("=")
    if not _NAME.fullmatch(name) or not address:
        raise CannotStart(
            f"--model {text!r}: write NAME=http://host:port/v1, the name of letters, digits and . _ : / -"
        )
    try:
        url = urlsplit(address)
        is_usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or url.username is not None or url.query:
        raise CannotStart(
            f"--model {name}: the address must look like http://host:port/v1, without credentials or '?'."
        )
    api_base = urlunsplit((url.scheme, url.netloc, url.path.rstrip("/") or "/v1", "", ""))
    return ModelOption(name, api_base, url.fragment or None)


def _is_visible(text: str) -> bool:
    return all(33 <= ord(character) <= 126 for character in text)
