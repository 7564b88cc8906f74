#!/usr/bin/python
"""How do several installations use the same objects of a cluster, and the last one takes them away?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_shared_objects
short_description: Objects and settings that several installations share
version_added: 1.1.0
author: The LiteMaaS authors (@rhpds)
description:
  - Applies objects and marks those that it made with a label of the installation. What was there before gets no label and
    is never deleted.
  - Sets parts of objects that belong to others, and remembers in an annotation what was there before.
  - With O(state=absent) an object goes with its last label; what was set in others' objects is taken back, unless somebody
    changed it since.
extends_documentation_fragment: [rhpds.litemaas.kubectl, rhpds.litemaas.applied]
options:
  holder:
    description: Names the installation; goes into the label C(holder.litemaas.io/<holder>).
    type: str
    required: true
  objects:
    description: Objects that shall be so. Those that others made are changed, but not marked.
    type: list
    elements: dict
    default: []
  reused:
    description: Objects that shall be there; those that others made under these names stay as they are.
    type: list
    elements: dict
    default: []
  once:
    description: Objects that are made where they are missing, and never changed.
    type: list
    elements: dict
    default: []
  settings:
    description:
      - Parts of objects of others, by C(apiVersion), C(kind), C(metadata).
      - C(metadata.labels) are set, or removed where null; C(yaml) maps keys of a ConfigMap to what shall be in the YAML there.
      - A ConfigMap that is missing is made.
    type: list
    elements: dict
    default: []
  prune:
    description:
      - Resources, as V(services) or V(servicemonitors.monitoring.coreos.com).
      - Everything else of them that this installation holds is released.
    type: list
    elements: str
    default: []
  resources:
    description:
      - With O(state=absent), the resources that are released, in that order.
      - Those that the cluster does not know are passed over.
    type: list
    elements: str
    default: []
  keep:
    description: With O(state=absent), what is not released yet, as V(Namespace/grafana-operator).
    type: list
    elements: str
    default: []
  state:
    description: V(absent) releases all that the installation holds of O(resources).
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Monitoring of user workloads, whatever else is set there
  rhpds.litemaas.litemaas_shared_objects:
    holder: llm-hosting
    settings:
      - apiVersion: v1
        kind: ConfigMap
        metadata: {name: cluster-monitoring-config, namespace: openshift-monitoring}
        yaml:
          config.yaml: {enableUserWorkload: true}
"""

RETURN = r"""
created: {description: Kinds and names., returned: success, type: list, elements: str}
updated: {description: Kinds and names., returned: success, type: list, elements: str}
deleted: {description: Kinds and names., returned: success, type: list, elements: str}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litemaas.plugins.module_utils.cluster import CONNECTION, Cluster, ClusterError, touched
from ansible_collections.rhpds.litemaas.plugins.module_utils.sharing import Sharing

_DICTS = {"type": "list", "elements": "dict", "default": []}
_NAMES = {"type": "list", "elements": "str", "default": []}
_ARGUMENTS = {
    **CONNECTION,
    "holder": {"type": "str", "required": True},
    "objects": _DICTS,
    "reused": _DICTS,
    "once": _DICTS,
    "settings": _DICTS,
    "prune": _NAMES,
    "resources": _NAMES,
    "keep": _NAMES,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    asked = module.params
    sharing = Sharing(Cluster.of(asked), asked["holder"], dry_run=module.check_mode)
    try:
        if asked["state"] == "present":
            sharing.hold(*(asked[name] for name in ("objects", "reused", "once", "settings", "prune")))
        else:
            sharing.release(asked["resources"], asked["keep"])
    except ClusterError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**touched(sharing.created, sharing.updated, sharing.deleted))


if __name__ == "__main__":
    main()
