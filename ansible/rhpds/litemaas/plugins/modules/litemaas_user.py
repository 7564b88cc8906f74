#!/usr/bin/python
"""How does a play set what a person may do and spend?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_user
short_description: Roles and limits of a person
version_added: 1.0.0
author: The LiteMaaS authors (@rhpds)
description: Sets granted roles, limits and cost centre of somebody who has signed in before. What is not named stays.
extends_documentation_fragment: rhpds.litemaas.platform
options:
  username:
    description: The name that the person signs in with.
    type: str
    required: true
  state:
    description: V(absent) closes the account; usage stays attributed to it.
    type: str
    choices: [present, absent]
    default: present
  roles:
    description: Roles granted beside those that come from groups.
    type: list
    elements: str
  max_budget:
    description: USD in each window; a negative number takes the limit away.
    type: float
  budget_duration:
    description: The window of the budget, like C(30d).
    type: str
  tpm_limit:
    description: Tokens per minute; a negative number takes the limit away.
    type: int
  rpm_limit:
    description: Requests per minute; a negative number takes the limit away.
    type: int
  cost_centre:
    description: Who pays.
    type: str
attributes:
  check_mode: {support: full, description: "Reads, and reports what would change."}
  diff_mode: {support: full, description: "Shows what changes."}
"""

EXAMPLES = r"""
- name: Ann administers the platform
  rhpds.litemaas.litemaas_user:
    url: https://litellm-admin.apps.example.com
    master_key: "{{ litellm_master_key }}"
    username: ann
    roles: [admin]
    max_budget: 100
    budget_duration: 30d
"""

RETURN = r"""
id:
  description: The person's id.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.arguments import client_of
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.gateway_client import GatewayError
from ansible_collections.rhpds.litemaas.plugins.module_utils.platform import (
    ADMIN,
    CONNECTION,
    differing,
    every,
    nano_of,
    segment,
)

_LIMITS = ("budget_duration", "tpm_limit", "rpm_limit")
_ARGUMENTS = {
    **CONNECTION,
    "username": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "roles": {"type": "list", "elements": "str"},
    "max_budget": {"type": "float"},
    "budget_duration": {"type": "str"},
    "tpm_limit": {"type": "int"},
    "rpm_limit": {"type": "int"},
    "cost_centre": {"type": "str"},
}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    asked = module.params
    try:
        client = client_of(module)
        found = [
            one
            for one in every(client, ADMIN + "/users", search=asked["username"])
            if one["username"] == asked["username"]
        ]
        if not found and asked["state"] == "absent":
            module.exit_json(changed=False, id=None)
        if not found:
            module.fail_json(msg=f"Nobody is called {asked['username']!r}. People are known once they have signed in.")
        path = f"{ADMIN}/users/{segment(found[0]['id'])}"
        shown = client.get(path)
        before = {**(shown["limits"] or {}), **{name: shown[name] for name in ("is_active", "cost_centre")}}
        before["granted_roles"] = sorted(shown["granted_roles"])
        changed = differing(before, _wanted(asked))
        if changed and not module.check_mode:
            client.call("PATCH", path, changed)
    except GatewayError as error:
        module.fail_json(msg=str(error), status=error.status)
    diff = {"before": {name: before.get(name) for name in changed}, "after": changed}
    module.exit_json(changed=bool(changed), id=found[0]["id"], diff=diff)


def _wanted(asked):
    if asked["state"] == "absent":
        return {"is_active": False}
    wanted = {"is_active": True}
    if asked["roles"] is not None:
        wanted["granted_roles"] = sorted(asked["roles"])
    if asked["max_budget"] is not None:
        wanted["max_budget_nano"] = None if asked["max_budget"] < 0 else nano_of(asked["max_budget"])
    for name in (*_LIMITS, "cost_centre"):
        if asked[name] is not None:
            wanted[name] = None if isinstance(asked[name], int) and asked[name] < 0 else asked[name]
    return wanted


if __name__ == "__main__":
    main()
