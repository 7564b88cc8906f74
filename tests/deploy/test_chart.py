"""Does the chart make objects that a cluster takes, from each of its tested configurations?"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import helm_python
import msgspec
import pytest
import yaml
from tests.deploy.conftest import CHART, CONFIGURATIONS, DEPLOY, ROOT, Rendering, render, values_of
from tests.deploy.validation import faults_of

from litemaas.control.app.settings import Settings as ControlSettings
from litemaas.control.app.settings import check_settings
from litemaas.gateway.settings import BudgetSettings, GatewaySettings
from litemaas.kit.settings import load_settings

Rendered = Callable[[str], Rendering]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_object_is_one_that_the_oldest_and_the_newest_cluster_take(name: str, rendered: Rendered):
    things = rendered(name).list
    assert len(things) > 8
    assert [fault for thing in things for fault in faults_of(thing)] == []
    names = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in things]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_helm_has_nothing_to_complain_of(name: str):
    report = helm_python.lint(str(CHART), values_of(name), strict=True)
    assert [m for m in report["messages"] if m["severity"] > 1] == []
    assert report["errors"] == []


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_container_runs_restricted(name: str, rendered: Rendered):
    for where, pod in rendered(name).pods().items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, where
        assert spec["securityContext"]["runAsNonRoot"] is True, where
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
        on_openshift = values_of(name).get("global", {}).get("platform") == "openshift"
        assert ("runAsUser" in spec["securityContext"]) is not on_openshift, where
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, where
            assert security["allowPrivilegeEscalation"] is False, where
            assert security["capabilities"] == {"drop": ["ALL"]}, where
            assert {"requests", "limits"} <= container["resources"].keys(), where
            assert not container["image"].endswith(":"), where


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_reference_to_an_object_of_the_chart_leads_to_one(name: str, rendered: Rendered):
    it = rendered(name)
    owned = {
        kind: set(it.names(kind))
        for kind in ("ConfigMap", "Secret", "PersistentVolumeClaim", "ServiceAccount", "Service")
    }
    values = values_of(name)
    outside = set(json.dumps(values).replace('"', " ").replace("}", " ").split())
    for where, pod in it.pods().items():
        text = json.dumps(pod["spec"])
        for volume in pod["spec"].get("volumes", []):
            if "configMap" in volume:
                assert volume["configMap"]["name"] in owned["ConfigMap"] | outside | {"kube-root-ca.crt"}, where
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in owned["PersistentVolumeClaim"], where
        account = pod["spec"].get("serviceAccountName")
        assert account is None or account in owned["ServiceAccount"], where
        for part in text.split('"secretKeyRef": {"name": "')[1:]:
            assert part.partition('"')[0] in owned["Secret"] | outside, (where, part[:60])


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_both_planes_start_with_what_they_are_given(name: str, rendered: Rendered):
    it = rendered(name)
    secrets = {
        "LITEMAAS_DATABASE_URL": "postgresql://u:p@h/d",
        "LITEMAAS_REDIS_URL": "redis://:p@h:1/0",
        "LITEMAAS_MASTER_KEY": "sk-0123456789abcdef",
        "LITEMAAS_ENCRYPTION_KEY": "0123456789abcdef",
        "LITEMAAS_OPENSHIFT_CLIENT_SECRET": "token",
        "LITEMAAS_OIDC_CLIENT_SECRET": "secret",
    }
    for part, kind in (("gateway", GatewaySettings), ("control", ControlSettings)):
        pod = next(p for p in it.pods().values() if p["metadata"]["labels"]["app.kubernetes.io/component"] == part)[
            "spec"
        ]["containers"][0]
        plain = it.of("ConfigMap", pod["envFrom"][0]["configMapRef"]["name"])["data"]
        environ = plain | {v["name"]: secrets[v["name"]] for v in pod["env"] if v["name"] in secrets}
        if "LITEMAAS_CA_BUNDLE" in environ:
            assert any(environ["LITEMAAS_CA_BUNDLE"].startswith(m["mountPath"]) for m in pod["volumeMounts"])
            environ["LITEMAAS_CA_BUNDLE"] = __file__  # a file that is there
        settings = load_settings(kind, environ)
        if isinstance(settings, ControlSettings):
            check_settings(settings)
        else:
            assert settings.gateway.control_url == f"http://{_service(it, 'control')}:8080"
        known = _variables(kind)
        assert [variable for variable in environ if variable not in known] == []


def _variables(kind: type, prefix: str = "LITEMAAS_") -> set[str]:
    found = set()
    for field in msgspec.structs.fields(kind):
        name = f"{prefix}{field.name.upper()}"
        is_group = isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
        found |= _variables(field.type, f"{name}__") if is_group else {name}
    return found


def _service(it: Rendering, part: str) -> str:
    return next(
        o["metadata"]["name"]
        for o in it.list
        if o["kind"] == "Service" and o["spec"]["selector"]["app.kubernetes.io/component"] == part
    )


def test_a_value_has_the_path_of_its_setting():
    it = render(
        {
            **values_of("minimal"),
            "litemaas": {"gateway": {"upstream": {"pool": {"connect_timeout_s": 2.5}}, "max_body_bytes": 134217728}},
        }
    )
    data = it.of("ConfigMap", "litemaas-gateway")["data"]
    assert data["LITEMAAS_GATEWAY__UPSTREAM__POOL__CONNECT_TIMEOUT_S"] == "2.5"
    assert data["LITEMAAS_GATEWAY__MAX_BODY_BYTES"] == "134217728"


def test_high_availability_has_three_of_each_that_are_spread_and_protected(rendered: Rendered):
    it = rendered("ha")
    for kind, part in (("StatefulSet", "gateway"), ("Deployment", "control"), ("Deployment", "portal")):
        workload = it.of(kind, f"litemaas-{part}")
        assert workload["spec"]["replicas"] == 3
        keys = {c["topologyKey"] for c in workload["spec"]["template"]["spec"]["topologySpreadConstraints"]}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        assert it.of("PodDisruptionBudget", f"litemaas-{part}")["spec"]["maxUnavailable"] == 1
    assert it.of("ConfigMap", "litemaas-gateway")["data"]["LITEMAAS_GATEWAY__RATES__REPLICA_COUNT"] == "3"
    assert it.of("StatefulSet", "litemaas-postgresql")["spec"]["volumeClaimTemplates"][0]["spec"]["resources"][
        "requests"
    ] == {"storage": "10Gi"}


def test_a_pod_may_take_as_long_to_end_as_its_longest_call(rendered: Rendered):
    pod = rendered("ha").pods()["StatefulSet/litemaas-gateway"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 10 + 600 + 15
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "10"]


def test_a_gateway_stays_in_service_while_it_can_answer_out_of_its_leases(rendered: Rendered):
    for part, at_least_s in (("gateway", BudgetSettings().lease_trust_s), ("control", 120)):
        probe = rendered("minimal").pods()[f"Deployment/litemaas-{part}"]["spec"]["containers"][0]["readinessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= at_least_s


def test_openshift_has_three_routes_that_wait_for_ten_minutes(rendered: Rendered):
    it = rendered("openshift")
    hosts = {o["spec"]["host"]: o for o in it.list if o["kind"] == "Route"}
    assert sorted(hosts) == [
        "litemaas-ai.apps.ocp.example.com",
        "litemaas-api.apps.ocp.example.com",
        "litemaas.apps.ocp.example.com",
    ]
    for route in hosts.values():
        assert route["metadata"]["annotations"]["haproxy.router.openshift.io/timeout"] == "600s"
        assert route["spec"]["tls"] == {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
        assert route["spec"]["port"] == {"targetPort": "http"}
    account = it.of("ServiceAccount", "litemaas-control")["metadata"]["annotations"]
    assert account["serviceaccounts.openshift.io/oauth-redirecturi.portal"] == "https://litemaas.apps.ocp.example.com"
    token = it.of("Secret", "litemaas-oauth-token")
    assert token["type"] == "kubernetes.io/service-account-token"
    data = it.of("ConfigMap", "litemaas-control")["data"]
    assert data["LITEMAAS_OPENSHIFT_OAUTH_URL"] == "https://oauth-openshift.apps.ocp.example.com"
    assert data["LITEMAAS_OPENSHIFT_CLIENT_ID"] == "system:serviceaccount:litemaas:litemaas-control"
    assert data["LITEMAAS_PUBLIC_URL"] == "https://litemaas.apps.ocp.example.com"
    assert "https://litemaas.apps.ocp.example.com" in it.notes


def test_notes_say_http_where_there_is_no_tls():
    it = render({**values_of("minimal"), "expose": {"tls": {"enabled": False}}})
    assert "http://litemaas.apps.example.com" in it.notes
    assert "https://" not in it.notes
    assert all("tls" not in o["spec"] for o in it.list if o["kind"] == "Ingress")


def test_names_that_older_playbooks_look_up_are_there(rendered: Rendered):
    it = rendered("litellm-names")
    assert it.of("Route", "litellm")["metadata"]["labels"]["app"] == "litellm"
    assert it.of("Route", "litellm")["spec"]["host"] == "litellm.apps.ocp.example.com"
    assert {"litellm", "litellm-backend", "litellm-frontend"} <= set(it.names("Deployment"))
    assert "litellm-postgres" in it.names("StatefulSet")
    assert "LITELLM_MASTER_KEY" in it.of("Secret", "litellm-secret")["data"]
    assert it.of("Secret", "litemaas-db")["data"].keys() == {"username", "password", "database", "DATABASE_URL"}
    assert "ENCRYPTION_KEY" in it.of("Secret", "backend-secret")["data"]
    assert it.of("CronJob", "litemaas-key-cleanup")["spec"]["schedule"] == "0 2 * * *"


@pytest.mark.parametrize("flavor", ["sclorg", "docker"])
def test_an_empty_volume_becomes_the_one_database_that_all_settings_name(flavor: str):
    it = render({**values_of("minimal"), "postgresql": {"flavor": flavor, "database": "money"}})
    (container,) = it.of("StatefulSet", "litemaas-postgresql")["spec"]["template"]["spec"]["containers"]
    assert "command" not in container  # the image's entry point initialises the volume
    env = {one["name"]: one.get("value") or one["valueFrom"]["secretKeyRef"] for one in container["env"]}
    named = env["POSTGRES_DB" if flavor == "docker" else "POSTGRESQL_DATABASE"]
    assert named == {"name": "litemaas-database-secret", "key": "database"}
    assert base64.b64decode(it.of("Secret", "litemaas-database-secret")["data"]["database"]) == b"money"
    data = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "data")
    assert env.get("PGDATA", f"{data}/userdata").startswith(f"{data}/")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert "pg_isready" in " ".join(container[probe]["exec"]["command"])
    # Whoever needs a database is told of this one by its URL, and of no other.
    users = [
        one
        for pod in it.pods().values()
        for part in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", []))
        for one in part.get("env", [])
        if "DATABASE" in one["name"] and part["name"] != "postgresql"
    ]
    assert len(users) >= 3
    assert {one["valueFrom"]["secretKeyRef"]["key"] for one in users} == {"DATABASE_URL"}


def test_replicas_database_and_version_are_the_same_everywhere(rendered: Rendered):
    """In the chart, in the Ansible role, in the rendered overlays, in the images and in the pages."""
    role = ROOT / "ansible/rhpds/litemaas/roles/ocp4_workload_litemaas/defaults/main.yml"
    defaults = yaml.safe_load(role.read_text())
    prefix = "ocp4_workload_litemaas_"
    ours = (("gateway", "litellm"), ("control", "backend"), ("portal", "frontend"))
    for part, theirs in ours:
        assert defaults[f"{prefix}ha_{theirs}_replicas"] == 3
        for name in ("ha", "litellm-names", "kustomize-kubernetes", "kustomize-openshift"):
            assert values_of(name)[part]["replicas"] == 3, (name, part)
    names = values_of("litellm-names")
    database = {"username": defaults[f"{prefix}ha_postgres_user"], "database": defaults[f"{prefix}ha_postgres_db"]}
    assert names["postgresql"] == database
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert {chart["version"], chart["appVersion"]} == {"0.1.0"}
    assert f'version = "{chart["appVersion"]}"' in (ROOT / "pyproject.toml").read_text()
    for page in (ROOT / "docs/how-to/install-on-kubernetes.md", DEPLOY / "images/Containerfile"):
        assert set(re.findall(r"litemaas/(?:gateway|control|portal):(\S+)", page.read_text())) == {chart["appVersion"]}
    bases = "".join(path.read_text() for path in (DEPLOY / "kustomize/base").rglob("litemaas.yaml"))
    assert set(re.findall(r"quay\.io/litemaas/\w+:([\w.]+)", bases)) == {chart["appVersion"]}


def test_helm_test_asks_every_part(rendered: Rendered):
    tests = [o for o in rendered("minimal").list if o["metadata"].get("annotations", {}).get("helm.sh/hook") == "test"]
    assert tests
    asked = json.dumps(tests)
    for part, port in (("gateway", 4000), ("control", 8080), ("portal", 8080)):
        assert f"litemaas-{part}:{port}" in asked


def test_pages_name_only_values_that_there_are():
    """What looks like a path of the chart's values in a how-to or README is one."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    pages = [*(ROOT / "docs/how-to").glob("*.md"), *DEPLOY.rglob("README.md"), *(ROOT / "ansible").rglob("README.md")]
    paths = {
        (page.name, path)
        for page in pages
        for path in re.findall(r"`([a-z]\w*(?:\.\w+)+)`", page.read_text())
        if path.partition(".")[0] in schema["properties"] and not path.endswith(".com") and ".sim." not in path
    }
    assert len(paths) > 30
    assert [found for found in sorted(paths) if not _is_a_value(schema, found[1].split("."))] == []


