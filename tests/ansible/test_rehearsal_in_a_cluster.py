"""Does a rehearsal run as a Job, is its report served, and does removal leave nothing but what was there before?"""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from tests.ansible.plays import MODEL, Outcome, Plays
from tests.deploy.api_server import serving
from tests.deploy.controllers import be_openshift, run_jobs
from tests.deploy.validation import faults_of

PREFIX = "ocp4_workload_litemaas_benchmark_"

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


def test_people_are_played_by_a_job_and_the_report_is_served(plays: Plays):
    key = plays.ask("POST", "/key/generate", {"models": [MODEL]}).json()["key"]
    with serving() as (server, kubeconfig):
        path = plays.directory / "kubeconfig"
        path.write_text(kubeconfig)
        be_openshift(server)
        run_jobs(server)
        server.reactions.append(_give_a_host(server))
        before = set(server.objects)

        def run(*arguments: str, **members: Any) -> Outcome:
            small = {
                "conversations": 2,
                "turns": 2,
                "document_words": 50,
                "max_tokens": 10,
                "min_delay": 0.0,
                "max_delay": 0.0,
            }
            own = {
                "url": plays.url + "/v1",
                "key": key,
                "models": [MODEL],
                "namespace": plays.guid,
                "kubeconfig": str(path),
                "poll": 0.2,
            }
            named = {n if n == "ACTION" else PREFIX + n: value for n, value in (small | own | members).items()}
            return plays.role(*arguments, role="rhpds.litemaas.ocp4_workload_litemaas_benchmark", **named)

        outcome = run("-vvv").succeeded()
        assert key not in outcome.output
        data = plays.data()
        assert (data["litemaas_benchmark_total_requests"], data["litemaas_benchmark_status"]) == (4, "PASS ✓")
        assert (data["litemaas_benchmark_namespace"], data["litemaas_benchmark_job_name"]) == (
            plays.guid,
            "litemaas-benchmark",
        )
        assert data["litemaas_benchmark_report_url"] == "https://benchmark-report.apps.ocp.example.com"
        job = server.of("Job")["litemaas-benchmark"]
        assert key not in str(job)
        assert (job["spec"]["backoffLimit"], job["spec"]["ttlSecondsAfterFinished"]) == (1, 86400)
        assert "<html" in server.of("ConfigMap")["benchmark-report"]["data"]["index.html"]
        for kind in ("Job", "Deployment", "Service", "Route", "ConfigMap", "Secret"):
            for one in server.of(kind).values():
                meta = {n: v for n, v in one["metadata"].items() if n not in ("resourceVersion", "uid")}
                assert faults_of({n: v for n, v in {**one, "metadata": meta}.items() if n != "status"}) == []

        failed = run(models=["nobody"], fail_on="never")
        assert failed.succeeded().rc == 0
        assert plays.data()["litemaas_benchmark_status"].startswith("FAIL")
        run(image="", url="http://127.0.0.1:9/v1", turns=0).failed("Job litemaas-benchmark failed", "--turns")

        run(ACTION="destroy").succeeded()
        gone = {one for one in server.objects if one not in before and server.objects[one]["kind"] != "Pod"}
        assert gone == set()


def _give_a_host(server: Any) -> Any:
    def react(thing: dict[str, Any], is_gone: bool) -> None:
        if thing["kind"] == "Route" and not is_gone and "host" not in thing["spec"]:
            host = f"{thing['metadata']['name']}.apps.ocp.example.com"
            server.put("route.openshift.io/v1", "routes", {**thing, "spec": {**thing["spec"], "host": host}})

    return react
