"""Are options and environment read as the person means them?"""

from __future__ import annotations

from pathlib import Path

import pytest

from litemaas.cli.up.errors import CannotStart
from litemaas.cli.up.options import ModelOption, read_model_option, read_options


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("granite=http://host:8000/v1", ModelOption("granite", "http://host:8000/v1")),
        ("granite=http://host:8000/v1/", ModelOption("granite", "http://host:8000/v1")),
        ("granite=http://host:8000", ModelOption("granite", "http://host:8000/v1")),
        ("ibm/granite:3=https://host/v3#own/name", ModelOption("ibm/granite:3", "https://host/v3", "own/name")),
        ("six=http://[::1]:8000#m", ModelOption("six", "http://[::1]:8000/v1", "m")),
    ],
)
def test_model_option_names_a_server_and_perhaps_the_engines_own_name(text: str, option: ModelOption):
    assert read_model_option(text) == option


@pytest.mark.parametrize(
    "text",
    ["", "granite", "granite=", "=http://host", "two words=http://host", "a=host:8000", "a=http://", "a=http://host:0",
     "a=http://host:port", "a=http://user:word@host/v1", "a=http://host/v1?key=1"],
)  # fmt: skip
def test_model_option_that_names_no_server_is_refused(text: str):
    with pytest.raises(CannotStart, match="--model"):
        read_model_option(text)


def test_without_an_environment_the_defaults_hold():
    options = read_options({}, demo=True, models=[])
    assert options.state_dir == Path(".litemaas")
    assert (options.environment.gateway.port, options.environment.control.port) == (4000, 8080)


def test_settings_of_the_planes_and_of_other_programs_are_passed_over():
    environ = {
        "LITEMAAS_GATEWAY__JOURNAL__MAX_BYTES": "1",
        "LITEMAAS_GATEWAY__PORT": "0",
        "HOME": "/",
        "LITEMAAS_NEW": "1",
    }
    assert read_options(environ, demo=False, models=[]).environment.gateway.port == 0


@pytest.mark.parametrize("key", ["secret-0123456789abcdef", "sk-short", "sk-0123456789 abcdef", "sk-0123456789äbcdef"])
def test_master_key_that_no_client_could_send_is_refused_without_being_shown(key: str):
    with pytest.raises(CannotStart) as refusal:
        read_options({"LITEMAAS_MASTER_KEY": key}, demo=False, models=[])
    assert key not in str(refusal.value)
