"""May this payer use this model, and if not, why? The access rule and the policies behind it, the same for both planes.

Source: control-plane contract 6.4 (policies), 7.1 (the rule) and 12 (the codes). Money, quotas and rates are asked elsewhere,
after this rule; all that counts here can be known before a call.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from litemaas.core.catalog import Lifecycle
from litemaas.core.subscriptions import Status, status_now


class Effect(StrEnum):
    DENY = "deny"
    """Hides and refuses."""
    ALLOW = "allow"
    """Whoever no such policy names is refused, once there is one for the model."""
    REQUIRE_APPROVAL = "require_approval"
    AUTO_APPROVE = "auto_approve"


class Block(StrEnum):
    """Why a call is refused, in the words of contract 12."""

    KEY_DISABLED = "key_disabled"
    KEY_REVOKED = "key_revoked"
    KEY_EXPIRED = "key_expired"
    ACCOUNT_DISABLED = "account_disabled"
    TEAM_DISABLED = "team_disabled"
    MODEL_NOT_ON_KEY = "model_not_on_key"
    ENDPOINT_NOT_PERMITTED = "endpoint_not_permitted"
    SUBSCRIPTION_MISSING = "subscription_missing"
    SUBSCRIPTION_PENDING = "subscription_pending"
    SUBSCRIPTION_DENIED = "subscription_denied"
    SUBSCRIPTION_SUSPENDED = "subscription_suspended"
    SUBSCRIPTION_EXPIRED = "subscription_expired"
    SUBSCRIPTION_ENDED = "subscription_ended"
    POLICY_DENIED = "policy_denied"
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_RETIRED = "model_retired"
    QUOTA_EXCEEDED = "quota_exceeded"


class Payer(msgspec.Struct, frozen=True):
    """Who pays: a person with the groups that their identity provider names, or a team."""

    user_id: str | None = None
    groups: frozenset[str] = frozenset()
    team_id: str | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """``groups`` and ``users`` meet what people pay for themselves, ``teams`` what a team pays for."""

    id: str
    name: str
    effect: Effect
    all_models: bool = False
    models: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    everyone: bool = False
    groups: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()

    def covers(self, model: str, tags: Iterable[str]) -> bool:
        return self.all_models or model in self.models or not self.tags.isdisjoint(tags)

    def meets(self, payer: Payer) -> bool:
        if self.everyone:
            return True
        if payer.team_id is not None:
            return payer.team_id in self.teams
        return payer.user_id in self.users or not self.groups.isdisjoint(payer.groups)


class Verdict(msgspec.Struct, frozen=True):
    """``policy``: the one that decided; None = none did."""

    permitted: bool
    needs_approval: bool
    policy: Policy | None = None


UNDISPUTED = Verdict(permitted=True, needs_approval=False)


def judge(policies: Collection[Policy], payer: Payer, model: str, tags: Collection[str], restricted: bool) -> Verdict:
    """What policies say of a payer and a model.

    A deny that meets refuses; once allow policies cover the model, one of them must meet; approval is needed as
    ``require_approval`` says, else not as ``auto_approve`` says, else as the model is ``restricted``.
    """
    covering = [policy for policy in policies if policy.covers(model, tags)]
    meeting = [policy for policy in covering if policy.meets(payer)]
    by_effect = {policy.effect: policy for policy in reversed(meeting)}
    if (deny := by_effect.get(Effect.DENY)) is not None:
        return Verdict(permitted=False, needs_approval=True, policy=deny)
    unmet = next((policy for policy in covering if policy.effect is Effect.ALLOW), None)
    if unmet is not None and Effect.ALLOW not in by_effect:
        return Verdict(permitted=False, needs_approval=True, policy=unmet)
    if (demand := by_effect.get(Effect.REQUIRE_APPROVAL)) is not None:
        return Verdict(permitted=True, needs_approval=True, policy=demand)
    if (waiver := by_effect.get(Effect.AUTO_APPROVE)) is not None:
        return Verdict(permitted=True, needs_approval=False, policy=waiver)
    return Verdict(permitted=True, needs_approval=restricted, policy=by_effect.get(Effect.ALLOW))


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key and a model. The defaults refuse nothing.

    ``subscription``: the payer's status for the model, None = there is none; asked for only where ``needs_subscription``:
    keys without a payer, like those of workshops, have none. ``team_active``: None = not a team's key; ``in_team``: whether
    the owner still belongs to it. ``team_models``: None = all.
    """

    key_disabled: bool = False
    key_revoked: bool = False
    key_expires_at: datetime | None = None
    owner_active: bool = True
    team_active: bool | None = None
    in_team: bool = True
    team_models: Collection[str] | None = None
    model: str
    linked: bool = True
    needs_subscription: bool = True
    subscription: Status | None = Status.ACTIVE
    subscription_expires_at: datetime | None = None
    verdict: Verdict = UNDISPUTED
    lifecycle: Lifecycle = Lifecycle.AVAILABLE
    has_endpoint: bool = True


