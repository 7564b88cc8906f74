#!/usr/bin/python
"""Which keys does a workshop have?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_workshop_info
short_description: Reads the keys of a workshop
version_added: 1.0.0
author: The LiteMaaS authors (@rhpds)
description: Everything about the keys of a workshop, for the credential that made them. Changes nothing.
extends_documentation_fragment: rhpds.litellm_virtual_keys.gateway
options:
  guid:
    description: The workshop.
    type: str
    required: true
  return_keys:
    description: Returns the keys themselves. The task must then say C(no_log=true).
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: "Only reads."}
  diff_mode: {support: none, description: "Changes nothing."}
"""

EXAMPLES = r"""
- name: Who has a key?
  rhpds.litellm_virtual_keys.litemaas_workshop_info:
    url: https://litellm.apps.example.com
    credential: "{{ litellm_provisioning_key }}"
    guid: ab12c
  register: lab
"""

RETURN = r"""
exists:
  description: Whether the gateway knows the workshop.
  returned: success
  type: bool
models:
  description: What its keys may call.
  returned: success
  type: list
  elements: str
seats:
  description: One per user, with user, key_alias, key_id, user_id and expires; with O(return_keys) key, too.
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils import workshops
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.arguments import (
    CONNECTION,
    check_no_log,
    client_of,
    without_keys,
)
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.gateway_client import GatewayError

_ARGUMENTS = {
    **CONNECTION,
    "guid": {"type": "str", "required": True},
    "return_keys": {"type": "bool", "default": False, "no_log": False},
}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    check_no_log(module)
    try:
        held = workshops.find(client_of(module), module.params["guid"])
    except GatewayError as error:
        module.fail_json(msg=str(error), status=error.status)
    seats = held["keys"] if held else []
    if not module.params["return_keys"]:
        seats = without_keys(seats)
    module.exit_json(changed=False, exists=held is not None, models=held["models"] if held else [], seats=seats)


if __name__ == "__main__":
    main()
