"""Does the role put the platform into a cluster once, keep every secret, change only what differs, and leave nothing behind?"""

from __future__ import annotations

import base64
import copy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.ansible.conftest import ROOT
from tests.ansible.plays import Plays
from tests.deploy.api_server import ApiServer, serving

ROLE = "rhpds.litemaas.ocp4_workload_litemaas"
PREFIX = "ocp4_workload_litemaas_"

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


class Installation:
    def __init__(self, plays: Plays, server: ApiServer, kubeconfig: Path) -> None:
        self.plays = plays
        self.server = server
        self.kubeconfig = kubeconfig
        self.chart = plays.directory / "chart"
        shutil.copytree(ROOT / "deploy/helm/litemaas", self.chart)

    def run(self, *arguments: str, **members: Any) -> Any:
        named = {
            "chart": str(self.chart),
            "kubeconfig": str(self.kubeconfig),
            "wait_timeout": 0,
        } | members
        values = {name if name == "ACTION" else PREFIX + name: value for name, value in named.items()}
        return self.plays.role(*arguments, role=ROLE, **values)

    def objects(self) -> dict[tuple[str, str], Any]:
        return {(thing["kind"], key[3]): copy.deepcopy(thing) for key, thing in self.server.objects.items()}


@pytest.fixture
def installation(plays: Plays, tmp_path: Path) -> Iterator[Installation]:
    with serving() as (server, kubeconfig):
        path = tmp_path / "kubeconfig"
        path.write_text(kubeconfig)
        domain = {"kind": "Ingress", "apiVersion": "config.openshift.io/v1", "metadata": {"name": "cluster", "namespace": ""},
                  "spec": {"domain": "apps.ocp.example.com"}}  # fmt: skip
        server.put("config.openshift.io/v1", "ingresses", domain)
        yield Installation(plays, server, path)


def test_a_second_run_changes_nothing_a_changed_value_only_its_consumers_and_removal_leaves_nothing(
    installation: Installation,
):
    foreseen = installation.run("--check").succeeded()
    assert (foreseen.changed, installation.server.written[1:]) == (2, [])
    first = installation.run("-vvv", "--diff").succeeded()
    objects = installation.objects()
    master = base64.b64decode(objects["Secret", "litellm-secret"]["data"]["LITELLM_MASTER_KEY"]).decode()
    assert master.startswith("sk-")
    assert master not in first.output
    assert objects["Deployment", "litellm"]["spec"]["replicas"] == 3
    assert objects["Route", "litellm-admin"]["spec"]["host"] == "litellm-admin.apps.ocp.example.com"
    data = installation.plays.data()
    assert (data["litellm_admin_url"], data["litemaas_admin_api_key"]) == (
        "https://litellm-admin.apps.ocp.example.com",
        master,
    )
    assert data["litellm_api_endpoint"] == "https://litellm.apps.ocp.example.com"
    again = installation.run("-vv", "--diff").succeeded()
    assert (again.changed, installation.objects()) == (0, objects), again.output
    installation.run(ha_litellm_replicas=4).succeeded()
    now = installation.objects()
    changed = {key for key in now if now[key] != objects.get(key)}
    assert {key for key in changed if key[0] != "ConfigMap"} == {("Deployment", "litellm")}
    installation.run(ACTION="destroy", keep_data=True).succeeded()
    assert {kind for kind, name in installation.objects()} == {"Secret", "Namespace", "Ingress"}
    installation.run(ACTION="destroy").succeeded()
    assert set(installation.objects()) == {("Ingress", "cluster")}
    assert installation.run(ACTION="destroy").succeeded().changed == 0


def test_what_is_missing_is_said(installation: Installation):
    installation.run(chart="").failed("must name the directory deploy/helm/litemaas")
    installation.run(kubectl="/nowhere/kubectl").failed("Install kubectl or oc")
    installation.run(litellm_api_key="changeme").failed("rendered")
