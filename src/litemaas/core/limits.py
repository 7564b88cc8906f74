"""Which limits hold for a call? Budget rules (money per window) and rate rules (per minute, in parallel), by level."""

from __future__ import annotations

from datetime import datetime

import msgspec

from litemaas.core.windows import EPOCH

UNLIMITED = 2147483647
"""Clients write this number for "no limit" (gateway-api contract 5.8); it is returned as sent and never enforced."""


class BudgetRule(msgspec.Struct, frozen=True):
    """What one level's spend is booked on, and the hard budget that bounds it, if any.

    Units: nano-USD per window; None = no limit. ``scope`` names what the money is booked on, like ``key:<hash>``; ``level``
    is the word that the refused caller reads.
    """

    scope: str
    level: str
    limit_nano: int | None = None
    duration: str | None = None
    set_at: datetime = EPOCH


class RateRule(msgspec.Struct, frozen=True):
    """Rate limits of one level.

    Units: requests and tokens per 60 s window, calls in parallel; None = no limit, 0 refuses everything.
    """

    scope: str
    level: str
    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None

    @property
    def is_empty(self) -> bool:
        return self.rpm is None and self.tpm is None and self.parallel is None


class QuotaRule(BudgetRule, frozen=True):
    """How many requests or tokens a subscription allows per calendar month: a budget in another unit.

    Units: ``limit_nano`` in requests, or in tokens where ``counts_tokens``.
    """

    counts_tokens: bool = False


def quota_rules(
    subscription_id: str, requests: int | None, tokens: int | None
) -> tuple[QuotaRule, QuotaRule]:  # fmt: skip
    """What calls under a subscription are counted on, whether there is a limit or not."""
    return (
        QuotaRule(f"quota:{subscription_id}/requests", "subscription", requests, "monthly"),
        QuotaRule(f"quota:{subscription_id}/tokens", "subscription", tokens, "monthly", counts_tokens=True),
    )


class Limits(msgspec.Struct, frozen=True):
    """What holds for some calls besides the limits of the key that asks. None = nothing does."""

    budget: BudgetRule | None = None
    rates: RateRule | None = None


class CustomerLimits(Limits, frozen=True):
    """Of the calls of one end user."""

    is_blocked: bool = False


INSTALLATION = "installation"
"""The level of what all callers spend and take together."""
TAG = "tag"
PROVIDER = "provider"
EVERYTHING = "all"
"""The installation's id among those of users and teams: there is one."""
CAPACITY = "model"
"""The level of what a model takes of all callers together."""
DEFAULT_CUSTOMER = "*"
"""Whose limits hold for each customer that has none of its own."""
_MAX_ID = 256


def user_scope(user_id: str) -> str:
    return f"user:{user_id}"


def team_scope(team_id: str) -> str:
    return f"team:{team_id}"


def member_scope(team_id: str, user_id: str) -> str:
    """What one member spends inside a team."""
    return f"member:{team_id}/{user_id}"


def team_model_scope(team_id: str, model: str) -> str:
    """What all keys of a team take of one model."""
    return f"team:{team_id}/model:{model}"


def pot_scope(pot_id: str) -> str:
    return f"pot:{pot_id}"


def organization_scope(organization_id: str) -> str:
    return f"organization:{organization_id}"


def deployment_scope(deployment_id: str) -> str:
    """What calls cost that a deployment served; booked while it has a budget."""
    return f"deployment:{deployment_id}"


def provider_scope(provider: str) -> str:
    """What calls cost that any deployment of a provider served; booked while it has a budget."""
    return f"{PROVIDER}:{provider}"


def tag_scope(tag: str) -> str:
    """What calls cost that bear a tag, by themselves or by their key; booked while the tag has limits."""
    return f"{TAG}:{tag}"


def installation_scope(installation_id: str = EVERYTHING) -> str:
    """What all calls cost, those of the master key included."""
    return f"{INSTALLATION}:{installation_id}"


def model_scope(model: str) -> str:
    """What all callers of a model take of its capacity."""
    return f"model:{model}"


def customer_scope(customer_id: str) -> str:
    return f"customer:{customer_id}"


def customer_of(end_user: str) -> str:
    """The customer that a call names, as it is booked: clients may send anything, PostgreSQL takes no NUL."""
    return end_user[:_MAX_ID].replace("\0", "")


def enforced(limit: int | None) -> int | None:
    """The limit to enforce: none where clients wrote the number that stands for "no limit"."""
    return None if limit is None or limit >= UNLIMITED else limit
