"""What is a virtual key, and what does the gateway know of its caller?"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

import msgspec

from litemaas.core.errors import ModelNotAllowed
from litemaas.core.limits import BudgetRule, RateRule

KEY_PREFIX = "sk-"
ALL_MODELS = "all-proxy-models"
NO_MODELS = "no-default-models"
MASTER_KEY_HASH = "master"
"""Stands in records where a key's hash stands otherwise; the master key has no row."""


def generate_key() -> str:
    """A new secret: ``sk-`` and 22 URL-safe characters that carry 128 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(16)


def hash_key(key: str) -> str:
    """What is stored and looked up instead of the key: SHA-256 in hex. Keys carry 128 random bits, so no salt is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


def mask_key(key: str) -> str:
    """How a key is named to people: its last four characters."""
    return f"sk-...{key[-4:]}" if len(key) >= 11 else "sk-..."


class VirtualKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as the data plane knows it: identity, entitlement and limits, resolved once and cached.

    ``models``: names, access groups or wildcards; empty = every model. ``expires_at``: None = never. ``guardrails``: names of
    what its calls are looked at for.
    """

    key_hash: str
    key_name: str
    alias: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    pot_id: str | None = None
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

    def budgets_for(self, model: str) -> tuple[BudgetRule, ...]:
        """Everything that a call to ``model`` is booked on, limited or not."""
        own = self.model_budgets.get(model)
        return self.budgets if own is None else (*self.budgets, own)

    def rates_for(self, model: str) -> tuple[RateRule, ...]:
        """Every rate limit that holds for a call to ``model``."""
        own = self.model_rates.get(model)
        return self.rates if own is None else (*self.rates, own)

    def may_call(self, model: str, access_groups: tuple[str, ...] = ()) -> bool:
        """Whether this key's own list allows the public name ``model``."""
        if not self.models or model in self.models or ALL_MODELS in self.models or "all-team-models" in self.models:
            return True
        if any(group in self.models for group in access_groups):
            return True
        return any(entry.endswith("*") and model.startswith(entry[:-1]) for entry in self.models if entry != NO_MODELS)

    def refuse_model(self, model: str) -> ModelNotAllowed:
        allowed = ", ".join(self.models) if self.models != (NO_MODELS,) else "none"
        return ModelNotAllowed(f"key not allowed to access model {model!r}. This key can only access models: {allowed}")


def key_scope(key_hash: str) -> str:
    return f"key:{key_hash}"


def key_model_scope(key_hash: str, model: str) -> str:
    return f"key:{key_hash}/model:{model}"
