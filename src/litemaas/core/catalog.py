"""Which models are there and who serves them? The versioned snapshot that the control plane writes and the gateway reads."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from litemaas.core.pricing import Price


class Mode(StrEnum):
    """What a model does; words of the field's clients (gateway-api contract 3.6, ``model_info.mode``)."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    CONVERSION = "conversion"


class Tls(msgspec.Struct, frozen=True):
    """How an ``https`` upstream is trusted; ``ca`` is PEM text, None = the system's store."""

    verify: bool = True
    ca: str | None = None


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream that serves a model.

    ``api_base``: URL up to and without the endpoint (``http://host:8000/v1``). ``api_key``: the engine's credential in
    clear, only ever in memory. ``defaults``: members added to bodies that do not name them.
    """

    id: str
    model: str
    provider: str
    engine_model: str
    api_base: str
    api_key: str | None = None
    extra_headers: dict[str, str] = {}
    defaults: dict[str, msgspec.Raw] = {}
    price: Price = Price()
    weight: int = 1
    timeout_s: float | None = None
    stream_timeout_s: float | None = None
    tls: Tls = Tls()
    max_output_tokens: int | None = None
    max_context_tokens: int | None = None
    stream_usage: bool = True


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A public name and the deployments behind it, in a fixed order."""

    name: str
    mode: Mode = Mode.CHAT
    access_groups: tuple[str, ...] = ()
    deployments: tuple[Deployment, ...] = ()


class Snapshot(msgspec.Struct, frozen=True):
    """The catalogue at one version; the data plane keeps the last good one."""

    version: int
    models: dict[str, Model]
