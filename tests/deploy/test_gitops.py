"""Do the GitOps manifests fit what reads them: Argo CD, KServe, Prometheus, and one another?"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.deploy.conftest import DEPLOY, ROOT, Object, render
from tests.deploy.validation import faults_of, objects_of

GITOPS = DEPLOY / "gitops"
MODELS = sorted(p for p in (GITOPS / "models").iterdir())
_FILES = sorted(p for p in GITOPS.rglob("*.yaml") if p.name != "values.yaml")


def _in(folder: Path) -> list[Object]:
    return [o for path in sorted(folder.rglob("*.yaml")) for o in objects_of(path.read_text()) if "kind" in o]


def _of(things: list[Object], kind: str) -> list[Object]:
    return [o for o in things if o["kind"] == kind]


@pytest.mark.parametrize("path", _FILES, ids=lambda p: p.relative_to(GITOPS).as_posix())
def test_every_manifest_is_valid_and_holds_no_secret(path: Path):
    things = objects_of(path.read_text())
    assert [fault for thing in things for fault in faults_of(thing)] == []
    assert _of(things, "Secret") == []


@pytest.mark.parametrize(
    "folder", [*MODELS, *(GITOPS / n for n in ("argocd", "model-serving", "workspace"))], ids=lambda p: p.name
)
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_every_folder_is_built_by_kustomize(folder: Path):
    built = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True).stdout
    things = objects_of(built)
    assert [fault for thing in things for fault in faults_of(thing)] == []
    for service in _of(things, "Service"):
        assert set(service["spec"]["selector"]) == {"serving.kserve.io/inferenceservice"}  # labels change no selector


def test_applications_point_at_folders_that_are_there_and_at_a_tag():
    things = _in(GITOPS / "argocd")
    specs = [o["spec"] for o in _of(things, "Application")]
    specs += [o["spec"]["template"]["spec"] for o in _of(things, "ApplicationSet")]
    assert len(specs) == 4
    for spec in specs:
        assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
        assert "ServerSideApply=true" in spec["syncPolicy"]["syncOptions"]
        assert not any(option.startswith("Validate") for option in spec["syncPolicy"]["syncOptions"])
        for source in spec.get("sources", [spec.get("source")]):
            assert re.fullmatch(r"v\d+\.\d+\.\d+", source["targetRevision"])
            path = source.get("path", "deploy")
            assert "{{" in path or (ROOT / path).is_dir()
            for file in source.get("helm", {}).get("valueFiles", []):
                assert (ROOT / file.removeprefix("$values/")).is_file()


def test_every_kind_that_is_deployed_is_allowed_in_its_project():
    projects = {o["metadata"]["name"]: o["spec"] for o in _of(_in(GITOPS / "argocd"), "AppProject")}

    def allowed(project: str) -> set[str]:
        spec = projects[project]
        return {r["kind"] for r in spec["clusterResourceWhitelist"] + spec["namespaceResourceWhitelist"]}

    served = {o["kind"] for o in _in(GITOPS / "models") + _in(GITOPS / "model-serving")} - {"Kustomization"}
    assert served <= allowed("litemaas-models")
    assert {o["kind"] for o in _in(GITOPS / "workspace")} - {"Kustomization"} <= allowed("litemaas-workspaces")
    values = yaml.safe_load((GITOPS / "environments/production/values.yaml").read_text())
    production = render(values)
    assert {o["kind"] for o in production.list} <= allowed("litemaas")
    assert [o["type"] for o in production.list if o["kind"] == "Secret"] == ["kubernetes.io/service-account-token"]
    assert [f for o in production.list for f in faults_of(o)] == []


@pytest.mark.parametrize("folder", MODELS, ids=lambda p: p.name)
def test_a_model_fits_its_runtime_and_its_metrics_are_scraped(folder: Path):
    runtimes = {o["metadata"]["name"]: o for o in _of(_in(GITOPS / "model-serving"), "ServingRuntime")}
    things = _in(folder)
    (service,) = _of(things, "InferenceService")
    name, predictor = service["metadata"]["name"], service["spec"]["predictor"]
    assert name == folder.name
    runtime = runtimes[predictor["model"]["runtime"]]
    assert predictor["model"]["modelFormat"]["name"] in [f["name"] for f in runtime["spec"]["supportedModelFormats"]]
    assert predictor["minReplicas"] == predictor["maxReplicas"]
    limits = predictor["model"]["resources"]["limits"]  # within the model, where KServe reads them
    assert ("tolerations" in predictor) == ("nvidia.com/gpu" in limits)
    assert ("storage" in predictor["model"]) != ("storageUri" in predictor["model"])
    port = int(runtime["spec"]["annotations"]["prometheus.io/port"])
    assert port in [p["containerPort"] for p in runtime["spec"]["containers"][0]["ports"]]
    (metrics,), (monitor,) = _of(things, "Service"), _of(things, "ServiceMonitor")
    assert metrics["metadata"]["name"] == monitor["metadata"]["name"] == f"{name}-metrics"
    assert metrics["spec"]["selector"] == {"serving.kserve.io/inferenceservice": name}
    assert metrics["metadata"]["labels"].items() >= monitor["spec"]["selector"]["matchLabels"].items()
    assert metrics["spec"]["ports"][0]["port"] == port
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] == metrics["spec"]["ports"][0]["name"]
    assert int(endpoint["scrapeTimeout"][:-1]) <= int(endpoint["interval"][:-1])


def test_things_come_in_order():
    waves = {
        "Namespace": "-1",
        "ExternalSecret": "0",
        "ServingRuntime": "0",
        "NetworkPolicy": "0",
        "InferenceService": "1",
    }
    for o in _in(GITOPS / "model-serving") + _in(GITOPS / "models"):
        if o["kind"] in waves:
            assert o["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] == waves[o["kind"]], o["metadata"][
                "name"
            ]


def test_vllm_has_shared_memory_and_takes_its_name_from_the_service():
    (vllm,) = [o for o in _of(_in(GITOPS / "model-serving"), "ServingRuntime") if o["metadata"]["name"] == "vllm"]
    container = vllm["spec"]["containers"][0]
    assert container["name"] == "kserve-container"
    assert "--served-model-name={{.Name}}" in container["args"]
    assert {"name": "shm", "mountPath": "/dev/shm"} in container["volumeMounts"]
