"""Which models are there and who serves them? The versioned snapshot that the control plane writes and the gateway reads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from litemaas.core.answer_cache import Forgetting
from litemaas.core.price_terms import Terms
from litemaas.core.pricing import Price

if TYPE_CHECKING:
    from litemaas.core.guardrail_definitions import Definition
    from litemaas.core.limits import BudgetRule, Limits, RateRule
    from litemaas.core.pass_through import PassThrough


class Mode(StrEnum):
    """What a model does; words of the field's clients (gateway-api contract 3.6, ``model_info.mode``)."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    CONVERSION = "conversion"
    RERANK = "rerank"
    TRANSCRIPTION = "audio_transcription"
    SPEECH = "audio_speech"
    IMAGE = "image_generation"
    MODERATION = "moderation"


class Lifecycle(StrEnum):
    """Whether a model can be called: once it is published, until it is retired."""

    DRAFT = "draft"
    AVAILABLE = "available"
    DEPRECATED = "deprecated"
    """Can be called, until its date."""
    RETIRED = "retired"


CALLABLE = frozenset({Lifecycle.AVAILABLE, Lifecycle.DEPRECATED})


class Health(StrEnum):
    """What checks found; it changes neither lifecycle nor subscriptions nor keys."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


def health_of(deployments: Iterable[Health]) -> Health:
    """A model's health by what is known of its deployments: it is degraded while only some of them are healthy."""
    found = set(deployments) - {Health.UNKNOWN}
    if len(found) > 1:
        return Health.DEGRADED
    return found.pop() if found else Health.UNKNOWN


class Strategy(StrEnum):
    """Which of several deployments of a model is asked first.

    Weighted: at random, by weight. Least busy: with the fewest calls under way. Latency: that answered fastest of late, by how
    busy it is. Affinity: the same for the same session, user or beginning of the prompt. Usage: with the fewest tokens of late.
    Cost: the cheapest.
    """

    WEIGHTED = "weighted"
    LEAST_BUSY = "least-busy"
    LATENCY = "latency"
    AFFINITY = "affinity"
    USAGE = "usage"
    COST = "cost"


OTHER_WORDS = {
    "simple-shuffle": Strategy.WEIGHTED,
    "latency-based-routing": Strategy.LATENCY,
    "usage-based-routing": Strategy.USAGE,
    "usage-based-routing-v2": Strategy.USAGE,
    "cost-based-routing": Strategy.COST,
}
"""LiteLLM's words for strategies (gateway-api contract 5.10)."""


def strategy_of(word: str) -> Strategy:
    """Errors: ValueError naming what there is."""
    try:
        return OTHER_WORDS.get(word) or Strategy(word)
    except ValueError:
        raise ValueError(f"{word!r} is not a routing strategy; there are {', '.join(Strategy)}") from None


