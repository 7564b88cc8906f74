"""Do the collections pass ansible-test's sanity tests?

Those that need packages of their own install them from the package index; ``make test-sanity`` runs them, too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.ansible.conftest import COLLECTIONS

NAMES = sorted(path.parent.name for path in COLLECTIONS.glob("*/galaxy.yml"))
ALONE = (
    "action-plugin-docs", "changelog", "compile", "empty-init", "ignores", "line-endings", "no-assert", "no-get-exception",
    "no-illegal-filenames", "no-smart-quotes", "replace-urlopen", "shebang", "symlinks", "use-argspec-type-path",
    "use-compat-six",
)  # fmt: skip
WITH_PACKAGES = ("ansible-doc", "import", "pep8", "pylint", "runtime-metadata", "validate-modules", "yamllint")
_PIP_IS_HERE = "import ensurepip\nensurepip.bootstrap()\n"
"""In the place of the script that ansible-test would fetch from the internet for its virtual environments."""


def sanity(environ: Mapping[str, str], name: str, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """In the installed collection; only our own Python's directory and the system's are searched for programs."""
    cache = Path(environ["HOME"]) / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    for path in ("get_pip_24_2.py", "get_pip_25_0.py"):
        (cache / path).write_text(_PIP_IS_HERE)
    source = Path(environ["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections/rhpds" / name
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = [str(Path(sys.executable).with_name("ansible-test")), "sanity", "--python", version, "--color", "no"]
    for test in tests:
        command += ["--test", test]
    path = f"{Path(sys.executable).parent}{os.pathsep}/usr/local/bin{os.pathsep}/usr/bin{os.pathsep}/bin"
    return subprocess.run(
        command, env={**environ, "PATH": path}, cwd=source, capture_output=True, text=True, timeout=900, check=False
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_needs_no_packages_holds(name: str, installed: Mapping[str, str]):
    ran = sanity(installed, name, ALONE)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_fault_is_found(installed: Mapping[str, str]):
    """Or else the tests above may have looked at nothing."""
    source = Path(installed["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections/rhpds/litemaas"
    planted = source / "plugins/module_utils/planted.py"
    planted.write_text("assert True\n")
    try:
        ran = sanity(installed, "litemaas", ("no-assert",))
    finally:
        planted.unlink()
    assert ran.returncode != 0
    assert "planted.py" in ran.stdout + ran.stderr


@pytest.mark.skipif("LITEMAAS_SANITY" not in os.environ, reason="make test-sanity runs it")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_everything_holds(name: str, installed: Mapping[str, str]):
    ran = sanity(installed, name, WITH_PACKAGES)
    assert ran.returncode == 0, ran.stdout + ran.stderr
