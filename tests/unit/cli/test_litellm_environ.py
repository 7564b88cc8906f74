"""Does a container of LiteLLM start with the variables that it has, and no other program's?"""

from __future__ import annotations

import pytest

from litemaas.cli.litellm_environ import taken_from_litellm


def test_variables_of_litellm_become_ours() -> None:
    assert taken_from_litellm({
        "LITELLM_MASTER_KEY": "sk-m", "LITELLM_SALT_KEY": "salt", "DATABASE_URL": "postgresql://h/d", "NUM_WORKERS": "4",
        "REDIS_HOST": "valkey", "REDIS_PASSWORD": "p@ss/word",
    }) == {
        "LITEMAAS_MASTER_KEY": "sk-m", "LITEMAAS_ENCRYPTION_KEY": "salt", "LITEMAAS_DATABASE_URL": "postgresql://h/d",
        "LITEMAAS_GATEWAY__WORKERS": "4", "LITEMAAS_REDIS_URL": "redis://:p%40ss%2Fword@valkey:6379",
    }  # fmt: skip


@pytest.mark.parametrize("environ", [{}, {"DATABASE_URL": "postgresql://others/shop"}, {"LITELLM_MASTER_KEY": ""}])
def test_without_litellms_key_nothing_is_taken(environ: dict[str, str]) -> None:
    assert taken_from_litellm(environ) == {}


def test_a_redis_url_goes_before_its_parts() -> None:
    both = {"LITELLM_MASTER_KEY": "sk-m", "REDIS_URL": "redis://a:1", "REDIS_HOST": "b", "REDIS_PORT": "2"}
    assert taken_from_litellm(both)["LITEMAAS_REDIS_URL"] == "redis://a:1"


def test_prefix_pages_about_itself_and_log_level_are_taken() -> None:
    found = taken_from_litellm({
        "LITELLM_MASTER_KEY": "sk-m", "SERVER_ROOT_PATH": "/llm/", "NO_DOCS": "True", "LITELLM_LOG": "DEBUG",
    })  # fmt: skip
    assert found == {
        "LITEMAAS_MASTER_KEY": "sk-m", "LITEMAAS_GATEWAY__ROOT_PATH": "/llm", "LITEMAAS_GATEWAY__DOCS": "false",
        "LITEMAAS_LOG_LEVEL": "debug",
    }  # fmt: skip
    nothing = {"LITELLM_MASTER_KEY": "sk-m", "SERVER_ROOT_PATH": "/", "NO_DOCS": "False", "LITELLM_LOG": "loud"}
    assert taken_from_litellm(nothing) == {"LITEMAAS_MASTER_KEY": "sk-m"}
