"""Does the start say why a key of LiteLLM's config.yaml has no effect here?"""

from __future__ import annotations

from pathlib import Path

import pytest

from litemaas.cli.litellm_config import ConfigRefused
from litemaas.cli.litellm_needless import NEEDLESS
from litemaas.gateway.pages import CAN_BE_PUBLIC, public_pages
from litemaas.kit.settings import SettingsError

from .test_litellm_config import read


@pytest.mark.parametrize("where", NEEDLESS)
def test_a_key_without_effect_is_named_with_its_reason_and_not_where_it_asks_for_nothing(tmp_path: Path, where: str):
    section, name = where.split(".")
    [warning] = read(tmp_path, f"{section}: {{{name}: true}}").warnings
    assert warning.startswith(f"{where} has no effect here, because ")
    config = read(tmp_path, f"{section}: {{{name}: false}}")
    assert (config.environ, config.warnings) == ({}, [])


def test_a_strict_file_stops_at_what_has_no_effect(tmp_path: Path):
    with pytest.raises(
        ConfigRefused, match="disable_spend_logs has no effect here, because records of calls are the money"
    ):
        read(tmp_path, "general_settings: {disable_spend_logs: true, strict_config: true}")


def test_pages_can_be_public_and_calls_cannot(tmp_path: Path):
    text = "general_settings: {public_routes: [LiteLLMRoutes.public_routes, /health/readiness, /v1/models, /spend/calculate]}"
    config = read(tmp_path, text)
    assert config.environ == {"LITEMAAS_GATEWAY__PUBLIC_ROUTES": "/v1/models"}
    [warning] = config.warnings
    assert "/spend/calculate has no effect here, because" in warning
    with pytest.raises(ConfigRefused, match="must be a list of paths"):
        read(tmp_path, "general_settings: {public_routes: /v1/models}")


def test_the_gateway_refuses_to_make_a_call_public():
    assert public_pages("/models, /health") == {"/models", "/v1/models", "/health"}
    assert public_pages("") == frozenset()
    for name in CAN_BE_PUBLIC:
        assert name in public_pages(name)
    with pytest.raises(SettingsError, match="LITEMAAS_GATEWAY__PUBLIC_ROUTES: '/v1/chat/completions'"):
        public_pages("/v1/chat/completions")
