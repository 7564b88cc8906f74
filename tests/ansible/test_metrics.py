"""Do model servers, GPUs and Grafana get what Prometheus and people need, beside what others made, and does it all go again?"""

from __future__ import annotations

import asyncio
import copy
import http.server
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from tests.ansible.conftest import COLLECTIONS, ROOT
from tests.ansible.plays import Outcome, Plays, ended
from tests.ansible.readmes import block
from tests.deploy.api_server import ApiServer, serving
from tests.deploy.ports import free_port, until_listening
from tests.deploy.validation import faults_of

ROLE = COLLECTIONS / "litemaas/roles/ocp4_workload_rhoai_metrics"
PREFIX = "ocp4_workload_rhoai_metrics_"
MODELS = "llm-hosting"
KSERVE = ("serving.kserve.io/v1beta1", "inferenceservices")
CORE = "v1"
GRAFANA = "grafana.integreatly.org/v1beta1"

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


class Cluster:
    """An OpenShift with KServe, GPUs and the controllers that answer to what the role makes."""

    def __init__(self, plays: Plays, server: ApiServer, kubeconfig: Path) -> None:
        self.plays = plays
        self.server = server
        self.kubeconfig = kubeconfig
        server.hidden.add(GRAFANA)
        for name in (MODELS, "nvidia-gpu-operator", "redhat-ods-applications", "openshift-monitoring"):
            self.put(CORE, "namespaces", "Namespace", name, "", labels={"kubernetes.io/metadata.name": name})
        self.put("apps/v1", "deployments", "Deployment", "kserve-controller-manager", "redhat-ods-applications")
        ports = [{"name": "gpu-metrics", "port": 9400}]
        labels = {"app": "nvidia-dcgm-exporter"}
        self.put(CORE, "services", "Service", "nvidia-dcgm-exporter", "nvidia-gpu-operator", {"ports": ports}, labels)
        self.put("user.openshift.io/v1", "groups", "Group", "litemaas-admins", "", users=["alice", "bob.b"])
        for path in sorted((ROOT / "deploy/gitops").glob("model*/**/*.yaml")):
            for one in yaml.safe_load_all(path.read_text()):
                if one and one["kind"] in ("ServingRuntime", "InferenceService"):
                    plural = f"{one['kind'].lower()}s"
                    server.put(one["apiVersion"], plural, {**one, "metadata": {**one["metadata"], "namespace": MODELS}})
        server.reactions.append(self._react)
        self.before = self.objects()

    def put(
        self, api: str, plural: str, kind: str, name: str, namespace: str, spec: Any = None, labels: Any = None, **members: Any
    ) -> None:  # fmt: skip
        meta = {"name": name, "namespace": namespace, **({"labels": labels} if labels else {})}
        thing = {"apiVersion": api, "kind": kind, "metadata": meta, **({"spec": spec} if spec else {}), **members}
        self.server.put(api, plural, thing)

    def _react(self, thing: dict[str, Any], is_gone: bool) -> None:
        name, namespace = thing["metadata"]["name"], thing["metadata"].get("namespace", "")
        if thing["kind"] == "Subscription" and not is_gone and "status" not in thing:
            self._install_operator(name, namespace)
            self.server.put(
                "operators.coreos.com/v1alpha1",
                "subscriptions",
                {**thing, "status": {"installedCSV": "grafana-operator.v5.18.0"}},
            )
        elif thing["kind"] == "CustomResourceDefinition" and is_gone:
            self.server.hidden.add(GRAFANA)
        elif thing["kind"] == "Grafana" and is_gone:
            self.server.delete("apps/v1", "deployments", namespace, f"{name}-deployment")
            self.server.delete("route.openshift.io/v1", "routes", namespace, f"{name}-route")
        elif thing["kind"] == "Grafana":
            self.put(
                "apps/v1", "deployments", "Deployment", f"{name}-deployment", namespace, status={"availableReplicas": 1}
            )
            host = f"{name}-route-{namespace}.apps.ocp.example.com"
            self.put("route.openshift.io/v1", "routes", "Route", f"{name}-route", namespace, {"host": host})
        elif thing["kind"] == "ConfigMap" and name == "cluster-monitoring-config":
            key = ("apps/v1", "statefulsets", "openshift-user-workload-monitoring", "prometheus-user-workload")
            if "enableUserWorkload: true" in thing["data"].get("config.yaml", "") and not is_gone:
                self.put(key[0], key[1], "StatefulSet", key[3], key[2], status={"readyReplicas": 2})
            elif key in self.server.objects:
                self.server.delete(*key)

    def _install_operator(self, name: str, namespace: str) -> None:
        api, plural = "operators.coreos.com/v1alpha1", "clusterserviceversions"
        self.put(
            api, plural, "ClusterServiceVersion", "grafana-operator.v5.18.0", namespace, status={"phase": "Succeeded"}
        )
        labels = {f"operators.coreos.com/{name}.{namespace}": ""}
        kind = ("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition")
        self.put(*kind, "grafanas.grafana.integreatly.org", "", None, labels)
        self.server.hidden.discard(GRAFANA)

    def run(self, *arguments: str, **members: Any) -> Outcome:
        named = {"namespace": MODELS, "kubeconfig": str(self.kubeconfig), "wait_timeout": 30} | members
        values = {name if name == "ACTION" else PREFIX + name: value for name, value in named.items()}
        return self.plays.run("rhpds.litemaas.metrics", *arguments, **values)

    def readme(self, *arguments: str) -> Outcome:
        """The playbook of the README, as it is written."""
        path = self.plays.directory / "readme.yml"
        path.write_text(block(ROLE), encoding="utf-8")
        return ended(
            self.plays.start(str(path), *arguments, environ={"KUBECONFIG": str(self.kubeconfig)}, variables={})
        )

    def objects(self) -> dict[tuple[str, str, str], Any]:
        return {(thing["kind"], key[2], key[3]): copy.deepcopy(thing) for key, thing in self.server.objects.items()}

    def settled(self) -> dict[tuple[str, str, str], Any]:
        """What there is, without what every write counts up, and without empty labels and annotations."""
        found = self.objects()
        for one in found.values():
            meta = one["metadata"]
            one["metadata"] = {n: v for n, v in meta.items() if v and n not in ("resourceVersion", "uid")}
        return found


