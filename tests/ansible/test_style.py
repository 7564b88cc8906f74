"""Do the collections pass ansible-lint's strictest profile, and do modules and roles take what their pages say?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from tests.ansible.conftest import COLLECTIONS

NAMES = sorted(path.parent.name for path in COLLECTIONS.glob("*/galaxy.yml"))
MODULES = sorted(path for path in COLLECTIONS.glob("*/plugins/modules/*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_ansible_lint_has_nothing_to_say(name: str, installed: Mapping[str, str]):
    source = Path(installed["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections/rhpds" / name
    command = [
        str(Path(sys.executable).with_name("ansible-lint")),
        "--offline",
        "--strict",
        "--nocolor",
        "-q",
        str(source),
    ]
    config = ["-c", str(COLLECTIONS / name / ".ansible-lint"), "--project-dir", str(source)]
    ran = subprocess.run([*command, *config], env=installed, cwd=source, capture_output=True, text=True, timeout=500)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_module_is_documented_as_it_is(installed: Mapping[str, str]):
    """ansible-doc reads the pages; options of a page are those of the module."""
    names = [f"rhpds.{path.parts[-4]}.{path.stem}" for path in MODULES]
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", *names]
    ran = subprocess.run(command, env=installed, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    pages = yaml.safe_load(ran.stdout)
    for path, name in zip(MODULES, names, strict=True):
        page = pages[name]
        assert page["doc"]["short_description"], name
        assert page["examples"], name
        if "AnsibleModule(" not in path.read_text(encoding="utf-8"):
            continue
        home = f"ansible_collections.rhpds.{path.parts[-4]}.plugins.modules.{path.stem}"
        probe = f"import json\nfrom {home} import _ARGUMENTS as taken\n"
        probe += "shown = {n: [a.get('type'), a.get('default'), a.get('required', False)] for n, a in taken.items()}\n"
        probe += "print(json.dumps(shown))"
        environ = {**installed, "PYTHONPATH": installed["ANSIBLE_COLLECTIONS_PATH"]}
        taken = subprocess.run(
            [sys.executable, "-c", probe], env=environ, capture_output=True, text=True, timeout=60, check=True
        )
        documented = {
            n: [o["type"], o.get("default"), o.get("required", False)] for n, o in page["doc"]["options"].items()
        }
        assert documented == yaml.safe_load(taken.stdout), name


@pytest.mark.parametrize("role", sorted(COLLECTIONS.glob("*/roles/*")), ids=lambda path: path.name)
def test_every_variable_of_a_role_is_declared(role: Path):
    declared = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    names = {name for entry in declared.values() for name in entry["options"]}
    assert set(yaml.safe_load((role / "defaults/main.yml").read_text())) <= names


def test_the_collections_declare_each_other_and_nothing_else():
    galaxy = {name: yaml.safe_load((COLLECTIONS / name / "galaxy.yml").read_text()) for name in NAMES}
    assert galaxy["litellm_virtual_keys"]["dependencies"] == {}
    assert set(galaxy["litemaas"]["dependencies"]) == {"rhpds.litellm_virtual_keys"}
    for name in NAMES:
        assert f"## {galaxy[name]['version']}" in (COLLECTIONS / name / "CHANGELOG.md").read_text()
