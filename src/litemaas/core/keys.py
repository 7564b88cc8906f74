"""What is a virtual key, and what does the gateway know of its caller?"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from litemaas.core.entitlements import Block
from litemaas.core.errors import ModelNotAllowed
from litemaas.core.limits import BudgetRule, QuotaRule, RateRule

KEY_PREFIX = "sk-"
ALL_MODELS = "all-proxy-models"
NO_MODELS = "no-default-models"
MASTER_KEY_HASH = "master"
"""Stands in records where a key's hash stands otherwise; the master key has no row."""


def generate_key() -> str:
    """A new secret: ``sk-`` and 22 URL-safe characters that carry 128 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(16)


def generate_long_key() -> str:
    """A new secret for people: ``sk-`` and 43 URL-safe characters that carry 256 random bits (control-plane contract 8)."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What is stored and looked up instead of the key: SHA-256 in hex. Keys carry 128 random bits, so no salt is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


def mask_key(key: str) -> str:
    """How a key is named to people: its last four characters."""
    return f"sk-...{key[-4:]}" if len(key) >= 11 else "sk-..."


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the access rule lets a governed key call one model, and until when that can be said.

    ``block``: None = it may. ``until``: the instant at which ``then`` takes the place of ``block``; None = only news change it.
    ``quotas``: what the payer's subscription allows per calendar month.
    """

    block: Block | None = None
    until: datetime | None = None
    then: Block | None = None
    quotas: tuple[QuotaRule, ...] = ()

    def at(self, now: datetime) -> Access:
        if self.until is None or now < self.until:
            return self
        return Access(block=self.then, quotas=self.quotas)


class Capture(msgspec.Struct, frozen=True):
    """An administrator wants to see what the calls of a key, or of a team's keys, say. ``until``: seconds since 1970, out."""

    id: str
    until: float


class VirtualKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as the data plane knows it: identity, entitlement and limits, resolved once and cached.

    ``models``: names, access groups or wildcards; empty = every model. ``expires_at``: None = never. ``guardrails``: names of
    what its calls are looked at for. ``block``: why nothing may be called with it at all. ``secret_until``: the secret that
    opened it was replaced and ends then. ``access``: by model, for keys that the access rule governs; None = it does not.
    ``permissions``: kinds of endpoints that it may call; None = all. ``tags``: of all its calls, besides their own.
    ``extra_budget_nano``: what its own budget has for a while, until ``extra_budget_until``; it is in ``budgets`` already.
    ``team_model_rates``: of its team, by model. ``routes``: groups and paths that it is for; empty = all.
    ``enforced_params``: members that each of its calls must have, with dots between a member and one within it.
    ``cache_controls``: what of :data:`~litemaas.core.answer_cache.CONTROLS` its calls may say; empty = all of them.
    ``ceilings``: lists of others that must allow a model, too, with the word for whose they are; an empty one allows none.
    """

    key_hash: str
    key_name: str
    alias: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    pot_id: str | None = None
    organization_id: str | None = None
    models: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    metadata: dict[str, object] = {}
    blocked: bool = False
    expires_at: datetime | None = None
    budgets: tuple[BudgetRule, ...] = ()
    rates: tuple[RateRule, ...] = ()
    model_budgets: dict[str, BudgetRule] = {}
    model_rates: dict[str, RateRule] = {}
    guardrails: tuple[str, ...] = ()
    is_master: bool = False
    block: Block | None = None
    secret_until: datetime | None = None
    access: dict[str, Access] | None = None
    permissions: frozenset[str] | None = None
    tags: tuple[str, ...] = ()
    ceilings: tuple[tuple[str, tuple[str, ...]], ...] = ()
    extra_budget_nano: int = 0
    extra_budget_until: datetime | None = None
    team_model_rates: dict[str, RateRule] = {}
    capture: Capture | None = None
    routes: tuple[str, ...] = ()
    enforced_params: tuple[str, ...] = ()
    cache_controls: tuple[str, ...] = ()

    def at(self, now: datetime) -> VirtualKey:
        """The key as it is at a later instant, if no news came in between."""
        key = self
        if self.extra_budget_until is not None and self.extra_budget_until <= now:
            key = key._without_extra_budget()
        if self.access is None or not any(a.until is not None and a.until <= now for a in self.access.values()):
            return key
        return msgspec.structs.replace(key, access={model: access.at(now) for model, access in self.access.items()})

    def _without_extra_budget(self) -> VirtualKey:
        own, *others = self.budgets
        limit = None if own.limit_nano is None else own.limit_nano - self.extra_budget_nano
        budgets = (msgspec.structs.replace(own, limit_nano=limit), *others)
        return msgspec.structs.replace(self, budgets=budgets, extra_budget_nano=0, extra_budget_until=None)

    def next_change(self) -> datetime | None:
        """The next instant at which the key itself, its secret, its extra budget or its access to a model ends."""
        ends = [end for end in (self.expires_at, self.secret_until, self.extra_budget_until) if end is not None]
        if self.access is not None:
            ends += [access.until for access in self.access.values() if access.until is not None]
        return min(ends, default=None)

    def quotas_for(self, model: str) -> tuple[QuotaRule, ...]:
        """What the payer's subscription to ``model`` counts, limited or not."""
        own = self.access.get(model) if self.access is not None else None
        return own.quotas if own is not None else ()

    def budgets_for(self, model: str) -> tuple[BudgetRule, ...]:
        """Everything that a call to ``model`` is booked on, limited or not."""
        own = self.model_budgets.get(model)
        return self.budgets if own is None else (*self.budgets, own)

    def rates_for(self, model: str) -> tuple[RateRule, ...]:
        """Every rate limit that holds for a call to ``model``."""
        of_model = (self.model_rates.get(model), self.team_model_rates.get(model))
        return (*self.rates, *(rule for rule in of_model if rule is not None))

    def may_call(self, model: str, access_groups: tuple[str, ...] = ()) -> bool:
        """Whether this key's own list allows the public name ``model``; for a governed key, whether the access rule does."""
        if self.access is not None:
            access = self.access.get(model)
            return access is not None and access.block is None
        if self.ceilings and not all(_lists(allowed, model, access_groups) for _, allowed in self.ceilings):
            return False
        if not self.models or model in self.models or ALL_MODELS in self.models or "all-team-models" in self.models:
            return True
        return _lists(self.models, model, access_groups)

    def refuse_model(self, model: str) -> ModelNotAllowed:
        if self.access is not None:
            access = self.access.get(model)
            block = access.block if access is not None else None
            return ModelNotAllowed(*_why(block or Block.MODEL_NOT_ON_KEY, model))
        own = not self.models or "all-team-models" in self.models or _lists(self.models, model, ())
        for level, allowed_there in self.ceilings:
            if own and not _lists(allowed_there, model, ()):
                listed = ", ".join(allowed_there) or "none"
                message = (
                    f"{level} not allowed to access model {model!r}. This {level} can only access models: {listed}"
                )
                return ModelNotAllowed(message, level=level)
        allowed = ", ".join(self.models) if self.models != (NO_MODELS,) else "none"
        return ModelNotAllowed(f"key not allowed to access model {model!r}. This key can only access models: {allowed}")


