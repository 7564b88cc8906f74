"""Are the rules for kinds of failure in LiteLLM's config.yaml taken over as the gateway reads them?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from litemaas.cli.litellm_config import ConfigRefused
from litemaas.gateway.failure_rules import FailureRules
from litemaas.gateway.settings import RoutingSettings

from .test_litellm_config import read

ROUTING = "LITEMAAS_GATEWAY__ROUTING__"


def test_policies_and_fallbacks_become_settings_that_the_gateway_can_read(tmp_path: Path):
    text = """
    router_settings:
      num_retries: 1
      allowed_fails: 3
      disable_cooldowns: true
      retry_policy: {RateLimitErrorRetries: 4, BadRequestErrorRetries: 0}
      model_group_retry_policy: {granite: {TimeoutErrorRetries: os.environ/TIMES}}
      allowed_fails_policy: {RateLimitErrorAllowedFails: 100}
    litellm_settings: {content_policy_fallbacks: [{granite: [safe]}, {"*": [usual]}]}
    """
    config = read(tmp_path, text, TIMES="7")
    assert config.warnings == []
    found = {name.removeprefix(ROUTING).lower(): value for name, value in config.environ.items()}
    assert (found.pop("retries"), found.pop("allowed_failures"), found.pop("cooldowns")) == ("1", "3", "false")
    assert found.pop("allowed_failures_alone") == "7"
    assert {name: json.loads(value) for name, value in found.items()} == {
        "retry_policy": {"RateLimitErrorRetries": 4, "BadRequestErrorRetries": 0},
        "model_retry_policies": {"granite": {"TimeoutErrorRetries": 7}},
        "allowed_failures_policy": {"RateLimitErrorAllowedFails": 100},
        "content_policy_fallbacks": {"granite": ["safe"], "*": ["usual"]},
    }
    FailureRules(RoutingSettings(**found))


def test_few_retries_change_nothing_for_a_models_only_deployment(tmp_path: Path):
    assert read(tmp_path, "litellm_settings: {num_retries: 2}").environ == {f"{ROUTING}RETRIES": "2"}


def test_a_number_that_can_have_no_effect_is_named_with_its_reason(tmp_path: Path):
    text = "router_settings: {allowed_fails_policy: {BadRequestErrorAllowedFails: 5}}"
    [warning] = read(tmp_path, text).warnings
    assert warning.startswith(
        "router_settings.allowed_fails_policy.BadRequestErrorAllowedFails has no effect here, because"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        "router_settings: {retry_policy: {RateLimitError: 1}}",
        "router_settings: {retry_policy: 3}",
        "router_settings: {model_group_retry_policy: {a: {TimeoutErrorRetries: -1}}}",
        "router_settings: {allowed_fails_policy: {TimeoutErrorAllowedFails: many}}",
        "router_settings: {content_policy_fallbacks: [a]}",
        "litellm_settings: {content_policy_fallbacks: [{a: b}]}",
    ],
)
def test_a_rule_that_cannot_be_meant_stops_the_start(tmp_path: Path, wrong: str):
    section, _, rest = wrong.partition(": {")
    with pytest.raises(ConfigRefused, match=f"{section}.{rest.partition(':')[0]}"):
        read(tmp_path, wrong)
