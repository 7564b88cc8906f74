"""Which running platform do the end-to-end tests share? One ``litemaas up --demo`` per test process; others start their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.e2e.running import Up

StartUp = Callable[..., Up]


@pytest.fixture(scope="session")
def running_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The shared platform itself, for tests of its screen and its files; nobody stops it."""
    up = Up(tmp_path_factory.mktemp("platform") / "state", "--demo")
    try:
        up.ready()
        yield up
        assert up.stop() == 0, up.output
    finally:
        up.kill_everything()


@pytest.fixture(scope="session")
def platform(running_platform: Up) -> Mapping[str, str]:
    """The values of ``connection.env`` of a running demo: LITEMAAS_GATEWAY_URL, _CONTROL_URL, _MASTER_KEY, _DEMO_KEY."""
    return running_platform.ready()


@pytest.fixture
def start_up() -> Iterator[StartUp]:
    """Starts platforms of the test's own (arguments of :class:`Up`); nothing of them outlives the test."""
    started: list[Up] = []

    def start(state_dir: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Up:
        started.append(Up(state_dir, *arguments, environ=environ))
        return started[-1]

    yield start
    for up in started:
        up.kill_everything()


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Where a platform of the test's own keeps its state; not yet there."""
    return tmp_path / "state"


@pytest.fixture(scope="module")
def portal_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Where a module of journeys has its own platform: its people have done nothing before."""
    up = Up(tmp_path_factory.mktemp("portal") / "state", "--demo")
    try:
        connection = up.ready()
        engine_port = (up.state_dir / "sim-chat.port").read_text(encoding="ascii").strip()
        yield {**connection, "LITEMAAS_SIM_URL": f"http://127.0.0.1:{engine_port}"}
        assert up.stop() == 0, up.output
    finally:
        up.kill_everything()