@pytest.fixture
def cluster(plays: Plays, tmp_path: Path) -> Iterator[Cluster]:
    with serving() as (server, kubeconfig):
        path = tmp_path / "kubeconfig"
        path.write_text(kubeconfig)
        yield Cluster(plays, server, path)


def _is_ours(one: dict[str, Any]) -> bool:
    return f"holder.litemaas.io/{MODELS}" in one["metadata"].get("labels", {}) and not one["apiVersion"].startswith(
        "operators."
    )


def _sent(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "metadata": {n: v for n, v in one["metadata"].items() if n not in ("resourceVersion", "uid")}}


def _config(cluster: Cluster) -> Any:
    return yaml.safe_load(
        cluster.objects()["ConfigMap", "openshift-monitoring", "cluster-monitoring-config"]["data"]["config.yaml"]
    )


def test_the_readme_runs_twice_and_changes_nothing_again_and_removal_leaves_what_was_there_before(cluster: Cluster):
    theirs = "# theirs\nprometheusK8s: {retention: 15d}\n"
    cluster.put(
        CORE,
        "configmaps",
        "ConfigMap",
        "cluster-monitoring-config",
        "openshift-monitoring",
        data={"config.yaml": theirs},
    )
    before = cluster.settled()
    assert cluster.run("--check").succeeded().changed == 3
    assert cluster.settled() == before

    first = cluster.readme("-vvv", "--diff").succeeded()
    objects = cluster.objects()
    session = objects["Secret", MODELS, "rhoai-grafana-session"]["data"]["session_secret"]
    assert len(session) == 44
    assert session not in first.output
    assert _config(cluster) == {"prometheusK8s": {"retention": "15d"}, "enableUserWorkload": True}
    assert (
        cluster.plays.data()["litemaas_grafana_url"] == "https://rhoai-grafana-route-llm-hosting.apps.ocp.example.com"
    )
    assert [fault for one in objects.values() if _is_ours(one) for fault in faults_of(_sent(one))] == []
    assert {name for kind, _, name in objects if kind == "GrafanaDashboard"} == {
        "rhoai-grafana-litemaas-vllm", "rhoai-grafana-nvidia-vllm-gpu-metrics", "rhoai-grafana-litemaas-openvino",
    }  # fmt: skip

    _members_are_administrators(objects)

    again = cluster.readme("--diff").succeeded()
    assert (again.changed, cluster.objects()) == (0, objects), again.output

    cluster.readme("-e", "ACTION=destroy").succeeded()
    now = cluster.settled()
    assert {key for key in now if now[key] != before.get(key)} == {
        ("ConfigMap", "openshift-monitoring", "cluster-monitoring-config")
    }
    assert set(now) == set(before)
    assert _config(cluster) == yaml.safe_load(theirs)
    assert cluster.run(ACTION="destroy").succeeded().changed == 0


