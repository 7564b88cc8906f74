"""How does a test run a play and read what became of it? By ansible-playbook, its exit status, its words, its files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import msgspec
import yaml

PLAY_WITHIN_S = 240
PROGRAMS = Path(os.environ.get("LITEMAAS_ANSIBLE_PROGRAMS") or Path(sys.executable).parent)
"""Where ansible-playbook lies: another directory tries another version of ansible-core."""
ROLE = "rhpds.litellm_virtual_keys.ocp4_workload_litellm_virtual_keys"
PREFIX = "ocp4_workload_litellm_virtual_keys_"
MODEL = "granite-3.3-8b"


def environment_of(home: Path) -> dict[str, str]:
    """Nothing of the person who runs the tests has a say."""
    return {
        "PATH": f"{PROGRAMS}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "ANSIBLE_HOME": str(home / "home"),
        "ANSIBLE_COLLECTIONS_PATH": str(home / "collections"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_NOCOLOR": "1",
        "LANG": "C.UTF-8",
        "NO_PROXY": "127.0.0.1,localhost",
    }


class Outcome(msgspec.Struct, frozen=True):
    """``output``: standard output and errors together."""

    rc: int
    output: str
    changed: int

    def succeeded(self) -> Outcome:
        assert self.rc == 0, self.output
        return self

    def failed(self, *words: str) -> Outcome:
        assert self.rc != 0, self.output
        missing = [word for word in words if word not in self.output]
        assert not missing, f"{missing} not in: {self.output}"
        return self


class Plays:
    """Plays of one test, with one ``output_dir``."""

    def __init__(self, environ: Mapping[str, str], directory: Path, url: str, master_key: str) -> None:
        self.environ = environ
        self.directory = directory
        self.url = url
        self.master_key = master_key
        self.guid = f"g{uuid4().hex[:8]}"
        self.output_dir = directory / "output"

    def variables(self, **members: Any) -> dict[str, Any]:
        """Those of a small lab; names without a prefix of their own get the role's."""
        own = {
            "guid": self.guid,
            "litellm_url": self.url,
            "litellm_master_key": self.master_key,
            "output_dir": str(self.output_dir),
        }
        own |= {f"{PREFIX}models": [MODEL], f"{PREFIX}retry_delay": 0.1}
        bare = (
            "ACTION",
            "guid",
            "num_users",
            "requester_email",
            "catalog_item_name",
            "agnosticd_user_info",
            "litellm_",
            "ocp4_",
            "env_type",
        )
        for name, value in members.items():
            own[name if name.startswith(bare) else PREFIX + name] = value
        return {name: value for name, value in own.items() if value is not ...}

    def role(self, *arguments: str, role: str = ROLE, **members: Any) -> Outcome:
        """One play on localhost with the role in it."""
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [{"ansible.builtin.include_role": {"name": role}}],
        }
        return self.play([play], *arguments, **members)

    def tasks(self, tasks: list[dict[str, Any]], *arguments: str, **members: Any) -> Outcome:
        return self.play(
            [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}],
            *arguments,
            **members,
        )

    def play(self, plays: list[dict[str, Any]], *arguments: str, **members: Any) -> Outcome:
        path = self.directory / "play.yml"
        path.write_text(yaml.safe_dump(plays), encoding="utf-8")
        return self.run(str(path), *arguments, **members)

    def start(
        self,
        playbook: str,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        variables: Mapping[str, Any] | None = None,
        **members: Any,
    ) -> subprocess.Popen[str]:
        """``variables``: these instead of a small lab's."""
        values = self.directory / "variables.json"
        given = self.variables(**members) if variables is None else variables
        values.write_text(json.dumps(given), encoding="utf-8")
        program = self.environ.get("WARM_PLAYBOOK") or str(PROGRAMS / "ansible-playbook")
        command = [program, playbook, "-e", f"@{values}", *arguments]
        return subprocess.Popen(
            command, env={**self.environ, **(environ or {})}, cwd=self.directory, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, playbook: str, *arguments: str, **members: Any) -> Outcome:
        """A playbook's path, or the name of one of a collection."""
        return ended(self.start(playbook, *arguments, **members))

    def data(self) -> dict[str, Any]:
        return yaml.safe_load((self.output_dir / "provision-user-data.yaml").read_text()) or {}

    def messages(self) -> list[str]:
        return yaml.safe_load((self.output_dir / "provision-user-info.yaml").read_text())

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> httpx2.Response:
        """What the gateway itself says."""
        headers = {"Authorization": f"Bearer {key or self.master_key}"}
        return httpx2.request(method, self.url + path, headers=headers, json=body, timeout=30, trust_env=False)

    def record(self, key_id: str) -> dict[str, Any]:
        """What the gateway knows of a key."""
        answer = self.ask("GET", f"/key/info?key={key_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()["info"]


def ended(process: subprocess.Popen[str]) -> Outcome:
    try:
        output, _ = process.communicate(timeout=PLAY_WITHIN_S)
    finally:
        process.kill()
    changed = [int(number) for number in re.findall(r"changed=(\d+)", output.rpartition("PLAY RECAP")[2])]
    return Outcome(process.returncode, output, sum(changed))
