"""Is LiteLLM's config.yaml read as the gateway-api contract 7 says?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from litemaas.cli.litellm_config import ConfigRefused, LitellmConfig, read_config

CONTRACT = """
model_list:
  - model_name: granite
    litellm_params: {model: openai/granite-3, api_base: "http://engine:8000/v1", api_key: os.environ/ENGINE_KEY, rpm: 60}
    model_info: {mode: chat, access_groups: [workshop], max_tokens: 4096}
general_settings: {master_key: os.environ/LITELLM_MASTER_KEY, database_url: os.environ/DATABASE_URL}
"""
ENVIRON = {
    "ENGINE_KEY": "engine-secret", "LITELLM_MASTER_KEY": "sk-master-0123456789", "DATABASE_URL": "postgresql://h/d"
}  # fmt: skip


def read(folder: Path, text: str, **environ: str) -> LitellmConfig:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return read_config(path, ENVIRON | environ)


def test_the_example_of_the_contract_is_read_and_its_references_are_replaced(tmp_path: Path):
    config = read(tmp_path, CONTRACT)
    [model] = config.models
    assert model["litellm_params"]["api_key"] == "engine-secret"
    assert model["model_info"]["access_groups"] == ["workshop"]
    assert config.environ == {
        "LITEMAAS_MASTER_KEY": "sk-master-0123456789", "LITEMAAS_DATABASE_URL": "postgresql://h/d"
    }  # fmt: skip
    assert config.warnings == []


def test_a_variable_that_is_not_set_is_named_with_its_key_and_no_secret(tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_text(CONTRACT, encoding="utf-8")
    with pytest.raises(ConfigRefused) as refused:
        read_config(path, {"ENGINE_KEY": "engine-secret"})
    told = str(refused.value)
    assert "general_settings.master_key" in told
    assert "LITELLM_MASTER_KEY" in told
    assert "DATABASE_URL" in told
    assert "engine-secret" not in told


def test_settings_are_translated_and_what_is_not_taken_is_named(tmp_path: Path):
    text = """
    litellm_settings: {num_retries: 1, drop_params: true}
    router_settings: {routing_strategy: least-busy, num_retries: 3, disable_cooldowns: true, set_verbose: true}
    general_settings: {max_request_size_mb: 2, cors_allow_origins: ["https://a", "https://b"], proxy_batch_write_at: 10}
    mcp_servers: {}
    """
    config = read(tmp_path, text)
    assert config.environ == {
        "LITEMAAS_GATEWAY__ROUTING__RETRIES": "3", "LITEMAAS_GATEWAY__ROUTING__STRATEGY": "least-busy",
        "LITEMAAS_GATEWAY__ROUTING__COOLDOWNS": "false", "LITEMAAS_GATEWAY__MAX_BODY_BYTES": "2097152",
        "LITEMAAS_GATEWAY__CORS_ORIGINS": "https://a,https://b",
    }  # fmt: skip
    assert [warning.split()[0] for warning in config.warnings] == [
        "general_settings.proxy_batch_write_at", "litellm_settings.drop_params", "router_settings.set_verbose", "mcp_servers"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("model_list: [{model_name: a, litellm_params: {model: bedrock/x}}]", "model_list[0].litellm_params.model"),
        ("model_list: [{model_name: a, litellm_params: {model: openai/x, mock_response: hi}}]", "mock_response"),
        ("model_list: [{model_name: a}]", "model_list[0]"),
        ("model_list: {}\nrouter_settings: {routing_strategy: mine}", "router_settings.routing_strategy"),
        ("general_settings: {custom_auth: mine.auth}", "general_settings.custom_auth"),
        ("general_settings: {database_url: 'mysql://h/d'}", "general_settings.database_url"),
        ("litellm_settings: {ssl_verify: false}", "litellm_settings.ssl_verify"),
        ("litellm_settings: [1]", "litellm_settings"),
        ("- a", "config.yaml"),
        ("a: [", "not valid YAML in line"),
        ("include: [config.yaml]", "circle"),
        ("include: [none.yaml]", "none.yaml cannot be read"),
    ],
)
def test_what_cannot_work_stops_the_start_and_is_named(tmp_path: Path, text: str, named: str):
    with pytest.raises(ConfigRefused) as refused:
        read(tmp_path, text)
    assert named in str(refused.value)


def test_included_files_are_merged(tmp_path: Path):
    (tmp_path / "models.yaml").write_text(CONTRACT, encoding="utf-8")
    text = """
    include: [models.yaml]
    model_list: [{model_name: llama, litellm_params: {model: hosted_vllm/llama, api_base: "http://b:1/v1"}}]
    general_settings: {master_key: sk-another-0123456789}
    """
    config = read(tmp_path, text)
    assert [model["model_name"] for model in config.models] == ["granite", "llama"]
    assert config.environ["LITEMAAS_MASTER_KEY"] == "sk-another-0123456789"


def test_an_empty_file_is_no_error(tmp_path: Path):
    empty: Any = read(tmp_path, "")
    assert (empty.models, empty.environ, empty.warnings) == ([], {}, [])
