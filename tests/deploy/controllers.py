"""What is in a cluster from the beginning, and what do its own controllers do after a write?"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from tests.deploy.api_server import ApiServer


def be_openshift(server: ApiServer) -> None:
    """On Amazon's machines, with their usual storage."""
    domain, kind = {"domain": "apps.ocp.example.com"}, {"platformStatus": {"type": "AWS"}}
    for plural, name, rest in (
        ("ingresses", "Ingress", {"spec": domain}),
        ("infrastructures", "Infrastructure", {"status": kind}),
    ):
        meta = {"name": "cluster", "namespace": ""}
        server.put(
            "config.openshift.io/v1",
            plural,
            {"apiVersion": "config.openshift.io/v1", "kind": name, "metadata": meta, **rest},
        )
    storage_class(server, "gp3-csi")


def storage_class(server: ApiServer, name: str, **annotations: str) -> None:
    api = "storage.k8s.io/v1"
    meta = {"name": name, "namespace": "", "annotations": annotations}
    server.put(api, "storageclasses", {"apiVersion": api, "kind": "StorageClass", "metadata": meta})


def make_workloads_ready(server: ApiServer, refused_images: tuple[str, ...] = ()) -> None:
    """Deployments and StatefulSets become ready at once.

    ``refused_images``: pods of these wait for ever, and say why."""

    def react(thing: dict[str, Any], is_gone: bool) -> None:
        if thing["kind"] not in ("Deployment", "StatefulSet") or is_gone:
            return
        image = thing["spec"]["template"]["spec"]["containers"][0]["image"]
        name, namespace = thing["metadata"]["name"], thing["metadata"]["namespace"]
        if image in refused_images:
            waiting = {"state": {"waiting": {"reason": "ErrImagePull"}}}
            meta = {
                "name": f"{name}-0",
                "namespace": namespace,
                "labels": thing["spec"]["template"]["metadata"]["labels"],
            }
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": {"containerStatuses": [waiting]}}
            server.put("v1", "pods", pod)
            waits = {
                **_ready(thing),
                "status": {"observedGeneration": 1, "updateRevision": "2", "currentRevision": "1"},
            }
            if waits != thing:
                server.put("apps/v1", f"{thing['kind'].lower()}s", waits)
            return
        ready = _ready(thing)
        if ready != thing:
            server.put("apps/v1", f"{thing['kind'].lower()}s", ready)

    server.reactions.append(react)


def _ready(thing: dict[str, Any]) -> dict[str, Any]:
    wanted = thing["spec"]["replicas"]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), wanted)
    status = {"observedGeneration": 1, "updateRevision": "1", "currentRevision": "1", **counts}
    made = {**thing, "metadata": {**thing["metadata"], "generation": 1}, "status": status}
    if thing["kind"] == "StatefulSet":  # as the API server sets it where nothing is said
        made["spec"] = {**thing["spec"], "updateStrategy": {"type": "RollingUpdate"}}
    return made


def run_jobs(server: ApiServer) -> None:
    """The command of a Job's container runs on this machine, with a program ``litemaas`` and a /tmp of its own."""

    def react(thing: dict[str, Any], is_gone: bool) -> None:
        if thing["kind"] == "Job" and not is_gone and "status" not in thing:
            threading.Thread(target=_run, args=(server, thing)).start()

    server.reactions.append(react)


def _run(server: ApiServer, job: dict[str, Any]) -> None:
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    container = job["spec"]["template"]["spec"]["containers"][0]
    with tempfile.TemporaryDirectory() as home:
        program = Path(home) / "litemaas"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m litemaas "$@"\n')
        program.chmod(0o755)
        environ = {**os.environ, "PATH": f"{home}{os.pathsep}{os.environ['PATH']}", "NO_PROXY": "127.0.0.1"}
        environ |= {one["name"]: _value(server, namespace, one) for one in container["env"]}
        line = [part.replace(" /tmp/", f" {home}/") for part in (*container["command"], *container["args"])]
        ran = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=300, check=False)
    meta = {"name": f"{name}-0", "namespace": namespace, "labels": {"job-name": name}}
    server.logs[namespace, f"{name}-0"] = ran.stderr + ran.stdout
    server.put("v1", "pods", {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": {"phase": "Succeeded"},
                              "spec": {"containers": [{"name": container["name"]}]}})  # fmt: skip
    end = {"type": "Failed" if ran.returncode else "Complete", "status": "True"}
    server.put("batch/v1", "jobs", {**job, "status": {"conditions": [end]}})


def _value(server: ApiServer, namespace: str, one: dict[str, Any]) -> str:
    if "value" in one:
        return str(one["value"])
    wanted = one["valueFrom"]["secretKeyRef"]
    secret = server.objects["v1", "secrets", namespace, wanted["name"]]
    return base64.b64decode(secret["data"][wanted["key"]]).decode()
