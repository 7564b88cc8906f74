#!/usr/bin/python
"""How does a play run something to its end inside a cluster, and hear what it said?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_job
short_description: A Job of a cluster, run anew and waited for
version_added: 1.1.0
author: The LiteMaaS authors (@rhpds)
description:
  - Replaces a Job of this name, waits until it ends, and returns what its pod wrote.
  - A Job that fails, or takes longer, is a failure with pods, events and the last words of its log.
extends_documentation_fragment: [rhpds.litemaas.kubectl]
options:
  job:
    description: The Job, with its namespace.
    type: dict
    required: true
  wait_timeout:
    description: Seconds that it may take.
    type: int
    default: 14400
  poll:
    description: Seconds between two looks.
    type: float
    default: 5
attributes:
  check_mode: {support: full, description: "Reports that it would run."}
  diff_mode: {support: none, description: "A run is no difference."}
"""

EXAMPLES = r"""
- name: Migrate
  rhpds.litemaas.litemaas_job:
    job:
      apiVersion: batch/v1
      kind: Job
      metadata: {name: migrate, namespace: litemaas}
      spec:
        template:
          spec:
            restartPolicy: Never
            containers: [{name: migrate, image: "quay.io/litemaas/control:0.1.0", args: [migrate]}]
"""

RETURN = r"""
log:
  description: What the pod of the Job that succeeded wrote; empty in check mode.
  returned: success
  type: str
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litemaas.plugins.module_utils.cluster import CONNECTION, Cluster, ClusterError

_ARGUMENTS = {
    **CONNECTION,
    "job": {"type": "dict", "required": True},
    "wait_timeout": {"type": "int", "default": 14400},
    "poll": {"type": "float", "default": 5},
}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    asked = module.params
    if module.check_mode:
        module.exit_json(changed=True, log="")
    meta = asked["job"]["metadata"]
    cluster = Cluster.of(asked, meta["namespace"])
    try:
        cluster.delete([asked["job"]])
        cluster.apply([asked["job"]])
        until = time.monotonic() + asked["wait_timeout"]
        while True:
            ended = _ended(cluster, asked["job"])
            if ended == "Complete":
                break
            if ended == "Failed" or time.monotonic() > until:
                why = "failed" if ended else f"did not end within {asked['wait_timeout']} s"
                said = _log(cluster, meta["name"])[-2000:]
                module.fail_json(msg=f"Job {meta['name']} {why}.\n{said}\n{cluster.state()}")
            time.sleep(asked["poll"])
        module.exit_json(changed=True, log=_log(cluster, meta["name"]))
    except ClusterError as error:
        module.fail_json(msg=str(error))


def _ended(cluster, job):
    """Complete, Failed, or None. Errors: ClusterError."""
    there = next(iter(cluster.held([job]).values()), {})
    for condition in (there.get("status") or {}).get("conditions") or []:
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return condition["type"]
    return None


def _log(cluster, name):
    """Of the newest of its pods. Errors: ClusterError."""
    pods = cluster.listed("pods", f"job-name={name}")
    if not pods:
        return ""
    newest = max(pods, key=lambda pod: pod["metadata"].get("creationTimestamp") or "")
    return cluster.run("logs", newest["metadata"]["name"])


if __name__ == "__main__":
    main()