def _members_are_administrators(objects: dict[tuple[str, str, str], Any]) -> None:
    spec = objects["Grafana", MODELS, "rhoai-grafana"]["spec"]
    config = spec["config"]
    assert (config["auth.anonymous"]["enabled"], config["auth.basic"]["enabled"]) == ("false", "false")
    assert (config["users"]["auto_assign_org_role"], config["auth.proxy"]["headers"]) == (
        "Viewer",
        "Role:X-Forwarded-Role",
    )
    containers = {one["name"]: one for one in spec["deployment"]["spec"]["template"]["spec"]["containers"]}
    assert "--upstream=http://127.0.0.1:3001" in containers["oauth-proxy"]["args"]
    text = objects["ConfigMap", MODELS, "rhoai-grafana-roles"]["data"]["nginx.conf"]
    assert _roles_that_grafana_hears(text, ["alice", "bob.b", "ALICE", "bobxb", "mallory"]) == [
        "Admin",
        "Admin",
        "Viewer",
        "Viewer",
        "Viewer",
    ]


def _roles_that_grafana_hears(configuration: str, people: list[str]) -> list[str]:
    """Real nginx, and what it tells of people who say themselves that they are administrators."""
    heard: list[str] = []

    class Grafana(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(str(self.headers.get("X-Forwarded-Role")))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Grafana) as grafana, tempfile.TemporaryDirectory() as home:
        port = free_port()
        text = (
            configuration.replace(":3000", f":{grafana.server_address[1]}")
            .replace(":3001", f":{port}")
            .replace(" /tmp/", f" {home}/")
        )
        path = Path(home) / "nginx.conf"
        path.write_text(text)
        threading.Thread(target=grafana.serve_forever, kwargs={"poll_interval": 0.05}).start()
        nginx = subprocess.Popen(["nginx", "-p", home, "-c", str(path), "-g", "daemon off;"])
        try:
            asyncio.run(until_listening(port))
            for name in people:
                headers = {"X-Forwarded-User": name, "X-Forwarded-Role": "Admin"}
                httpx2.get(f"http://127.0.0.1:{port}/", headers=headers, trust_env=False, timeout=10)
        finally:
            nginx.terminate()
            nginx.wait(10)
            grafana.shutdown()
    return heard


def test_each_model_has_its_own_monitor_at_the_port_of_its_runtime(cluster: Cluster):
    by_hand = {"selector": {"serving.kserve.io/inferenceservice": "bge-m3"}, "ports": [{"name": "other", "port": 1}]}
    cluster.put(CORE, "services", "Service", "bge-m3-metrics", MODELS, by_hand)
    cluster.put(*KSERVE, "InferenceService", "own", MODELS, {"predictor": {"containers": [{"image": "x"}]}})
    outcome = cluster.run(deploy_grafana=False, install_grafana_operator=False, enable_gpu=False).succeeded()
    monitors = cluster.server.of("ServiceMonitor")
    services = cluster.server.of("Service")
    ports = {name: services[name]["spec"]["ports"][0] for name in monitors}
    assert {name: (port["name"], port["port"]) for name, port in ports.items()} == {
        "bge-m3-metrics": ("tei-metrics", 8080), "docling-metrics": ("docling-metrics", 5001),
        "granite-3-3-8b-metrics": ("vllm-metrics", 8080), "nomic-embed-text-metrics": ("openvino-metrics", 8888),
    }  # fmt: skip
    for name, monitor in monitors.items():
        assert monitor["spec"]["selector"]["matchLabels"] == {"name": name}
        assert monitor["spec"]["endpoints"] == [
            {"port": ports[name]["name"], "path": "/metrics", "interval": "30s", "scrapeTimeout": "10s"}
        ]
    assert "No metrics of own: it has containers of its own" in outcome.output

    only = cluster.run(
        deploy_grafana=False, install_grafana_operator=False, enable_gpu=False, models=["granite-3-3-8b"], vllm_port="9000"
    )  # fmt: skip
    only.succeeded()
    # What somebody else had made stays, though it is no longer asked for.
    assert set(cluster.server.of("ServiceMonitor")) == {"granite-3-3-8b-metrics"}
    assert cluster.server.of("Service")["granite-3-3-8b-metrics"]["spec"]["ports"][0]["port"] == 9000
    assert "bge-m3-metrics" in cluster.server.of("Service")


