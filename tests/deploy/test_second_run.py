"""What does a second run change? Helm itself installs into a double of the API server, looks up what is there, and upgrades."""

from __future__ import annotations

import base64
import copy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest
from tests.deploy.api_server import ApiServer, serving
from tests.deploy.conftest import CHART, DEPLOY, values_of

VALUES = {**values_of("minimal"), "migration": {"hook": "none"}, "tests": {"enabled": False}}


@pytest.fixture
def cluster() -> Iterator[tuple[ApiServer, helm_python.Config]]:
    with (
        serving() as (server, kubeconfig),
        # The record of releases is Helm's own affair, and kept in its memory: it is written as protobuf.
        helm_python.Config(
            kubeconfig_content=kubeconfig, namespace="litemaas", storage_driver="memory", qps=500, burst_limit=500
        ) as config,
    ):
        yield server, config


def _ours(server: ApiServer) -> dict[tuple[str, str], Any]:
    return {(thing["kind"], key[3]): copy.deepcopy(thing) for key, thing in server.objects.items()}


def _install(config: helm_python.Config) -> None:
    config.install(str(CHART), "litemaas", VALUES, namespace="litemaas", timeout=60, wait="hookOnly")


def _upgrade(config: helm_python.Config, **changed: Any) -> None:
    config.upgrade(str(CHART), "litemaas", {**VALUES, **changed}, namespace="litemaas", timeout=60, wait="hookOnly")


def test_a_second_run_changes_nothing(cluster: tuple[ApiServer, helm_python.Config]):
    server, config = cluster
    _install(config)
    first = _ours(server)
    assert ("Secret", "litemaas-database-secret") in first
    assert ("Deployment", "litemaas-gateway") in first
    _upgrade(config)
    assert _ours(server) == first


def test_secrets_come_before_who_uses_them(cluster: tuple[ApiServer, helm_python.Config]):
    server, config = cluster
    _install(config)
    kinds = [kind for _, kind, _ in server.written]
    assert max(i for i, k in enumerate(kinds) if k in ("Secret", "ConfigMap", "ServiceAccount")) < min(
        i for i, k in enumerate(kinds) if k in ("Deployment", "StatefulSet")
    )


def test_only_what_a_change_concerns_is_rolled_out(cluster: tuple[ApiServer, helm_python.Config]):
    server, config = cluster
    _install(config)
    first = _ours(server)
    _upgrade(config, litemaas={"control": {"pool_size": 20}})
    changed = {key for key, thing in _ours(server).items() if thing != first.get(key)}
    assert changed == {("ConfigMap", "litemaas-control"), ("Deployment", "litemaas-control")}


def test_a_secret_that_was_changed_by_hand_is_kept_and_restarts_its_consumers(
    cluster: tuple[ApiServer, helm_python.Config],
):
    server, config = cluster
    _install(config)
    first = _ours(server)
    ours = server.of("Secret")["litemaas-master-secret"]
    ours["data"]["LITELLM_MASTER_KEY"] = base64.b64encode(b"sk-Xa8eeK3oothai2Ae").decode()
    _upgrade(config)
    now = _ours(server)
    assert (
        base64.b64decode(now["Secret", "litemaas-master-secret"]["data"]["LITELLM_MASTER_KEY"])
        == b"sk-Xa8eeK3oothai2Ae"
    )
    changed = {key for key, thing in now.items() if thing != first.get(key)}
    assert changed == {
        ("Secret", "litemaas-master-secret"),
        ("Secret", "litemaas-control-secret"),  # repeats the key for older playbooks
        ("Deployment", "litemaas-gateway"),
        ("Deployment", "litemaas-control"),
    }


def test_removal_keeps_secrets_and_nothing_else(cluster: tuple[ApiServer, helm_python.Config]):
    server, config = cluster
    _install(config)
    secrets = {key: thing for key, thing in _ours(server).items() if key[0] == "Secret"}
    config.uninstall("litemaas")
    assert _ours(server) == secrets
    _install(config)  # and a new installation takes them up again
    now = {key: thing["data"] for key, thing in _ours(server).items() if key[0] == "Secret"}
    assert now == {key: thing["data"] for key, thing in secrets.items()}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_applies_an_overlay_twice_and_removes_all_of_it(tmp_path: Path):
    overlay = str(DEPLOY / "kustomize/overlays/production-openshift")
    with serving() as (server, kubeconfig):
        (tmp_path / "config").write_text(kubeconfig)

        def kubectl(*arguments: str) -> str:
            command = [
                "kubectl",
                "--kubeconfig",
                str(tmp_path / "config"),
                "--cache-dir",
                str(tmp_path / "cache"),
                *arguments,
            ]
            ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
            assert ran.returncode == 0, ran.stderr
            return ran.stdout

        kubectl("apply", "--server-side", "-k", overlay)
        written = len(server.written)
        assert written == len(server.objects) > 30
        kubectl("apply", "--server-side", "-k", overlay)
        assert len(server.written) == written
        assert "litemaas-gateway-route" in kubectl("-n", "litemaas", "get", "routes", "-o", "name")
        kubectl("-n", "litemaas", "delete", "-k", overlay, "--wait=false")
        assert server.objects == {}
