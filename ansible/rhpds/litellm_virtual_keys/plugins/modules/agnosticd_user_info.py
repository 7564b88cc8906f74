#!/usr/bin/python
"""What does agnosticd_user_info take? Only its page stands here; the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: agnosticd_user_info
short_description: Tells the person who ordered a lab something
version_added: 1.0.0
author: The LiteMaaS authors (@rhpds)
description:
  - Messages and data for AgnosticD's user info, written to files in C(output_dir), else beside the playbook.
  - Without O(user), messages are in the log, too.
  - The files' names begin with the variable C(ACTION), else C(provision). Their mode is 0600.
  - A message that stands there is not repeated.
options:
  msg:
    description: A line, or a list of lines.
    type: raw
  body:
    description: A longer text. Not together with O(msg).
    type: str
  data:
    description: Values that other parts of the catalogue read, merged into what is there.
    type: dict
  user:
    description: One user of the lab whom this is for, else all of them.
    type: str
  users:
    description: For many users at once, each with C(data), C(msg) and C(body) of their own.
    type: dict
attributes:
  check_mode: {support: full, description: "Writes nothing."}
"""

EXAMPLES = r"""
- name: Tell everybody
  rhpds.litellm_virtual_keys.agnosticd_user_info:
    msg: "The lab is ready."

- name: Tell one of them
  rhpds.litellm_virtual_keys.agnosticd_user_info:
    user: user1
    data:
      console: https://console.example.com
"""

RETURN = r"""
msg:
  description: The lines as AgnosticD reads them off the log, C(user.info) and C(user.body) before each.
  returned: with msg or body, without user
  type: raw
"""
