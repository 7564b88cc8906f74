"""How does a test hold a ``litemaas up`` that runs as a person would start it? By its output, its files and its processes."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import psutil

from litemaas.cli.up.leftovers import MARK_VARIABLE

READY_WITHIN_S = 240.0
STOPS_WITHIN_S = 90.0
ANSWERS_WITHIN_S = 60.0


def until(reached: Callable[[], Any], within_s: float, what: str) -> None:
    """Polls until it is so.

    Errors: AssertionError naming ``what`` when the time is over.
    """
    deadline = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.02)


def read_connection(state_dir: Path) -> dict[str, str]:
    """What ``connection.env`` says."""
    lines = (state_dir / "connection.env").read_text(encoding="utf-8").splitlines()
    return {name: shlex.split(value)[0] for name, _, value in (line.partition("=") for line in lines)}


def processes_of(state_dir: Path) -> list[psutil.Process]:
    """Every living process that works for this state directory, whoever its parent is now."""
    mark_file = state_dir / "run.mark"
    mark = mark_file.read_text(encoding="ascii").strip() if mark_file.exists() else None
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            works_there = Path(process.cwd()).is_relative_to(state_dir.resolve())
            if (works_there or process.environ().get(MARK_VARIABLE) == mark is not None) and _is_alive(process):
                found.append(process)
    return found


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


class Up:
    """One ``litemaas up``, without a terminal, in its own session; ports are chosen by the system unless given."""

    def __init__(self, state_dir: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        self.state_dir = state_dir
        own = {name: value for name, value in os.environ.items() if not name.startswith("LITEMAAS_")}
        chosen = {"LITEMAAS_GATEWAY__PORT": "0", "LITEMAAS_CONTROL__PORT": "0", "LITEMAAS_STATE_DIR": str(state_dir)}
        output_file = state_dir.with_name(f"{state_dir.name[:40]}.{time.monotonic_ns()}.out")
        state_dir.parent.mkdir(parents=True, exist_ok=True)
        self._output_file = output_file
        with output_file.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "litemaas", "up", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**own, **chosen, **(environ or {})},
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output_file.read_text(encoding="utf-8", errors="replace")

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def ready(self) -> dict[str, str]:
        """Waits until it is ready; the connection's values."""
        file = self.state_dir / "connection.env"
        until(lambda: file.exists() or not self.is_running, READY_WITHIN_S, "ready")
        assert file.exists(), self.output
        return read_connection(self.state_dir)

    def says(self, text: str, within_s: float = READY_WITHIN_S) -> None:
        """Waits until the output holds a text."""
        until(lambda: text in self.output or not self.is_running, within_s, text)
        assert text in self.output, self.output

    def ended(self, within_s: float = STOPS_WITHIN_S) -> int:
        """Waits for the end; the exit status."""
        return self.process.wait(within_s)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stops it as the person would; the exit status."""
        if self.is_running:
            self.process.send_signal(number)
        return self.ended()

    def kill_everything(self) -> None:
        """As a power cut would, without the machine."""
        processes = processes_of(self.state_dir)
        if self.is_running:
            self.process.kill()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(STOPS_WITHIN_S)
        until(lambda: not processes_of(self.state_dir), STOPS_WITHIN_S, "everything killed is gone")


def chat(connection: Mapping[str, str], model: str, key: str | None = None) -> httpx2.Response:
    """One chat call, with the demo's key unless another one is given."""
    return httpx2.post(
        f"{connection['LITEMAAS_GATEWAY_URL']}/v1/chat/completions",
        headers={"Authorization": f"Bearer {key or connection['LITEMAAS_DEMO_KEY']}"},
        json={"model": model, "messages": [{"role": "user", "content": "Hello!"}]},
        timeout=ANSWERS_WITHIN_S,
        trust_env=False,
    )


def ask_control(connection: Mapping[str, str], path: str, query: Mapping[str, str] | None = None) -> Any:
    """What the control plane's API tells its administrator."""
    answer = httpx2.get(
        f"{connection['LITEMAAS_CONTROL_URL']}{path}",
        params=query,
        headers={"Authorization": f"Bearer {connection['LITEMAAS_MASTER_KEY']}"},
        timeout=ANSWERS_WITHIN_S,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def ask_model(connection: Mapping[str, str], name: str) -> Any:
    """What the control plane's administrator sees of a model."""
    (model,) = ask_control(connection, "/api/v1/admin/models", {"name": name})["data"]
    return model


def run_in_shell(line: str) -> subprocess.CompletedProcess[str]:
    """Pastes a line into a shell."""
    environ = {"PATH": os.environ["PATH"]}
    command: Sequence[str] = ["/bin/sh", "-c", line]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=ANSWERS_WITHIN_S, check=False)
