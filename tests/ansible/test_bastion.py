"""Does the bastion's shell know address, key and models, whatever characters they have, and no longer than the lab lives?"""

from __future__ import annotations

import getpass
import grp
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.ansible.plays import Plays

BASTION = "rhpds.litellm_virtual_keys.ocp4_workload_litellm_bastion_profile"
PREFIX = "ocp4_workload_litellm_bastion_profile_"


def options(path: Path, **more: Any) -> dict[str, Any]:
    own = {"path": str(path), "owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name, "become": False}
    return {PREFIX + name: value for name, value in (own | more).items()}


def read(path: Path) -> list[str]:
    script = f'. "{path}"; printf "%s\\n" "$LITELLM_API_URL" "$LITELLM_API_KEY" "$LITELLM_MODELS"'
    return subprocess.run(
        ["/bin/sh", "-c", script], capture_output=True, text=True, check=True, timeout=10
    ).stdout.splitlines()


def test_quotes_dollars_and_spaces_survive_the_shell(plays: Plays, tmp_path: Path):
    path = tmp_path / "litemaas.sh"
    odd = {"api_url": "https://g/v1?a=$HOME", "api_key": 'sk-it\'s `id` "x" \\ $(id)', "models": "a b, $c"}
    assert plays.role(role=BASTION, **options(path, mode="0640", **odd)).succeeded().changed == 1
    assert read(path) == list(odd.values())
    assert path.stat().st_mode & 0o777 == 0o640
    again = plays.role("-vvv", "--diff", role=BASTION, **options(path, mode="0640", **odd)).succeeded()
    assert (again.changed, "sk-it" in again.output) == (0, False)
    plays.role(role=BASTION, ACTION="destroy", **options(path)).succeeded()
    assert not path.exists()
    assert plays.role(role=BASTION, ACTION="destroy", **options(path)).succeeded().changed == 0


def test_the_profile_comes_from_the_labs_data_and_an_empty_key_fails(plays: Plays, tmp_path: Path):
    path = tmp_path / "litemaas.sh"
    plays.role(role=BASTION, **options(path)).failed("There is no key for the bastion")
    plays.role(num_users=2).succeeded()
    plays.role(role=BASTION, **options(path, user="user2")).succeeded()
    assert read(path)[1] == plays.data()["litellm_user2_virtual_key"]


def test_the_role_of_keys_writes_and_removes_the_profile_on_its_group_of_bastions(plays: Plays, tmp_path: Path):
    path = tmp_path / "litemaas.sh"
    inventory = tmp_path / "inventory"
    inventory.write_text("[bastions]\nbastion ansible_connection=local\n")
    wanted = {"write_bastion_profile": True, **options(path)}
    plays.role("-i", str(inventory), **wanted).succeeded()
    assert read(path) == [
        f"{plays.url}/v1",
        plays.data()["litellm_virtual_key"],
        plays.data()["litellm_available_models_list"],
    ]
    plays.role("-i", str(inventory), ACTION="destroy", **wanted).succeeded()
    assert not path.exists()
