"""Does the access rule refuse for each of its reasons, and do policies go before one another as the contract says?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from litemaas.core.catalog import Health, Lifecycle, health_of
from litemaas.core.entitlements import Block, Effect, Facts, Payer, Policy, Verdict, checks, first_block, judge
from litemaas.core.subscriptions import Status

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PAST, FUTURE = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
ANN = Payer(user_id="ann", groups=frozenset({"research"}))
TEAM = Payer(team_id="t1")


def policy(effect: Effect, **subjects: Any) -> Policy:
    values = {name: value if isinstance(value, bool) else frozenset(value) for name, value in subjects.items()}
    return Policy(id=effect.value, name=effect.value, effect=effect, **({"all_models": True} | values))


@pytest.mark.parametrize(
    ("given", "block"),
    [
        ({}, None),
        ({"key_revoked": True, "key_disabled": True}, Block.KEY_REVOKED),
        ({"key_disabled": True}, Block.KEY_DISABLED),
        ({"key_expires_at": NOW}, Block.KEY_EXPIRED),
        ({"key_expires_at": FUTURE}, None),
        ({"owner_active": False}, Block.ACCOUNT_DISABLED),
        ({"team_active": False}, Block.TEAM_DISABLED),
        ({"team_active": True, "in_team": False}, Block.TEAM_DISABLED),
        ({"team_active": True}, None),
        ({"team_models": []}, Block.POLICY_DENIED),
        ({"team_models": ["m"]}, None),
        ({"linked": False}, Block.MODEL_NOT_ON_KEY),
        ({"lifecycle": Lifecycle.RETIRED}, Block.MODEL_RETIRED),
        ({"lifecycle": Lifecycle.DRAFT}, Block.MODEL_UNAVAILABLE),
        ({"has_endpoint": False}, Block.MODEL_UNAVAILABLE),
        ({"lifecycle": Lifecycle.DEPRECATED}, None),
        ({"subscription": None}, Block.SUBSCRIPTION_MISSING),
        ({"subscription": None, "needs_subscription": False}, None),
        ({"subscription": Status.PENDING}, Block.SUBSCRIPTION_PENDING),
        ({"subscription": Status.DENIED}, Block.SUBSCRIPTION_DENIED),
        ({"subscription": Status.SUSPENDED}, Block.SUBSCRIPTION_SUSPENDED),
        ({"subscription": Status.EXPIRED}, Block.SUBSCRIPTION_EXPIRED),
        ({"subscription": Status.CANCELLED}, Block.SUBSCRIPTION_ENDED),
        ({"subscription": Status.INACTIVE}, Block.SUBSCRIPTION_ENDED),
        ({"subscription_expires_at": PAST}, Block.SUBSCRIPTION_EXPIRED),
        ({"verdict": Verdict(permitted=False, needs_approval=True)}, Block.POLICY_DENIED),
    ],
)
def test_the_rule_refuses_for_each_reason(given: dict[str, Any], block: Block | None):
    assert first_block(Facts(model="m", **given), NOW) is block


def test_all_parts_are_told_apart():
    facts = Facts(model="m", key_disabled=True, linked=False, subscription=None)
    found = {check.name: check.block for check in checks(facts, NOW) if check.block is not None}
    assert found == {
        "key": Block.KEY_DISABLED,
        "link": Block.MODEL_NOT_ON_KEY,
        "subscription": Block.SUBSCRIPTION_MISSING,
    }


@pytest.mark.parametrize(
    ("effects", "permitted", "needs_approval"),
    [
        ([], True, False),
        ([Effect.DENY, Effect.ALLOW, Effect.AUTO_APPROVE], False, True),
        ([Effect.ALLOW], True, False),
        ([Effect.AUTO_APPROVE, Effect.REQUIRE_APPROVAL], True, True),
        ([Effect.AUTO_APPROVE], True, False),
    ],
)
def test_effects_go_before_one_another(effects: list[Effect], permitted: bool, needs_approval: bool):
    verdict = judge([policy(effect, everyone=True) for effect in effects], ANN, "m", [], restricted=False)
    assert (verdict.permitted, verdict.needs_approval) == (permitted, needs_approval)


def test_a_restricted_model_needs_approval_unless_a_policy_waives_it():
    assert judge([], ANN, "m", [], restricted=True).needs_approval
    waived = judge([policy(Effect.AUTO_APPROVE, users={"ann"})], ANN, "m", [], restricted=True)
    assert not waived.needs_approval
    assert waived.policy is not None


def test_once_a_model_has_allow_policies_whoever_none_of_them_names_is_refused():
    allow = policy(Effect.ALLOW, all_models=False, models={"m"}, groups={"research"})
    assert judge([allow], ANN, "m", [], restricted=False).permitted
    stranger = judge([allow], Payer(user_id="bob"), "m", [], restricted=False)
    assert not stranger.permitted
    assert stranger.policy is allow
    assert judge([allow], Payer(user_id="bob"), "other", [], restricted=False).permitted


@pytest.mark.parametrize(
    ("subjects", "payer", "meets"),
    [
        ({"groups": {"research"}}, ANN, True),
        ({"users": {"ann"}}, ANN, True),
        ({"teams": {"t1"}}, ANN, False),
        ({"teams": {"t1"}}, TEAM, True),
        ({"groups": {"research"}, "users": {"ann"}}, TEAM, False),
        ({"everyone": True}, TEAM, True),
        ({}, ANN, False),
    ],
)
def test_people_are_met_by_name_and_group_and_teams_by_team(subjects: dict[str, Any], payer: Payer, meets: bool):
    assert policy(Effect.DENY, **subjects).meets(payer) is meets


def test_a_policy_covers_models_by_name_and_by_tag():
    some = policy(Effect.DENY, all_models=False, models={"m"}, tags={"secret"}, everyone=True)
    assert some.covers("m", [])
    assert some.covers("other", ["public", "secret"])
    assert not some.covers("other", ["public"])


@pytest.mark.parametrize(
    ("found", "health"),
    [
        ([], Health.UNKNOWN),
        ([Health.UNKNOWN], Health.UNKNOWN),
        ([Health.HEALTHY, Health.UNKNOWN], Health.HEALTHY),
        ([Health.HEALTHY, Health.UNAVAILABLE], Health.DEGRADED),
        ([Health.UNAVAILABLE, Health.UNAVAILABLE], Health.UNAVAILABLE),
    ],
)
def test_a_model_is_as_healthy_as_its_deployments(found: list[Health], health: Health):
    assert health_of(found) is health
