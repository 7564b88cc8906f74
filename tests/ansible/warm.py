"""Which programs stand in for ansible-playbook and the modules' Python? Forks of one that has imported everything."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.running import until

HERE = Path(__file__).parent
STARTS_WITHIN_S = 60


@contextmanager
def warm_programs(home: Path, environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """``WARM_PLAYBOOK`` and ``ANSIBLE_PYTHON_INTERPRETER`` for the environment of plays; ended with the block."""
    servers = []
    try:
        for kind in ("playbook", "module"):
            command = [sys.executable, str(HERE / "warm_server.py"), str(home / kind), kind]
            servers.append(subprocess.Popen(command, env=environ, cwd=home, stdin=subprocess.DEVNULL))
        for kind in ("playbook", "module"):
            until((home / kind).exists, STARTS_WITHIN_S, f"the server of a warm {kind} listens")
        yield {
            "WARM_PLAYBOOK": _client(home, "playbook", ""),
            "ANSIBLE_PYTHON_INTERPRETER": _client(home, "module", sys.executable),
        }
    finally:
        for server in servers:
            server.kill()
            server.wait()


def _client(home: Path, kind: str, interpreter: str) -> str:
    """A program without anything to import; its file names where to ask."""
    path = home / f"warm-{kind}"
    text = (HERE / "warm_client.py").read_text(encoding="utf-8")
    text = text.replace("@SOCKET@", str(home / kind)).replace("@INTERPRETER@", interpreter)
    path.write_text(f"#!{sys.executable} -IS\n{text}", encoding="utf-8")
    path.chmod(0o755)
    return str(path)