def test_what_two_namespaces_share_goes_with_the_last_of_them(cluster: Cluster):
    cluster.put(CORE, "namespaces", "Namespace", "llm-tests", "", labels={"openshift.io/cluster-monitoring": "true"})
    before = cluster.settled()
    cluster.run().succeeded()
    cluster.run(namespace="llm-tests").succeeded()
    labels = cluster.server.of("Namespace")["llm-tests"]["metadata"]["labels"]
    assert (labels["openshift.io/user-monitoring"], "openshift.io/cluster-monitoring" in labels) == ("true", False)
    assert set(cluster.server.of("Grafana")) == {"rhoai-grafana"}
    assert len(cluster.server.of("ClusterRoleBinding")) == 4
    cluster.run(ACTION="destroy").succeeded()
    assert _config(cluster) == {"enableUserWorkload": True}
    assert set(cluster.server.of("Subscription")) == {"grafana-operator"}
    assert set(cluster.server.of("PrometheusRule")) == {"litemaas-gpus", "litemaas-models"}
    assert cluster.run(namespace="llm-tests").succeeded().changed == 0
    cluster.run(namespace="llm-tests", ACTION="destroy").succeeded()
    assert cluster.settled() == before


def test_an_operator_of_somebody_else_is_used_and_left_and_so_is_one_that_others_began_to_use(cluster: Cluster):
    spec = {"name": "grafana-operator", "channel": "v5"}
    cluster.put("operators.coreos.com/v1alpha1", "subscriptions", "Subscription", "theirs", "openshift-operators", spec)
    before = cluster.settled()
    cluster.run().succeeded()
    assert set(cluster.server.of("Subscription")) == {"theirs"}
    assert cluster.server.of("OperatorGroup") == {}
    cluster.run(ACTION="destroy").succeeded()
    assert cluster.settled() == before

    cluster.server.delete("operators.coreos.com/v1alpha1", "subscriptions", "openshift-operators", "theirs")
    cluster.run(enable_kserve=False).succeeded()
    cluster.put(GRAFANA, "grafanas", "Grafana", "theirs", "elsewhere", {})
    kept = cluster.run(ACTION="destroy").succeeded()
    assert "Grafana's operator stays: others use it" in kept.output
    assert set(cluster.server.of("Subscription")) == {"grafana-operator"}
    cluster.server.delete(GRAFANA, "grafanas", "elsewhere", "theirs")
    cluster.run(ACTION="destroy").succeeded()
    assert cluster.server.of("Subscription") == {}


def test_what_is_missing_or_wrong_is_said(cluster: Cluster):
    cluster.run(namespace="").failed("must name the namespace of the model servers")
    cluster.run(namespace="nowhere").failed("There is no namespace nowhere")
    cluster.run(kserve_namespace="nowhere").failed("KServe's controller does not run in nowhere")
    cluster.run(dcgm_port=9401).failed("has no port 9401, but", "9400")
    cluster.run(scrape_timeout="45s").failed("A scrape may not take longer (45s)")
    cluster.run(models=["nobody"]).failed("There is no InferenceService nobody in llm-hosting")
    cluster.run(grafana_admin_groups=["nobody"]).failed("There is no group nobody")
    cluster.put(
        CORE,
        "configmaps",
        "ConfigMap",
        "cluster-monitoring-config",
        "openshift-monitoring",
        data={"config.yaml": "- a\n"},
    )
    cluster.run(deploy_grafana=False, install_grafana_operator=False).failed("config.yaml is no YAML mapping")
    # Half an install goes, too.
    cluster.run(ACTION="destroy").succeeded()
    assert cluster.server.of("ServiceMonitor") == {}


def test_the_collection_carries_what_the_chart_has_as_files_of_its_own(installed: Mapping[str, str]):
    """Links would lead nowhere in a collection from Git; tests/deploy/test_generated.py sees that no file is stale."""
    collection = Path(installed["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections/rhpds/litemaas"
    carried = [path for path in sorted((ROLE / "files").rglob("*")) if not path.is_dir()]
    assert len(carried) == 8
    for path in carried:
        packed = collection / path.relative_to(COLLECTIONS / "litemaas")
        assert (path.is_symlink(), packed.is_symlink(), packed.read_bytes()) == (False, False, path.read_bytes())
    for path in (ROLE / "files/dashboards").glob("*.json"):
        assert path.read_bytes() == (ROOT / "deploy/helm/litemaas/files/dashboards" / path.name).read_bytes()
