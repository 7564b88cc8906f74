#!/usr/bin/python
"""What does check_role_variables take? Only its page stands here; the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_role_variables
short_description: Warns about variables that a role does not know
version_added: 1.0.0
author: The LiteMaaS authors (@rhpds)
description: Compares the variables that begin with a role's name with the role's argument_specs.yml. Changes nothing.
options:
  role_path:
    description: The directory of the role.
    type: path
    required: true
  ignored:
    description: Variables that are set but have no effect any more.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full, description: "Only reads."}
"""

EXAMPLES = r"""
- name: Warn about mistyped variables
  rhpds.litellm_virtual_keys.check_role_variables:
    role_path: "{{ role_path }}"
"""

RETURN = r""" # """
