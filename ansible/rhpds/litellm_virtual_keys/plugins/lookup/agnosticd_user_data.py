"""What did an earlier play tell about the lab? Reads the data that agnosticd_user_info wrote."""

from __future__ import annotations

DOCUMENTATION = r"""
name: agnosticd_user_data
short_description: Reads data of AgnosticD's user info
version_added: 1.0.0
author: The LiteMaaS authors (@rhpds)
description: Values that M(rhpds.litellm_virtual_keys.agnosticd_user_info) wrote to C(output_dir). What is not there is nothing.
options:
  _terms:
    description: Names of values; V(*) for all.
    required: true
    type: list
    elements: str
  user:
    description: One user of the lab, whose own values are meant.
    type: str
  action:
    description: Which play wrote them.
    type: str
    default: provision
"""

EXAMPLES = r"""
- name: The key of the second user
  ansible.builtin.set_fact:
    lab_key: "{{ lookup('rhpds.litellm_virtual_keys.agnosticd_user_data', 'litellm_virtual_key', user='user2') }}"
  no_log: true
"""

RETURN = r"""
_list:
  description: The values that there are.
  type: list
  elements: raw
"""

import os

import yaml
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        user, action = self.get_option("user"), self.get_option("action")
        path = os.path.join(self._directory(variables or {}), f"{action}-user-data.yaml")
        try:
            with open(path, encoding="utf-8") as file:
                known = yaml.safe_load(file) or {}
        except FileNotFoundError:
            return []
        except yaml.YAMLError as error:
            raise AnsibleLookupError(f"{path} is no YAML: {type(error).__name__}") from error
        if user:
            known = (known.get("users") or {}).get(user) or {}
        return [known if term == "*" else known[term] for term in terms if term == "*" or term in known]

    def _directory(self, variables):
        if variables.get("output_dir"):
            return str(self._templar.template(variables["output_dir"]))
        host = (variables.get("hostvars") or {}).get("localhost")
        found = host.get("output_dir") if host is not None else None
        return str(found or variables.get("playbook_dir") or ".")
