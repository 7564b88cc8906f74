"""What is said when it cannot start? Each refusal names what to change, and leaves nothing running."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.e2e.conftest import StartUp
from tests.e2e.running import processes_of


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder.getsockname()[1]


@pytest.mark.parametrize("setting", ["LITEMAAS_GATEWAY__PORT", "LITEMAAS_CONTROL__PORT"])
def test_busy_port_is_named_with_its_setting_and_its_holder(
    start_up: StartUp, state_dir: Path, busy_port: int, setting: str
):
    up = start_up(state_dir, environ={setting: str(busy_port)})
    assert up.ended() == 1
    assert f"port {busy_port} is in use by" in up.output
    assert f"(process {os.getpid()})" in up.output
    assert f"set {setting} to another port" in up.output
    assert not (state_dir / "postgres").exists()  # nothing was started before


@pytest.mark.slow
def test_second_platform_in_one_state_directory_is_refused_and_the_first_goes_on(start_up: StartUp, state_dir: Path):
    first = start_up(state_dir)
    connection = first.ready()
    second = start_up(state_dir)
    assert second.ended() == 1
    assert f"is in use by process {first.process.pid}" in second.output
    assert "LITEMAAS_STATE_DIR" in second.output
    assert first.ready() == connection
    assert first.stop() == 0


@pytest.mark.parametrize(
    ("environ", "arguments", "reason"),
    [
        ({"LITEMAAS_MASTER_KEY": "quite-secret-0123456789"}, (), "LITEMAAS_MASTER_KEY must start with sk-"),
        ({"LITEMAAS_ENCRYPTION_KEY": "quite-secret"}, (), "LITEMAAS_ENCRYPTION_KEY must have at least 16"),
        ({"LITEMAAS_GATEWAY__PORT": "many"}, (), "LITEMAAS_GATEWAY__PORT"),
        ({"LITEMAAS_GATEWAY__PORT": "7", "LITEMAAS_CONTROL__PORT": "7"}, (), "are both 7"),
        ({}, ("--model", "granite"), "write NAME=http://host:port/v1"),
        ({}, ("--model", "granite=ftp://host/"), "must look like http://host:port/v1"),
        ({}, ("--demo", "--model", "docling=http://host/"), "--demo simulates a model of this name"),
    ],
)
def test_wrong_setting_is_refused_before_anything_starts(
    start_up: StartUp, state_dir: Path, environ: dict[str, str], arguments: tuple[str, ...], reason: str
):
    up = start_up(state_dir, *arguments, environ=environ)
    assert up.ended() == 2
    assert reason in up.output
    assert "quite-secret" not in up.output
    assert not state_dir.exists()


def test_state_directory_that_cannot_be_made_is_named(start_up: StartUp, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    up = start_up(tmp_path / "file")
    assert up.ended() == 1
    assert "LITEMAAS_STATE_DIR" in up.output


@pytest.mark.slow
def test_database_that_is_away_is_named_without_its_password(start_up: StartUp, state_dir: Path, free_port: int):
    url = f"postgresql://somebody:very-secret@127.0.0.1:{free_port}/litemaas"
    up = start_up(state_dir, environ={"LITEMAAS_DATABASE_URL": url})
    assert up.ended() == 1
    assert "the database of LITEMAAS_DATABASE_URL cannot be used" in up.output
    assert "very-secret" not in up.output
    assert processes_of(state_dir) == []


@pytest.mark.slow
async def test_a_migration_that_fails_stops_the_start(start_up: StartUp, state_dir: Path, empty_database_url: str):
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("create table virtual_keys (theirs int)")
    await connection.close()
    up = start_up(state_dir, environ={"LITEMAAS_DATABASE_URL": empty_database_url})
    assert await asyncio.to_thread(up.ended) == 1
    assert "the database of LITEMAAS_DATABASE_URL cannot be used" in up.output
    assert processes_of(state_dir) == []


@pytest.mark.slow
def test_last_words_of_a_part_that_dies_at_its_start_are_shown(start_up: StartUp, state_dir: Path):
    up = start_up(state_dir, environ={"LITEMAAS_GATEWAY__ERROR_PROFILE": "nonsense"})
    assert up.ended() == 1
    assert "the gateway ended at its start" in up.output
    assert "LITEMAAS_GATEWAY__ERROR_PROFILE must be one of" in up.output
    assert processes_of(state_dir) == []


@pytest.fixture
def free_port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]  # held and not listened on
