"""Are the defaults and bounds of new keys taken from LiteLLM's configuration?"""

from __future__ import annotations

from pathlib import Path

import pytest

from litemaas.cli.litellm_config import ConfigRefused

from .test_litellm_config import read


def test_what_keys_get_by_default_and_at_most_is_taken_as_one_variable_each(tmp_path: Path):
    config = read(
        tmp_path,
        "litellm_settings: {default_key_generate_params: {max_budget: 5}, upperbound_key_generate_params: {duration: 30d}}\n"
        "general_settings: {empty_models_on_update: all}",
    )
    assert config.environ == {
        "LITEMAAS_CONTROL__DEFAULT_KEY_GENERATE_PARAMS": '{"max_budget":5}',
        "LITEMAAS_CONTROL__UPPERBOUND_KEY_GENERATE_PARAMS": '{"duration":"30d"}',
        "LITEMAAS_CONTROL__EMPTY_MODELS_ON_UPDATE": "all",
    }
    assert config.warnings == []
    for wrong in ("{default_key_generate_params: 5}", "{upperbound_key_generate_params: {models: [a]}}"):
        with pytest.raises(ConfigRefused, match="key_generate_params"):
            read(tmp_path, f"litellm_settings: {wrong}")
