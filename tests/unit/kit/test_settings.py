"""Are settings read into their types, and is what is wrong named by its variable and never by its value?"""

from __future__ import annotations

import msgspec
import pytest

from litemaas.gateway.settings import GatewaySettings
from litemaas.kit.settings import SettingsError, load_settings


class Inner(msgspec.Struct, frozen=True):
    timeout_s: float = 1.0
    enabled: bool = False


class Outer(msgspec.Struct, frozen=True):
    name: str
    port: int = 80
    inner: Inner = Inner()


def test_nested_names_and_types_are_read() -> None:
    environ = {
        "LITEMAAS_NAME": "n", "LITEMAAS_PORT": "8080", "LITEMAAS_INNER__TIMEOUT_S": "2.5", "LITEMAAS_INNER__ENABLED": "true",
        "LITEMAAS_UNKNOWN__THING": "x", "PATH": "/bin", "LITEMAAS_EMPTY": "",
    }  # fmt: skip
    assert load_settings(Outer, environ) == Outer("n", 8080, Inner(2.5, True))


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "LITEMAAS_NAME must be set"),
        ({"LITEMAAS_NAME": ""}, "LITEMAAS_NAME must be set"),
        ({"LITEMAAS_NAME": "n", "LITEMAAS_PORT": "secret-value"}, "LITEMAAS_PORT"),
        ({"LITEMAAS_NAME": "n", "LITEMAAS_INNER__TIMEOUT_S": "secret-value"}, "LITEMAAS_INNER__TIMEOUT_S"),
        ({"LITEMAAS_NAME": "n", "LITEMAAS_INNER": "secret-value"}, "LITEMAAS_INNER"),
        ({"LITEMAAS_NAME": "n", "LITEMAAS_INNER": "secret-value", "LITEMAAS_INNER__TIMEOUT_S": "1"}, "LITEMAAS_INNER"),
        ({"LITEMAAS_NAME": "n", "LITEMAAS_INNER__TIMEOUT_S": "1", "LITEMAAS_INNER": "secret-value"}, "LITEMAAS_INNER"),
    ],
)
def test_what_is_wrong_is_named_by_its_variable(environ: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(Outer, environ)
    assert words in str(raised.value)
    assert "secret-value" not in str(raised.value)


def test_the_gateways_settings_have_defaults_for_all_but_what_only_the_operator_knows() -> None:
    environ = {"LITEMAAS_DATABASE_URL": "d", "LITEMAAS_MASTER_KEY": "m", "LITEMAAS_ENCRYPTION_KEY": "e"}
    settings = load_settings(GatewaySettings, environ | {"LITEMAAS_GATEWAY__UPSTREAM__POOL__CONNECT_TIMEOUT_S": "7"})
    assert settings.gateway.upstream.pool.connect_timeout_s == 7
    for missing in environ:
        with pytest.raises(SettingsError, match=missing):
            load_settings(GatewaySettings, {name: value for name, value in environ.items() if name != missing})