def _lists(names: tuple[str, ...], model: str, access_groups: tuple[str, ...]) -> bool:
    """Whether a list allows a public name: by itself, a group of it, a wildcard, or all."""
    if model in names or ALL_MODELS in names or any(group in names for group in access_groups):
        return True
    return any(entry.endswith("*") and model.startswith(entry[:-1]) for entry in names if entry != NO_MODELS)


def ceilings_of(
    team_models: Sequence[str] | None, user_models: Sequence[str] | None, *, has_team: bool
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Whose lists bound a key: the team's, or without a team the owner's (gateway-api contract 5.5, 5.6).

    ``team_models``: None = every model. ``user_models``: empty = every model.
    """
    if has_team:
        return () if team_models is None else (("team", tuple(team_models)),)
    return (("user", tuple(user_models)),) if user_models else ()


_WHY = {
    Block.MODEL_NOT_ON_KEY: "This key is not linked to the model {}. Add the model to the key",
    Block.SUBSCRIPTION_MISSING: "There is no subscription to the model {}. Subscribe to it first",
    Block.SUBSCRIPTION_PENDING: "The subscription to the model {} waits for approval. Ask an administrator",
    Block.SUBSCRIPTION_DENIED: "The subscription to the model {} was denied. Request a review",
    Block.SUBSCRIPTION_SUSPENDED: "The subscription to the model {} is suspended. Ask an administrator",
    Block.SUBSCRIPTION_EXPIRED: "The subscription to the model {} has expired. Subscribe again",
    Block.SUBSCRIPTION_ENDED: "The subscription to the model {} has ended. Subscribe again",
    Block.POLICY_DENIED: "A policy does not allow this key's payer to use the model {}. Ask an administrator",
    Block.MODEL_UNAVAILABLE: "The model {} cannot be called at the moment. Choose another model",
    Block.MODEL_RETIRED: "The model {} was retired. Choose its successor",
}


def _why(block: Block, model: str) -> tuple[str, str]:
    """Message and code of a refusal."""
    return f"key not allowed to access model {model[:200]!r}. {_WHY[block].format(repr(model[:200]))}", block.value


def extra_budget(stored: Mapping[str, Any] | None, now: datetime) -> tuple[int, datetime | None]:
    """What a key's budget has besides for a while, and until when; nothing once that is over.

    ``stored``: member ``temp_budget`` of the key's ``extras``: ``increase_nano`` and ``until``. Units: nano-USD.
    """
    if not stored:
        return 0, None
    until = datetime.fromisoformat(stored["until"])
    return (int(stored["increase_nano"]), until) if until > now else (0, None)


def payload_purpose(capture_id: str, call_id: str) -> str:
    """What the copy of a captured call is sealed for."""
    return f"payload:{capture_id}:{call_id}"


def key_scope(key_hash: str) -> str:
    return f"key:{key_hash}"


def key_model_scope(key_hash: str, model: str) -> str:
    return f"key:{key_hash}/model:{model}"
