"""What outlives what? Stops, kills and starts of ``litemaas up``, with the platform's own processes counted."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from tests.e2e.conftest import StartUp
from tests.e2e.running import STOPS_WITHIN_S, ask_control, chat, processes_of, until

from litemaas.cli.up import demo
from litemaas.cli.up.leftovers import MARK_VARIABLE

pytestmark = pytest.mark.slow


def _part(state_dir: Path, name: str) -> psutil.Process:
    return next(process for process in processes_of(state_dir) if process.cmdline()[-1] == name)


def test_second_start_keeps_keys_ports_and_catalogue_wherever_the_state_lies(start_up: StartUp, tmp_path: Path):
    state_dir = tmp_path / "with spaces, ümläuts and 日本" / ("deep" * 30) / "state"
    environ = {"HOME": str(tmp_path / "nothing here"), "LC_ALL": "C"}
    up = start_up(state_dir, "--demo", environ=environ)
    first = up.ready()
    catalogue = ask_control(first, "/api/v1/admin/models")
    assert up.stop() == 0, up.output
    assert processes_of(state_dir) == []

    up = start_up(state_dir, "--demo", environ=environ)
    assert up.ready() == first
    assert ask_control(first, "/api/v1/admin/models") == catalogue
    assert ask_control(first, "/api/v1/admin/keys")["pagination"]["total"] == 1
    assert chat(first, demo.CHAT_MODEL).status_code == 200


def test_stopping_leaves_no_process_and_no_connection_behind(start_up: StartUp, state_dir: Path):
    hang_up = (
        [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    )  # under nohup nobody stops at it
    for number in (signal.SIGTERM, *hang_up):  # SIGINT is how the other tests stop theirs
        up = start_up(state_dir)
        up.ready()
        assert len(processes_of(state_dir)) > 4
        assert up.stop(number) == 0, up.output
        assert processes_of(state_dir) == []
        assert not (state_dir / "connection.env").exists()
        assert "Stopped." in up.output


def test_interrupted_start_ends_orderly(start_up: StartUp, state_dir: Path):
    up = start_up(state_dir, "--demo")
    up.says("LiteMaaS")
    assert up.stop() == 0, up.output
    assert processes_of(state_dir) == []


def test_second_interruption_does_not_wait_for_running_calls(start_up: StartUp, state_dir: Path):
    up = start_up(state_dir)
    up.ready()
    os.kill(_part(state_dir, "gateway").pid, signal.SIGSTOP)  # a gateway that does not finish
    up.process.send_signal(signal.SIGINT)
    up.says("Stopping")
    assert up.stop(signal.SIGINT) == 0
    assert processes_of(state_dir) == []


def test_nothing_outlives_a_killed_parent_and_the_killed_platform_starts_again(start_up: StartUp, state_dir: Path):
    up = start_up(state_dir, "--demo")
    first = up.ready()
    up.process.kill()
    up.ended()
    until(lambda: not processes_of(state_dir), STOPS_WITHIN_S, "the children follow their parent")

    up = start_up(state_dir, "--demo")
    up.says("Ready after")
    assert up.ready() == first
    assert chat(first, demo.CHAT_MODEL).status_code == 200


def test_leftover_of_an_earlier_run_is_ended_and_nobody_else(start_up: StartUp, state_dir: Path):
    mark = secrets.token_hex(24)
    state_dir.mkdir(mode=0o700)
    (state_dir / "run.mark").write_text(mark, encoding="ascii")
    leftover = subprocess.Popen(["sleep", "300"], env={MARK_VARIABLE: mark, "PATH": os.environ["PATH"]})
    stranger = subprocess.Popen(["sleep", "300"], env={MARK_VARIABLE: "another", "PATH": os.environ["PATH"]})
    try:
        up = start_up(state_dir)
        assert leftover.wait(STOPS_WITHIN_S) == -signal.SIGTERM
        up.says("ended 1 process(es) of an earlier run")
        assert stranger.poll() is None
        assert up.stop() == 0
    finally:
        for process in (leftover, stranger):
            process.kill()
            process.wait()


def test_parts_and_servers_that_die_are_started_again(start_up: StartUp, state_dir: Path):
    up = start_up(state_dir, "--demo")
    connection = up.ready()
    for name, title in (("gateway", "gateway"), ("control", "control plane"), ("sim", "simulated servers")):
        _part(state_dir, name).kill()
        up.says(f"{title} ended (SIGKILL); starting it again in 0.5 s")
        up.says(f"{title} is back")
    next(process for process in processes_of(state_dir) if "-D" in process.cmdline()).kill()
    up.says("PostgreSQL is back")
    assert chat(connection, demo.CHAT_MODEL).status_code == 200
    assert ask_control(connection, "/api/v1/admin/keys")["pagination"]["total"] == 1
    assert up.stop() == 0


def test_lost_demo_key_is_replaced_by_one_new_key(start_up: StartUp, state_dir: Path):
    up = start_up(state_dir, "--demo")
    first = up.ready()
    assert up.stop() == 0
    (state_dir / "demo.key").unlink()
    second = start_up(state_dir, "--demo").ready()
    assert second["LITEMAAS_DEMO_KEY"] != first["LITEMAAS_DEMO_KEY"]
    assert ask_control(second, "/api/v1/admin/keys")["pagination"]["total"] == 1
    assert chat(second, demo.CHAT_MODEL).status_code == 200
    assert chat(second, demo.CHAT_MODEL, first["LITEMAAS_DEMO_KEY"]).status_code == 401
