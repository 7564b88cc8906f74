"""What do tests of the collections run? Real ansible-core, with our collections built and installed, against a platform."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.conftest import platform, running_platform, start_up, state_dir

__all__ = ["platform", "running_platform", "start_up", "state_dir"]

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / "ansible/rhpds"

if importlib.util.find_spec("ansible.cli") is None:
    if os.environ.get("LITEMAAS_ANSIBLE_TESTS"):
        raise ImportError("requirements/ansible.txt is not installed")
    collect_ignore_glob = ["test_*.py"]
else:
    from tests.ansible.plays import PROGRAMS, Plays, environment_of
    from tests.ansible.warm import warm_programs


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The environment of an Ansible that has our collections and nothing else."""
    home = tmp_path_factory.mktemp("ansible")
    environ = environment_of(home)
    galaxy = str(PROGRAMS / "ansible-galaxy")
    for source in sorted(path.parent for path in COLLECTIONS.glob("*/galaxy.yml")):
        line = ["build", str(source), "--output-path", str(home)]
        subprocess.run([galaxy, "collection", *line], env=environ, check=True, capture_output=True, timeout=120)
    for archive in sorted(home.glob("*.tar.gz")):
        line = ["install", str(archive), "--offline", "--no-deps", "-p", str(home / "collections")]
        subprocess.run([galaxy, "collection", *line], env=environ, check=True, capture_output=True, timeout=120)
    with ExitStack() as servers:
        if (
            "LITEMAAS_ANSIBLE_PROGRAMS" not in os.environ
        ):  # modules of another ansible-core are not the ones that are ready
            environ |= servers.enter_context(warm_programs(home, environ))
        yield environ


@pytest.fixture
def plays(installed: Mapping[str, str], platform: Mapping[str, str], tmp_path: Path) -> Plays:
    """Runs plays against the shared platform; their output_dir is the test's own."""
    return Plays(installed, tmp_path, platform["LITEMAAS_GATEWAY_URL"], platform["LITEMAAS_MASTER_KEY"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each play starts a Python of its own several times; on a busy machine that takes long."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(600))
