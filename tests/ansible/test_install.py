"""Does the role put the platform into a cluster once, keep every secret, change only what differs, and leave nothing behind?"""

from __future__ import annotations

import base64
import copy
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.ansible.conftest import COLLECTIONS, ROOT
from tests.ansible.plays import MODEL, Plays
from tests.deploy.api_server import ApiServer, serving
from tests.deploy.controllers import be_openshift, make_workloads_ready, storage_class
from tests.e2e.running import ask_control

PLAYBOOK = "rhpds.litemaas.deploy_litemaas_ha"
PREFIX = "ocp4_workload_litemaas_"
ROLES = COLLECTIONS / "litemaas/roles"

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


class Installation:
    def __init__(self, plays: Plays, server: ApiServer, kubeconfig: Path, control_url: str) -> None:
        self.plays = plays
        self.server = server
        self.kubeconfig = kubeconfig
        self.control_url = control_url
        self.chart = plays.directory / "chart"
        shutil.copytree(ROOT / "deploy/helm/litemaas", self.chart)

    def run(self, *arguments: str, **members: Any) -> Any:
        named = {
            "chart": str(self.chart),
            "kubeconfig": str(self.kubeconfig),
            "wait_timeout": 0,
        } | members
        values = {name if name == "ACTION" else PREFIX + name: value for name, value in named.items()}
        return self.plays.run(PLAYBOOK, *arguments, **values)

    def objects(self) -> dict[tuple[str, str], Any]:
        return {(thing["kind"], key[3]): copy.deepcopy(thing) for key, thing in self.server.objects.items()}


@pytest.fixture
def installation(plays: Plays, platform: Mapping[str, str], tmp_path: Path) -> Iterator[Installation]:
    with serving() as (server, kubeconfig):
        path = tmp_path / "kubeconfig"
        path.write_text(kubeconfig)
        be_openshift(server)
        yield Installation(plays, server, path, platform["LITEMAAS_CONTROL_URL"])


def test_a_second_run_changes_nothing_a_changed_value_only_its_consumers_and_removal_leaves_nothing(
    installation: Installation,
):
    written = list(installation.server.written)
    foreseen = installation.run("--check").succeeded()
    assert (foreseen.changed, installation.server.written) == (2, written)
    first = installation.run("-vvv", "--diff").succeeded()
    objects = installation.objects()
    master = base64.b64decode(objects["Secret", "litellm-secret"]["data"]["LITELLM_MASTER_KEY"]).decode()
    assert master.startswith("sk-")
    assert master not in first.output
    assert objects["Deployment", "litellm"]["spec"]["replicas"] == 3
    assert _claim(objects)["storageClassName"] == "gp3-csi"
    assert objects["Route", "litellm-admin"]["spec"]["host"] == "litellm-admin.apps.ocp.example.com"
    data = installation.plays.data()
    assert (data["litellm_admin_url"], data["litemaas_admin_api_key"]) == (
        "https://litellm-admin.apps.ocp.example.com",
        master,
    )
    assert data["litellm_api_endpoint"] == "https://litellm.apps.ocp.example.com"
    assert data["litemaas_version"] == yaml.safe_load((installation.chart / "Chart.yaml").read_text())["appVersion"]
    assert {"LiteMaaS Admin Login: admin", f"LiteMaaS Master Key: {master}"} <= set(installation.plays.messages())
    made = {key[1] for key in installation.server.objects if key[2]}  # those of a namespace
    foreseen_kinds = (ROLES / "ocp4_workload_litemaas/vars/main.yml").read_text()
    assert [plural for plural in made if plural not in foreseen_kinds and plural != "routes"] == []
    again = installation.run("-vv", "--diff").succeeded()
    assert (again.changed, installation.objects()) == (0, objects), again.output
    installation.run(ha_litellm_replicas=4).succeeded()
    now = installation.objects()
    changed = {key for key in now if now[key] != objects.get(key)}
    assert {key for key in changed if key[0] != "ConfigMap"} == {("Deployment", "litellm")}
    installation.run(ACTION="destroy", keep_data=True).succeeded()
    assert {kind for kind, name in installation.objects()} == {
        "Secret", "Namespace", "Ingress", "Infrastructure", "StorageClass",
    }  # fmt: skip
    installation.run(ACTION="destroy").succeeded()
    assert set(installation.objects()) == {
        ("Ingress", "cluster"),
        ("Infrastructure", "cluster"),
        ("StorageClass", "gp3-csi"),
    }
    assert installation.run(ACTION="destroy").succeeded().changed == 0