class Tls(msgspec.Struct, frozen=True):
    """How an ``https`` upstream is trusted; ``ca`` is PEM text, None = the system's store."""

    verify: bool = True
    ca: str | None = None


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream that serves a model.

    ``api_base``: URL up to and without the endpoint (``http://host:8000/v1``). ``api_key``: the engine's credential in
    clear, only ever in memory. ``defaults``: members added to bodies that do not name them. ``rpm``, ``tpm``, ``parallel``:
    what it takes at most, requests and tokens per minute and calls at once, of all workers. ``cooldown_s``: how long it is
    left alone after a failure. ``listed``, ``terms``: the catalogue's price, and what leads from it to ``price``; None = that
    is the catalogue's. ``api_version``: of Azure's API. ``endpoints``: paths that the engine has besides the usual ones, like
    ``/v1/responses``. ``budgets``: its own and its provider's; when they are spent it is out of routing. ``tags``: of calls
    that it is for, where calls are routed by them.
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
    listed: Price | None = None
    terms: Terms | None = None
    weight: int = 1
    timeout_s: float | None = None
    stream_timeout_s: float | None = None
    tls: Tls = Tls()
    max_output_tokens: int | None = None
    max_context_tokens: int | None = None
    stream_usage: bool = True
    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None
    cooldown_s: float | None = None
    api_version: str | None = None
    endpoints: tuple[str, ...] = ()
    budgets: tuple[BudgetRule, ...] = ()
    tags: tuple[str, ...] = ()


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A public name and the deployments behind it, in a fixed order.

    A name that ends in ``*`` stands for all that begin so. ``aliases``: other names for it. ``fallbacks``: models that are
    asked when it cannot answer, ``context_fallbacks`` when a prompt is too long for it. ``strategy``, ``retries``: None = as
    the installation says. ``rpm``, ``tpm``: its capacity, of all callers together. ``counted_as``: its name in metrics, where
    that is another: clients make up no series.
    """

    name: str
    mode: Mode = Mode.CHAT
    access_groups: tuple[str, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    aliases: tuple[str, ...] = ()
    strategy: Strategy | None = None
    fallbacks: tuple[str, ...] = ()
    context_fallbacks: tuple[str, ...] = ()
    retries: int | None = None
    guardrails: tuple[str, ...] = ()
    counted_as: str | None = None
    rpm: int | None = None
    tpm: int | None = None

    @property
    def is_wildcard(self) -> bool:
        return self.name.endswith("*")

    def matched_by(self, name: str) -> Model:
        """The model that a wildcard stands for under this name: its rest goes where the engine's name has a star, too."""
        rest = name[len(self.name) - 1 :]
        return msgspec.structs.replace(
            self,
            name=name,
            counted_as=self.name,
            deployments=tuple(
                msgspec.structs.replace(d, model=name, engine_model=d.engine_model.replace("*", rest, 1))
                for d in self.deployments
            ),
        )


class Snapshot(msgspec.Struct, frozen=True):
    """The catalogue at one version; the data plane keeps the last good one.

    ``aliases``: other name → name. ``wildcards``: the longest beginnings first. ``zone``: in which days begin. ``guardrails``:
    those of the installation's own, by name. ``budget``, ``rates``: what holds for all callers together, None = nothing does.
    ``tags``: limits of calls that bear one. ``pass_through``: routes of the installation's own. ``forgetting``: which kept
    answers are not given any more.
    """

    version: int
    models: dict[str, Model]
    aliases: dict[str, str] = {}
    wildcards: tuple[Model, ...] = ()
    zone: tzinfo = UTC
    guardrails: dict[str, Definition] = {}
    budget: BudgetRule | None = None
    rates: RateRule | None = None
    pass_through: tuple[PassThrough, ...] = ()
    forgetting: Forgetting = Forgetting()
    tags: dict[str, Limits] = {}

    def find(self, name: str) -> Model | None:
        """The model of that name, of that alias, or of a wildcard that matches it."""
        model = self.models.get(name)
        if model is not None:
            return model
        meant = self.aliases.get(name)
        if meant is not None and meant in self.models:
            return self.models[meant]
        for wildcard in self.wildcards:
            if name.startswith(wildcard.name[:-1]) and len(name) >= len(wildcard.name):
                return wildcard.matched_by(name)
        return None


def snapshot_of(
    version: int, models: dict[str, Model], zone: tzinfo = UTC, guardrails: dict[str, Definition] | None = None
) -> Snapshot:
    """A model's own name goes before an alias; of models that claim the same alias, the first by name has it."""
    aliases: dict[str, str] = {}
    for name in sorted(models):
        for alias in models[name].aliases:
            aliases.setdefault(alias, name)
    wildcards = [model for model in models.values() if model.is_wildcard]
    longest_first = tuple(sorted(wildcards, key=lambda m: (-len(m.name), m.name)))
    return Snapshot(version, models, aliases, longest_first, zone, guardrails or {})
