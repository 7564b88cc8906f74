"""Does ``litemaas up --workers`` behave as one gateway, and end as one?"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.conftest import StartUp
from tests.e2e.running import ANSWERS_WITHIN_S, chat, processes_of, until

from litemaas.cli.up import demo

pytestmark = pytest.mark.slow


def _workers(state_dir: Path) -> list[int]:
    return [process.pid for process in processes_of(state_dir) if "litemaas.gateway.worker" in process.cmdline()]


def test_several_workers_serve_the_demo_survive_a_kill_and_end_with_the_platform(start_up: StartUp, state_dir: Path):
    up = start_up(state_dir, "--demo", "--workers", "2")
    connection = up.ready()
    until(lambda: len(_workers(state_dir)) == 2, ANSWERS_WITHIN_S, "two workers")
    assert {chat(connection, demo.CHAT_MODEL).status_code for _ in range(10)} == {200}
    supervisor = next(process for process in processes_of(state_dir) if process.cmdline()[-1] == "workers")
    former = _workers(state_dir)
    supervisor.kill()
    up.says("gateway is back")
    until(lambda: len(_workers(state_dir)) == 2, ANSWERS_WITHIN_S, "two workers again")
    assert not set(_workers(state_dir)) & set(former)
    # What the killed ones held of the key's rate limits comes back within 30 s (decision 0016).
    until(
        lambda: chat(connection, demo.CHAT_MODEL).status_code == 200, ANSWERS_WITHIN_S, "an answer from the new workers"
    )
    assert up.stop() == 0, up.output
    assert processes_of(state_dir) == []
