"""Are the files that are made from others current, strict and free of secrets?"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import generate
import helm_python
import jsonschema
import pytest
import yaml
from tests.deploy.conftest import CHART, CONFIGURATIONS, DEPLOY, render, values_of
from tests.deploy.validation import faults_of, objects_of

_YAML = sorted(p for p in DEPLOY.rglob("*.yaml") if "templates" not in p.parts)
_KEY_LIKE = re.compile(
    r"sk-[A-Za-z0-9]{12,}|AKIA[0-9A-Z]{12,}|ghp_\w{20,}|(?i:password|secret|token|apikey):\s*['\"]?(?!['\"{]|p@ss)[A-Za-z0-9+/=]{16,}"
)


def test_what_is_made_from_other_files_is_current():
    assert [
        path.relative_to(DEPLOY.parent).as_posix()
        for path, text in generate.files(with_helm=True).items()
        if not path.exists() or path.read_text() != text
    ] == [], "run `python deploy/generate.py`"


@pytest.mark.parametrize("overlay", ["production-kubernetes", "production-openshift"])
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_overlays_are_patches_that_kubectl_applies(overlay: str):
    built = subprocess.run(
        ["kubectl", "kustomize", str(DEPLOY / "kustomize/overlays" / overlay)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    things = objects_of(built)
    assert [fault for thing in things for fault in faults_of(thing)] == []
    assert "example.com" not in built
    assert "quay.io/litemaas/gateway:0.1.0" in built
    assert not any(thing["kind"] == "Secret" and ("data" in thing or "stringData" in thing) for thing in things)


@pytest.mark.parametrize("path", _YAML, ids=lambda p: p.relative_to(DEPLOY).as_posix())
def test_no_key_stands_twice_and_none_is_a_secret(path: Path):
    text = path.read_text()
    assert _KEY_LIKE.findall(text) == []
    for thing in objects_of(text):
        if "kind" in thing and "apiVersion" in thing and "files" not in path.parts:
            assert not (thing["kind"] == "Secret" and ("data" in thing or "stringData" in thing))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_schema_takes_every_tested_configuration_and_the_defaults(name: str):
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load((CHART / "values.yaml").read_text()), schema)
    jsonschema.validate(values_of(name), schema)


def test_every_default_is_described_by_the_schema_and_the_other_way_round():
    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())

    def missing(values: object, shape: dict[str, object], path: str = "") -> list[str]:
        members = shape.get("properties")
        if not isinstance(members, dict) or not isinstance(values, dict) or path in ("litemaas", "names"):
            return []
        absent = [f"{path}.{name}" for name in members if name not in values and not path.endswith("probes.startup")]
        return absent + [
            m
            for name in values
            if name in members
            for m in missing(values[name], members[name], f"{path}.{name}".strip("."))
        ]

    found = [m for m in missing(defaults, schema) if not m.endswith("initialDelaySeconds")]
    assert found == []


@pytest.mark.parametrize(
    "values",
    [
        {"gatway": {}},
        {"gateway": {"replica": 3}},
        {"litemaas": {"gateway": {"drain_timeout": 3}}},
        {"litemaas": {"gateway": {"workers": 0}}},
        {"litemaas": {"gateway": {"host": "0.0.0.0"}}},
        {"global": {"platform": "openshfit"}},
        {"postgresql": {"replicas": 3}},
        {"backup": {"schedule": "daily"}},
        {"expose": {"hosts": {"portal": "https://ai.example.com"}}},
        {"expose": {"kind": "loadbalancer"}},
        {"expose": {"timeoutSeconds": 0}},
        {"gateway": {"replicas": 0}},
        {"gateway": {"replicas": "3"}},
        {"gateway": {"image": {"tag": "a b"}}},
        {"gateway": {"image": {"digest": "sha256:short"}}},
        {"gateway": {"resources": {"limits": {"memory": "4 GB"}}}},
        {"gateway": {"resources": {"maximum": {"memory": "4Gi"}}}},
        {"gateway": {"probes": {"readiness": {"periodSeconds": 0}}}},
        {"gateway": {"probes": {"readiness": {"httpGet": {}}}}},
        {"gateway": {"autoscaling": {"targetCPUUtilizationPercentage": 101}}},
        {"gateway": {"autoscaling": {"minReplicas": 0}}},
        {"gateway": {"podDisruptionBudget": {"minAvailable": 2}}},
        {"gateway": {"podDisruptionBudget": {"maxUnavailable": "half"}}},
        {"gateway": {"podDisruptionBudget": {"maxUnavailable": 0}}},
        {"gateway": {"topologySpreadConstraints": {"maxSkew": 1}}},
        {"gateway": {"extraEnv": {"A": "b"}}},
        {"gateway": {"serviceAccount": {"name": "Not_A_Name"}}},
        {"gateway": {"journal": {"persistence": {"size": "4gigs"}}}},
        {"control": {"preStopSleepSeconds": -1}},
        {"portal": {"enabled": "yes"}},
        {"postgresql": {"flavor": "mysql"}},
        {"postgresql": {"maxConnections": 10}},
        {"postgresql": {"persistence": {"accessModes": ["ReadWriteMany"]}}},
        {"postgresql": {"username": "1; drop table"}},
        {"postgresql": {"external": {"port": 70000}}},
        {"postgresql": {"external": {"sslmode": "prefer"}}},
        {"valkey": {"maxMemory": "1 GB"}},
        {"valkey": {"external": {"host": "redis://v.example.com"}}},
        {"oauth": {"issuer": "http://id.example.com"}},
        {"oauth": {"authProvider": "ldap"}},
        {"oauth": {"mode": "both"}},
        {"secrets": {"master": {"uiUsername": "two words"}}},
        {"secrets": {"control": {"smtpUrl": "mail.example.com"}}},
        {"secrets": {"master": {"existingSecret": "Not A Name"}}},
        {"migration": {"hook": "post-upgrade"}},
        {"monitoring": {"interval": "often"}},
        {"networkPolicy": {"ingressFrom": "everybody"}},
        {"backup": {"keep": 0}},
        {"keyCleanup": {"olderThanDays": -1}},
        {"discovery": {"pricePolicies": {"small": {"input_per_million": "-1"}}}},
        {"mcp": {"replicas": 4}},
        {"global": {"imagePullPolicy": "Sometimes"}},
        {"global": {"clusterDomain": "https://apps.example.com"}},
        {"names": {"gatewy": "litellm"}},
        {"names": {"gateway": "Litellm"}},
    ],
    ids=json.dumps,
)
def test_a_value_that_is_not_known_is_refused(values: dict[str, object]):
    with pytest.raises(helm_python.HelmError):
        render({"global": {"clusterDomain": "apps.example.com"}, **values} if "global" not in values else values)


WEAK = [
    "changeme",
    "short",
    "changeme-changeme-changeme",
    "postgres-password1",
    "aaaaaaaaaaaaaaaaaaaaaaaa",
    "abababababababababab",
    "Sup3r-secret-value-x",
    "trailing-blank-here-7Q ",
]


@pytest.mark.parametrize("weak", WEAK)
@pytest.mark.parametrize(
    "path",
    [
        "postgresql.password",
        "valkey.password",
        "secrets.control.encryptionKey",
        "postgresql.external.password",
        "valkey.external.password",
    ],
)
def test_a_weak_or_usual_secret_stops_the_rendering(path: str, weak: str):
    values = values_of("minimal")
    if ".external." in path:
        server = path.partition(".")[0]
        values[server] = {"enabled": False, "external": {"host": "db.example.com", "password": weak}}
        if server == "postgresql":
            values[server]["external"]["username"] = "litemaas"
    else:
        *parents, leaf = path.split(".")
        at = values
        for parent in parents:
            at = at.setdefault(parent, {})
        at[leaf] = weak
    with pytest.raises(helm_python.HelmError) as refused:
        render(values)
    assert weak not in str(refused.value).replace("changeme|", "")


@pytest.mark.parametrize(
    "weak", ["sk-1234", "sk-changeme-changeme", "no-prefix-0123456789abcd", "sk-aaaaaaaaaaaaaaaaaaaa"]
)
def test_a_weak_master_key_stops_the_rendering(weak: str):
    with pytest.raises(helm_python.HelmError):
        render({**values_of("minimal"), "secrets": {"master": {"masterKey": weak}}})


def test_the_chart_is_packed_with_what_it_carries_and_without_its_tests(tmp_path: Path):
    helm_python.package(str(CHART), destination=str(tmp_path))
    (packed,) = tmp_path.glob("litemaas-*.tgz")
    with tarfile.open(packed) as archive:
        names = archive.getnames()
    assert {"litemaas/files/rules.yaml", "litemaas/files/backup.sh", "litemaas/values.schema.json"} <= set(names)
    assert len([name for name in names if name.startswith("litemaas/files/dashboards/")]) == 6
    assert not [name for name in names if "/ci/" in name]


def test_yaml_is_written_well():
    command = [sys.executable, "-m", "yamllint", "-c", ".yamllint.yaml", "--strict", "."]
    checked = subprocess.run(command, cwd=DEPLOY, capture_output=True, text=True, timeout=100)
    assert (checked.returncode, checked.stdout) == (0, "")
