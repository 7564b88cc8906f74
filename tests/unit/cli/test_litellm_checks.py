"""Which checks of LiteLLM's config.yaml have an equal here?"""

from __future__ import annotations

from pathlib import Path

import pytest

from litemaas.cli.litellm_config import ConfigRefused

from .test_litellm_config import read

STRATEGY = "LITEMAAS_GATEWAY__ROUTING__STRATEGY"


def test_prompts_are_checked_where_the_file_says_so(tmp_path: Path):
    config = read(tmp_path, "router_settings: {enable_pre_call_checks: true}")
    assert (config.environ, config.warnings) == ({"LITEMAAS_GATEWAY__ROUTING__CHECK_PROMPTS": "true"}, [])


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("optional_pre_call_checks: null", {}),
        ("optional_pre_call_checks: [router_budget_limiting, responses_api_deployment_check]", {}),
        ("optional_pre_call_checks: [prompt_caching]", {STRATEGY: "affinity"}),
        ("optional_pre_call_checks: [session_affinity], routing_strategy: simple-shuffle", {STRATEGY: "affinity"}),
    ],
)
def test_a_check_that_is_done_here_otherwise_is_not_named(tmp_path: Path, written: str, found: dict[str, str]):
    config = read(tmp_path, f"router_settings: {{{written}}}")
    assert (config.environ, config.warnings) == (found, [])


def test_checks_that_are_not_done_are_named(tmp_path: Path):
    text = "router_settings: {optional_pre_call_checks: [nonesuch, deployment_affinity], routing_strategy: least-busy}"
    config = read(tmp_path, text)
    assert config.environ == {STRATEGY: "least-busy"}
    [unknown, other] = config.warnings
    assert "nonesuch is not offered" in unknown
    assert "deployment_affinity has no effect here, because that is the strategy affinity" in other
    with pytest.raises(ConfigRefused, match="must be a list"):
        read(tmp_path, "router_settings: {optional_pre_call_checks: prompt_caching}")
