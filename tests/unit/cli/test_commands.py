"""What do the commands say without a platform: help, version, refusals?"""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from litemaas.cli.main import app
from litemaas.cli.wording import describe_database_error


def test_help_names_every_command():
    answer = CliRunner().invoke(app, ["--help"])
    assert answer.exit_code == 0
    for command in ("up", "gateway", "control", "sim", "migrate", "check-config"):
        assert command in answer.output


def test_version_is_the_distributions():
    answer = CliRunner().invoke(app, ["--version"])
    assert (answer.exit_code, answer.output.split()[0]) == (0, "litemaas")
    assert answer.output.split()[1][0].isdigit()


def test_command_line_loads_nothing_heavy_before_a_command_is_chosen():
    heavy = {"asyncio", "asyncpg", "fastapi", "httpx2", "msgspec", "pydantic", "sqlalchemy", "uvloop"}
    code = "import sys, litemaas.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert heavy & set(loaded.stdout.split()) == set()


@pytest.mark.parametrize("command", ["gateway", "control", "migrate"])
def test_missing_setting_is_named(command: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LITEMAAS_DATABASE_URL", raising=False)
    answer = CliRunner().invoke(app, [command])
    assert answer.exit_code == 2
    assert "LITEMAAS_" in answer.output
    assert "must be set" in answer.output


def test_simulation_settings_that_cannot_be_read_are_refused():
    answer = CliRunner().invoke(app, ["sim", '{"chat_port": "many"}'])
    assert answer.exit_code == 2
    assert "chat_port" in answer.output


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("invalid DSN: postgresql://u:hidden@h"), "its URL cannot be read"),
        (TimeoutError(), "it does not answer in time"),
        (ConnectionRefusedError(111, "Connection refused"), "ConnectionRefusedError: Connection refused"),
        (OSError("no way to postgresql://u:hidden@h/db"), "OSError: no way to postgresql://h/db"),
    ],
)
def test_failure_of_the_database_is_told_without_its_password(error: Exception, words: str):
    assert describe_database_error(error) == words
