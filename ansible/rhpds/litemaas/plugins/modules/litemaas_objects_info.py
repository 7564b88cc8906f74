#!/usr/bin/python
"""What is in a cluster, and when is it as it should be?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_objects_info
short_description: Objects of a cluster, at once or when they are as they should be
version_added: 1.1.0
author: The LiteMaaS authors (@rhpds)
description:
  - Reads objects with kubectl. A kind that the cluster does not know has no objects.
  - Secrets are not read by it.
extends_documentation_fragment: [rhpds.litemaas.kubectl]
options:
  queries:
    description: What is looked for.
    type: list
    elements: dict
    required: true
    suboptions:
      resource:
        description: As V(services) or V(inferenceservices.serving.kserve.io).
        type: str
        required: true
      name:
        description: One object of it.
        type: str
      namespace:
        description: Without it, those of all namespaces.
        type: str
      selector:
        description: Of labels.
        type: str
      until:
        description:
          - Fields by their path, as C(status.phase), and what shall be there of one object.
          - V(*) is anything but nothing.
        type: dict
        default: {}
  wait_timeout:
    description: Seconds until that must be so of all queries; 0 does not wait.
    type: int
    default: 0
attributes:
  check_mode: {support: full, description: "It only reads."}
  diff_mode: {support: none, description: "Nothing changes."}
"""

EXAMPLES = r"""
- name: When an operator is there
  rhpds.litemaas.litemaas_objects_info:
    queries:
      - resource: subscriptions.operators.coreos.com
        namespace: grafana-operator
        until: {status.installedCSV: "*"}
    wait_timeout: 300
"""

RETURN = r"""
found:
  description: The objects of each query, in their order.
  returned: success
  type: list
  elements: list
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litemaas.plugins.module_utils.cluster import CONNECTION, Cluster, ClusterError

_POLL_S = 2
_QUERY = {
    "resource": {"type": "str", "required": True},
    "name": {"type": "str"},
    "namespace": {"type": "str"},
    "selector": {"type": "str"},
    "until": {"type": "dict", "default": {}},
}
_ARGUMENTS = {
    **CONNECTION,
    "queries": {"type": "list", "elements": "dict", "required": True, "options": _QUERY},
    "wait_timeout": {"type": "int", "default": 0},
}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    asked = module.params
    if any(query["resource"].lower().partition(".")[0] in ("secret", "secrets") for query in asked["queries"]):
        module.fail_json(msg="Secrets are not read by this module.")
    give_up_at = time.monotonic() + asked["wait_timeout"]
    try:
        clusters = [Cluster.of(asked, query["namespace"]) for query in asked["queries"]]
        while True:
            known = clusters[0].knows() if clusters else ()
            found = [_found(cluster, query, known) for cluster, query in zip(clusters, asked["queries"])]
            waited_for = [
                place
                for place, query in enumerate(asked["queries"])
                if query["until"] and not any(_is_so(one, query["until"]) for one in found[place])
            ]
            if not waited_for or not asked["wait_timeout"]:
                break
            if time.monotonic() > give_up_at:
                place = waited_for[0]
                module.fail_json(msg=_late(clusters[place], asked["queries"][place], asked["wait_timeout"]))
            time.sleep(_POLL_S)
    except ClusterError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, found=found)


def _found(cluster, query, known):
    """Errors: ClusterError."""
    if query["resource"] not in known:
        return []
    found = cluster.listed(query["resource"], query["selector"] or "", everywhere=not query["namespace"])
    return [one for one in found if query["name"] in (None, one["metadata"]["name"])]


def _late(cluster, query, within_s):
    what = f"{query['resource']} {query['name'] or ''}".strip()
    wanted = ", ".join(f"{path}: {value}" for path, value in query["until"].items())
    return f"{what} was not so within {within_s} s: {wanted}\n{cluster.state()}"


def _is_so(one, until):
    for path, wanted in until.items():
        value = one
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if not value if wanted == "*" else value != wanted:
            return False
    return True


if __name__ == "__main__":
    main()