def _claim(objects: dict[tuple[str, str], Any]) -> dict[str, Any]:
    claim: dict[str, Any] = objects["StatefulSet", "litellm-postgres"]["spec"]["volumeClaimTemplates"][0]["spec"]
    return claim


def _container(objects: dict[tuple[str, str], Any], kind: str, name: str) -> dict[str, Any]:
    container: dict[str, Any] = objects[kind, name]["spec"]["template"]["spec"]["containers"][0]
    return container


def test_the_variables_of_earlier_installations_have_their_effect(installation: Installation):
    outcome = installation.run(
        litellm_image="registry.example.com:5000/own/gateway", litellm_tag="1.2", version="9.9", backend_tag="1.3",
        ha_postgres_image="registry.example.com:5000/pg@sha256:" + "a" * 64, ha_postgres_pvc_size="20Gi",
        ha_postgres_user="owner", ha_postgres_db="money", ha_postgres_max_connections=300,
        ha_litellm_memory_limit="8Gi", ha_redis_cpu_request="300m",
        api_route_name="ai", oauth_provider="google", oauth_client_id="id.apps.example.com",
        oauth_client_secret="GOCSPX-q7Zk2mV9tR4w", postgres_storage_class="gp3-csi", jwt_secret="unused-0123456789",
    ).succeeded()  # fmt: skip
    assert "jwt_secret has no effect any more" in " ".join(outcome.output.split())
    objects = installation.objects()
    gateway, postgres = (
        _container(objects, "Deployment", "litellm"),
        _container(objects, "StatefulSet", "litellm-postgres"),
    )
    assert gateway["image"] == "registry.example.com:5000/own/gateway:1.2"
    assert gateway["resources"]["limits"]["memory"] == "8Gi"
    assert _container(objects, "Deployment", "litellm-backend")["image"].endswith("control:1.3")
    assert _container(objects, "Deployment", "litellm-frontend")["image"].endswith("portal:9.9")
    assert _container(objects, "Deployment", "litellm-redis")["resources"]["requests"]["cpu"] == "300m"
    assert postgres["image"] == "registry.example.com:5000/pg@sha256:" + "a" * 64
    assert {"name": "POSTGRESQL_MAX_CONNECTIONS", "value": "300"} in postgres["env"]
    assert _claim(objects)["resources"]["requests"]["storage"] == "20Gi"
    database = {
        key: base64.b64decode(value).decode() for key, value in objects["Secret", "litemaas-db"]["data"].items()
    }
    assert (database["username"], database["database"]) == ("owner", "money")
    assert ("Route", "ai") in objects
    assert "https://accounts.google.com" in str(objects["ConfigMap", "litellm-backend"]["data"])
    # What only its owner can make is kept when it is not given again, and so is the class of a volume.
    installation.server.delete("storage.k8s.io/v1", "storageclasses", "", "gp3-csi")
    storage_class(installation.server, "another")
    secret = objects["Secret", "backend-secret"]
    installation.run(
        oauth_provider="google", oauth_client_id="id.apps.example.com", ha_postgres_pvc_size="20Gi"
    ).succeeded()
    assert installation.objects()["Secret", "backend-secret"]["data"] == secret["data"]
    assert _claim(installation.objects())["storageClassName"] == "gp3-csi"


def test_an_external_database_needs_no_storage_and_plain_kubernetes_no_openshift(installation: Installation):
    installation.server.hidden |= {"config.openshift.io/v1", "route.openshift.io/v1"}
    installation.server.delete("storage.k8s.io/v1", "storageclasses", "", "gp3-csi")
    url = "postgresql://owner:pa%40ss@db.example.com:5432/money?sslmode=verify-full"
    own = {"ha_enable_postgres": False, "ha_enable_redis": False, "oauth_enabled": False, "ha_litellm_replicas": 1}
    installation.run(**own).failed("ocp4_workload_litemaas_cluster_domain must be given")
    installation.run(**own, cluster_domain="apps.example.com").failed(
        "ocp4_workload_litemaas_database_url must be given"
    )
    outcome = installation.run("-vvv", **own, cluster_domain="apps.example.com", database_url=url).succeeded()
    assert "pa%40ss" not in outcome.output
    objects = installation.objects()
    assert {name for kind, name in objects if kind in ("StatefulSet", "Deployment")} == {
        "litellm",
        "litellm-backend",
        "litellm-frontend",
    }
    assert objects["Ingress", "litellm"]["spec"]["rules"][0]["host"] == "litellm.apps.example.com"
    assert base64.b64decode(objects["Secret", "litemaas-external-database"]["data"]["DATABASE_URL"]).decode() == url
    again = installation.run(**own, cluster_domain="apps.example.com", database_url=url).succeeded()
    assert again.changed == 0
    installation.run(**own, cluster_domain="apps.example.com", ACTION="destroy").succeeded()
    assert {kind for kind, _ in installation.objects()} == {"Ingress", "Infrastructure"}


