"""Do the playbooks of the READMEs run as they are written, and does the sample catalogue item?"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.ansible.conftest import COLLECTIONS, ROOT
from tests.ansible.plays import Outcome, Plays, ended
from tests.ansible.readmes import block
from tests.deploy.api_server import serving
from tests.deploy.controllers import be_openshift

ROLES = sorted(path.parent for path in COLLECTIONS.glob("*/roles/*/README.md"))


def run(plays: Plays, platform: Mapping[str, str], text: str, *arguments: str, **environ: str) -> Outcome:
    path = plays.directory / "readme.yml"
    path.write_text(text, encoding="utf-8")
    return ended(plays.start(str(path), *arguments, environ={**platform, **environ}, variables={}))


def role(name: str) -> Path:
    return next(path for path in ROLES if path.name == name)


def test_every_role_has_a_playbook_in_its_readme():
    roles = [path for path in COLLECTIONS.glob("*/roles/*") if path.is_dir()]
    assert sorted(roles) == ROLES
    for path in roles:
        assert yaml.safe_load(block(path))[0]["roles"][0].endswith(path.name)


def test_keys_bastion_and_rehearsal_run_one_after_the_other(plays: Plays, platform: Mapping[str, str]):
    keys = block(role("ocp4_workload_litellm_virtual_keys"))
    run(plays, platform, keys).succeeded()
    assert run(plays, platform, keys).succeeded().changed == 0
    run(plays, platform, block(role("ocp4_workload_litellm_bastion_profile"))).succeeded()
    assert "LITELLM_API_KEY=sk-" in (plays.directory / "litemaas.sh").read_text()
    rehearsed = run(plays, platform, block(role("ocp4_workload_litemaas_benchmark"))).succeeded()
    assert "user.info: Rehearsal: PASS ✓, 6 of 6 requests answered" in rehearsed.output
    data: dict[str, Any] = yaml.safe_load((plays.directory / "output/provision-user-data.yaml").read_text())
    assert (data["litemaas_benchmark_total_requests"], data["litemaas_benchmark_errors"]) == (6, {})
    assert data["litemaas_benchmark_status"] == "PASS ✓"
    assert (plays.directory / "output/litemaas-benchmark/report.html").exists()
    run(plays, platform, keys, "-e", "ACTION=destroy").succeeded()
    failed = run(plays, platform, block(role("ocp4_workload_litemaas_benchmark")))
    failed.failed("The rehearsal ended with FAIL")


def test_models_and_guardrails_run(plays: Plays, platform: Mapping[str, str]):
    models = block(role("ocp4_workload_litemaas_models"))
    run(plays, platform, models).succeeded()
    assert run(plays, platform, models).succeeded().changed == 0
    guardrails = block(role("ocp4_workload_litemaas_guardrails"))
    assert run(plays, platform, guardrails).succeeded().changed == 1
    assert run(plays, platform, guardrails).succeeded().changed == 0
    run(plays, platform, guardrails, "-e", "ocp4_workload_litemaas_guardrails_state=absent").succeeded()
    only = ("-e", "ocp4_workload_litemaas_guardrails_check_only=true")
    run(plays, platform, guardrails, *only).failed("was answered 200, not 403")


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_the_installation_runs_in_a_cluster_whose_pods_nobody_waits_for(plays: Plays, platform: Mapping[str, str]):
    with serving() as (server, kubeconfig):
        path = plays.directory / "kubeconfig"
        path.write_text(kubeconfig)
        be_openshift(server)
        chart = shutil.copytree(ROOT / "deploy/helm/litemaas", plays.directory / "chart")
        environ = {"KUBECONFIG": str(path), "LITEMAAS_CHART": str(chart)}
        install = (block(role("ocp4_workload_litemaas")), "-e", "ocp4_workload_litemaas_wait_timeout=0")
        run(plays, platform, *install, **environ).succeeded()
        assert set(server.of("Deployment")) == {"litellm", "litellm-backend", "litellm-frontend", "litellm-redis"}
        assert run(plays, platform, *install, **environ).succeeded().changed == 0


def test_the_sample_catalogue_item_runs_locally_and_is_removed(plays: Plays, platform: Mapping[str, str]):
    sample = plays.directory / "sample"
    shutil.copytree(COLLECTIONS / "litellm_virtual_keys/examples/agnosticv", sample)
    started = [str(sample / "run-locally.yml"), "-e", "num_users=3"]
    ended(plays.start(*started, environ=platform, variables={})).succeeded()
    data = yaml.safe_load((sample / "output/provision-user-data.yaml").read_text())
    assert data["litellm_user_count"] == 3
    assert plays.record(data["litellm_key_ids"][0])["metadata"]["catalog_item"] == "build-with-models"
    removed = ended(plays.start(*started, "-e", "ACTION=destroy", environ=platform, variables={})).succeeded()
    assert removed.changed == 1
