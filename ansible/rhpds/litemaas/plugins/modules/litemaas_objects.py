#!/usr/bin/python
"""How do objects get into a cluster, so that a second run changes nothing?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_objects
short_description: Objects of a cluster by server-side apply
version_added: 1.0.0
author: The LiteMaaS authors (@rhpds)
description:
  - Applies objects with kubectl as the field manager C(rhpds.litemaas), or deletes them.
  - What other managers set stays. Changed is only what differs afterwards, status aside.
extends_documentation_fragment: [rhpds.litemaas.kubectl, rhpds.litemaas.applied]
options:
  objects:
    description: The objects.
    type: list
    elements: dict
    required: true
  state:
    description: V(absent) deletes those that are there.
    type: str
    choices: [present, absent]
    default: present
  namespace:
    description: Where objects go that name no namespace.
    type: str
"""

EXAMPLES = r"""
- name: A namespace
  rhpds.litemaas.litemaas_objects:
    objects:
      - {apiVersion: v1, kind: Namespace, metadata: {name: llm-hosting}}
"""

RETURN = r"""
created: {description: Kinds and names., returned: success, type: list, elements: str}
updated: {description: Kinds and names., returned: success, type: list, elements: str}
deleted: {description: Kinds and names., returned: success, type: list, elements: str}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litemaas.plugins.module_utils.cluster import CONNECTION, Cluster, ClusterError, touched

_ARGUMENTS = {
    **CONNECTION,
    "objects": {"type": "list", "elements": "dict", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "namespace": {"type": "str"},
}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    asked = module.params
    created, updated, deleted = [], [], []
    try:
        cluster = Cluster.of(asked)
        if asked["state"] == "present":
            created, updated = cluster.apply(asked["objects"], dry_run=module.check_mode)
        else:
            deleted = cluster.delete(asked["objects"], dry_run=module.check_mode)
    except ClusterError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**touched(created, updated, deleted))


if __name__ == "__main__":
    main()
