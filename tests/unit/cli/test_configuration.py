"""Does ``check-config`` find what keeps a plane from starting, and keep secrets to itself?"""

from __future__ import annotations

import pytest

from litemaas.cli.configuration import check

GOOD = {
    "LITEMAAS_DATABASE_URL": "postgresql://somebody:hidden-word@db.example:5432/litemaas",
    "LITEMAAS_REDIS_URL": "redis://:hidden-word@valkey.example:6379/0",
    "LITEMAAS_MASTER_KEY": "sk-hidden-word-0123456789",
    "LITEMAAS_ENCRYPTION_KEY": "hidden-word-0123456789",
    "LITEMAAS_GATEWAY__CONTROL_URL": "http://control.example:8080",
}


def _wrong(environ: dict[str, str]) -> list[str]:
    return [finding.text for finding in check(environ) if finding.is_wrong]


def _doubtful(environ: dict[str, str]) -> list[str]:
    return [finding.text for finding in check(environ) if finding.is_doubtful]


def test_whole_settings_are_fine():
    assert (_wrong(GOOD), _doubtful(GOOD)) == ([], [])


def test_empty_environment_names_what_is_missing_to_each_plane():
    assert len(_wrong({})) == 2
    assert all("must be set" in text for text in _wrong({}))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("LITEMAAS_MASTER_KEY", "hidden-word-0123456789", "must start with sk-"),
        ("LITEMAAS_ENCRYPTION_KEY", "hidden-word", "at least 16"),
        ("LITEMAAS_DATABASE_URL", "mysql://u:hidden-word@db/litemaas", "must begin with postgresql://"),
        ("LITEMAAS_REDIS_URL", "http://:hidden-word@valkey", "must begin with redis://"),
        ("LITEMAAS_REDIS_URL", "redis://:hidden-word@valkey:port", "is no URL"),
        ("LITEMAAS_GATEWAY__PORT", "hidden-word", "LITEMAAS_GATEWAY__PORT"),
        ("LITEMAAS_GATEWAY__PORT", "70000", "LITEMAAS_GATEWAY__PORT"),
        ("LITEMAAS_CONTROL__PORT", "70000", "LITEMAAS_CONTROL__PORT"),
    ],
)
def test_wrong_value_is_named_by_its_variable_and_not_shown(name: str, value: str, reason: str):
    environ = {**GOOD, name: value}
    assert any(reason in text for text in _wrong(environ))
    assert "hidden-word" not in "\n".join(map(str, check(environ)))


def test_slip_of_the_pen_is_noticed_with_what_may_be_meant():
    [doubt] = _doubtful({**GOOD, "LITEMAAS_GATEWAY__PROT": "4000"})
    assert "LITEMAAS_GATEWAY__PROT is read by no part" in doubt
    assert "is LITEMAAS_GATEWAY__PORT meant?" in doubt


def test_limits_that_hold_per_process_only_are_mentioned():
    assert any("LITEMAAS_REDIS_URL is not set" in text for text in _doubtful({**GOOD, "LITEMAAS_REDIS_URL": ""}))