def _is_a_value(shape: dict[str, Any], path: list[str]) -> bool:
    for name in path:
        if shape.get("properties", {}).get(name) is None:
            return isinstance(shape.get("additionalProperties"), dict) or shape.get("additionalProperties") is not False
        shape = shape["properties"][name]
    return True


def test_a_migration_runs_before_an_upgrade_and_not_before_an_installation(rendered: Rendered):
    job = rendered("ha").of("Job", "litemaas-migrate")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
    assert (
        rendered("gitops").of("Job", "litemaas-migrate")["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "Sync"
    )
    assert rendered("plain").names("Job") == []
    for part in ("gateway", "control"):
        pod = rendered("plain").pods()[f"Deployment/litemaas-{part}"]["spec"]
        assert [c["name"] for c in pod["initContainers"]] == ["migrate"]


def test_both_planes_and_every_migration_are_told_the_time_zone(rendered: Rendered):
    it = rendered("discovery")
    for part in ("gateway", "control"):
        assert it.of("ConfigMap", f"litemaas-{part}")["data"]["LITEMAAS_TIMEZONE"] == "Europe/Berlin"
    pods = [pod["spec"] for pod in it.pods().values()]
    containers = [c for pod in pods for c in [*pod.get("initContainers", []), *pod["containers"]]]
    migrating = [container for container in containers if container["name"] == "migrate"]
    assert len(migrating) >= 2
    for container in migrating:
        assert {"name": "LITEMAAS_TIMEZONE", "value": "Europe/Berlin"} in container["env"]


def test_only_the_platform_that_has_it_gets_a_service_account_client():
    with pytest.raises(helm_python.HelmError, match="platform=openshift"):
        render({**values_of("minimal"), "oauth": {"authProvider": "openshift"}})


def test_a_host_that_nobody_named_is_asked_for():
    with pytest.raises(helm_python.HelmError, match=r"expose\.hosts\.(api|portal|gateway) or global\.clusterDomain"):
        render({})


def test_hooks_and_pods_agree_on_the_image_of_the_chart_s_version(rendered: Rendered):
    images = {c["image"] for p in rendered("ha").pods().values() for c in p["spec"]["containers"]}
    assert {
        "quay.io/litemaas/gateway:0.1.0",
        "quay.io/litemaas/control:0.1.0",
        "quay.io/litemaas/portal:0.1.0",
    } <= images
    digest = "sha256:" + "a" * 64
    it = render(
        {
            **values_of("minimal"),
            "global": {"clusterDomain": "a.example.com", "imageRegistry": "mirror.example.com/lm"},
            "gateway": {"image": {"digest": digest}},
        }
    )
    assert (
        it.pods()["Deployment/litemaas-gateway"]["spec"]["containers"][0]["image"]
        == f"mirror.example.com/lm/litemaas/gateway@{digest}"
    )