def test_an_image_that_cannot_be_pulled_is_replaced_and_stays_so(installation: Installation):
    bad, good = "registry.example.com/pg:16", "quay.io/example/pg:16"
    make_workloads_ready(installation.server, refused_images=(bad,))
    own = {"ha_postgres_image": bad, "ha_postgres_image_fallback": good, "wait_timeout": 30, "verify_ssl": False}
    own |= {"gateway_url": installation.plays.url, "api_url": installation.control_url}
    installation.run(**own).succeeded()
    assert _container(installation.objects(), "StatefulSet", "litellm-postgres")["image"] == good
    assert installation.run(**own).succeeded().changed == 0
    # Without a stand-in, the pods say why nothing comes.
    own |= {"ha_postgres_image_fallback": "", "wait_timeout": "", "wait_timeouts": {"postgresql": 3}}
    installation.run(**own).failed("StatefulSet litellm-postgres: kubectl rollout: ", "litellm-postgres-0")


def test_what_is_missing_is_said(installation: Installation):
    installation.server.denied.add("routes")
    installation.run().failed("may not be created by who is signed in", "routes.route.openshift.io")
    installation.server.denied.clear()
    installation.run(postgres_storage_class="fast").failed("There is no storage class fast; there are gp3-csi")
    installation.server.delete("storage.k8s.io/v1", "storageclasses", "", "gp3-csi")
    for name in ("blue", "red"):
        storage_class(installation.server, name)
    installation.run().failed("Which storage class shall", "blue, red")
    storage_class(installation.server, "red", **{"storageclass.kubernetes.io/is-default-class": "true"})
    assert {kind for kind, _ in installation.objects()} == {"Ingress", "Infrastructure", "StorageClass"}
    installation.run(ha_postgres_replicas=2).failed("PostgreSQL is one pod here")
    installation.run(chart="").failed("must name the directory deploy/helm/litemaas")
    installation.run(kubectl="/nowhere/kubectl").failed("Install kubectl or oc")
    installation.run(litellm_api_key="changeme").failed("rendered")
    installation.run(wait_timeout="", wait_timeouts={"gateway": "soon"}).failed(
        "wait_timeouts.gateway must be a number"
    )


def test_the_whole_order_of_an_installation_ends_with_a_call(installation: Installation, platform: Mapping[str, str]):
    """Role, until it serves, MCP server, models, keys; and all of it again without a change."""
    make_workloads_ready(installation.server)
    plays = installation.plays
    name = f"installed-{plays.guid}"
    (known,) = ask_control(platform, "/api/v1/admin/models", {"name": MODEL})["data"]
    model = {
        "model_name": name, "litellm_model": "hosted_vllm/" + known["deployments"][0]["engine_model"],
        "api_base": known["deployments"][0]["api_base"], "input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002,
    }  # fmt: skip
    own = {
        "litellm_api_key": plays.master_key, "gateway_url": plays.url, "api_url": platform["LITEMAAS_CONTROL_URL"],
        "wait_timeout": 60, "verify_ssl": False, "deploy_mcp": True, "litellm_models": [model], "namespace": plays.guid,
    }  # fmt: skip
    installation.run(**own).succeeded()
    data = plays.data()
    assert data["litemaas_mcp_url"] == "https://litemaas-mcp.apps.ocp.example.com/mcp"
    assert data["litemaas_mcp_api_key"].startswith("lmt_")
    assert installation.objects()["Route", "litemaas-mcp"]["metadata"]["annotations"] == {
        "haproxy.router.openshift.io/timeout": "300s"
    }
    assert "LiteMaaS MCP: https://litemaas-mcp.apps.ocp.example.com/mcp" in plays.messages()
    plays.role(models=[name]).succeeded()
    question = {"model": name, "messages": [{"role": "user", "content": "Does it serve?"}]}
    assert (
        plays.ask("POST", "/v1/chat/completions", question, key=plays.data()["litellm_virtual_key"]).status_code == 200
    )
    assert installation.run(**own).succeeded().changed == 0
    assert plays.role(models=[name]).succeeded().changed == 0
    assert plays.data()["litemaas_mcp_api_key"] == data["litemaas_mcp_api_key"]
    plays.role(models=[name], ACTION="destroy").succeeded()
    installation.run(**own, ACTION="destroy").succeeded()
    assert {kind for kind, _ in installation.objects()} == {"Ingress", "Infrastructure", "StorageClass"}
