#!/usr/bin/python
"""How do guardrails of an installation's own come to be, from the file that LiteLLM reads?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_guardrails
short_description: Guardrails of one's own
version_added: 1.2.0
author: The LiteMaaS authors (@rhpds)
description:
  - Puts guardrails with patterns, words and categories of one's own, as LiteLLM's C(guardrails:) file has them.
  - They hold within a second, without a restart.
  - A guardrail of the same name is replaced; those that are not named stay.
  - One that asks a service (C(generic_guardrail_api), C(presidio)) is put each time it holds a credential, which the platform
    shows to nobody; it counts as changed only where something else differs.
extends_documentation_fragment: rhpds.litemaas.platform
options:
  guardrails:
    description:
      - Each has C(guardrail_name) and C(litellm_params) with C(mode), C(default_on), C(patterns), C(blocked_words),
        C(categories), or what a service is asked with.
    type: list
    elements: dict
    required: true
  state:
    description: V(absent) takes those of these names away; keys and models must not name them any more.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode: {support: full, description: "Reads, and reports what would change."}
  diff_mode: {support: full, description: "Shows what changes."}
"""

EXAMPLES = r"""
- name: No number of an employee reaches a model, and no social security number leaves one
  rhpds.litemaas.litemaas_guardrails:
    url: https://litellm-admin.apps.example.com
    master_key: "{{ litellm_master_key }}"
    guardrails:
      - guardrail_name: company
        litellm_params:
          guardrail: litellm_content_filter
          mode: pre_call
          default_on: true
          patterns:
            - {pattern_type: regex, name: employee_number, pattern: '\bEMP-\d{6}\b', action: BLOCK}
      - guardrail_name: output-pii-mask
        litellm_params:
          guardrail: litellm_content_filter
          mode: post_call
          default_on: true
          patterns:
            - {pattern_type: prebuilt, pattern_name: us_ssn, action: MASK}
"""

RETURN = r"""
names:
  description: All guardrails of the installation's own.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.arguments import client_of
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.gateway_client import GatewayError
from ansible_collections.rhpds.litemaas.plugins.module_utils.platform import ADMIN, CONNECTION

_HIDDEN = "****"
_PATH = ADMIN + "/settings/guardrails"
_ARGUMENTS = {
    **CONNECTION,
    "guardrails": {"type": "list", "elements": "dict", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def _shown(entry):
    """As the platform shows it, without credentials."""
    params = dict(entry.get("litellm_params") or {})
    if params.get("api_key"):
        params["api_key"] = _HIDDEN
    if isinstance(params.get("headers"), dict):
        params["headers"] = dict.fromkeys(params["headers"], _HIDDEN)
    return {**entry, "litellm_params": params}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    asked = module.params
    named = {one.get("guardrail_name"): one for one in asked["guardrails"]}
    if None in named or len(named) < len(asked["guardrails"]):
        module.fail_json(msg="Each guardrail needs a guardrail_name of its own.")
    try:
        client = client_of(module)
        before = {one["guardrail_name"]: one for one in client.get(_PATH)["guardrails"]}
        after = {name: one for name, one in before.items() if name not in named}
        if asked["state"] == "present":
            after = {**before, **named}
        sent = list(after.values())
        after = {name: _shown(one) for name, one in after.items()}
        if (after != before or sent != list(before.values())) and not module.check_mode:
            client.call("PUT", _PATH, {"guardrails": sent})
    except GatewayError as error:
        module.fail_json(msg=str(error), status=error.status)
    diff = {
        "before": {name: one for name, one in before.items() if after.get(name) != one},
        "after": {name: one for name, one in after.items() if before.get(name) != one},
    }
    module.exit_json(changed=after != before, names=list(after), diff=diff)


if __name__ == "__main__":
    main()