class Check(msgspec.Struct, frozen=True):
    """One part of the rule; ``block`` is None where it holds."""

    name: str
    block: Block | None


def checks(facts: Facts, now: datetime) -> tuple[Check, ...]:
    """Every part of the access rule, in the order in which a refusal names them."""
    return (
        Check("key", _key_block(facts, now)),
        Check("owner", None if facts.owner_active else Block.ACCOUNT_DISABLED),
        Check("team", Block.TEAM_DISABLED if facts.team_active is False or not facts.in_team else None),
        Check("team_models", None if _team_allows(facts) else Block.POLICY_DENIED),
        Check("link", None if facts.linked else Block.MODEL_NOT_ON_KEY),
        Check("model", model_block(facts.lifecycle, has_endpoint=facts.has_endpoint)),
        Check("subscription", _subscription_block(facts, now)),
        Check("policies", None if facts.verdict.permitted else Block.POLICY_DENIED),
    )


def first_block(facts: Facts, now: datetime) -> Block | None:
    """Why the call is refused; None = the access rule lets it pass."""
    return next((check.block for check in checks(facts, now) if check.block is not None), None)


def model_block(lifecycle: Lifecycle, *, has_endpoint: bool) -> Block | None:
    """Why nobody can call a model now. Health does not count: it is found out by trying."""
    if lifecycle is Lifecycle.RETIRED:
        return Block.MODEL_RETIRED
    if lifecycle is Lifecycle.DRAFT or not has_endpoint:
        return Block.MODEL_UNAVAILABLE
    return None


_BLOCK_OF = {
    Status.ACTIVE: None,
    Status.PENDING: Block.SUBSCRIPTION_PENDING,
    Status.DENIED: Block.SUBSCRIPTION_DENIED,
    Status.SUSPENDED: Block.SUBSCRIPTION_SUSPENDED,
    Status.EXPIRED: Block.SUBSCRIPTION_EXPIRED,
    Status.CANCELLED: Block.SUBSCRIPTION_ENDED,
    Status.INACTIVE: Block.SUBSCRIPTION_ENDED,
}


def subscription_block(status: Status | None, expires_at: datetime | None, now: datetime) -> Block | None:
    """Why a subscription carries no call at this instant; ``status`` None = there is none."""
    return Block.SUBSCRIPTION_MISSING if status is None else _BLOCK_OF[status_now(status, expires_at, now)]


def _key_block(facts: Facts, now: datetime) -> Block | None:
    if facts.key_revoked:
        return Block.KEY_REVOKED
    if facts.key_disabled:
        return Block.KEY_DISABLED
    if facts.key_expires_at is not None and facts.key_expires_at <= now:
        return Block.KEY_EXPIRED
    return None


def _team_allows(facts: Facts) -> bool:
    return facts.team_models is None or facts.model in facts.team_models


def _subscription_block(facts: Facts, now: datetime) -> Block | None:
    if not facts.needs_subscription:
        return None
    return subscription_block(facts.subscription, facts.subscription_expires_at, now)
