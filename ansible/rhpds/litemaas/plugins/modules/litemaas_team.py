#!/usr/bin/python
"""How does a play make a team with its limits, models and members?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_team
short_description: A team with its limits and members
version_added: 1.0.0
author: The LiteMaaS authors (@rhpds)
description: Makes a team unless one of this name is there, and brings it to what is named. What is not named stays.
extends_documentation_fragment: rhpds.litemaas.platform
options:
  name:
    description: The team's name.
    type: str
    required: true
  state:
    description: V(absent) archives the team.
    type: str
    choices: [present, absent]
    default: present
  description:
    description: What the team does.
    type: str
  cost_centre:
    description: Who pays.
    type: str
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
  models:
    description: What the team may subscribe to; all models if none is ever named.
    type: list
    elements: str
  group_binding:
    description: Whoever is in this group at sign-in is a member.
    type: str
  members:
    description:
      - Members by username, each with a role. People who have never signed in are a failure.
      - A new team needs at least one with the role admin.
    type: list
    elements: dict
    suboptions:
      username:
        description: The name that the person signs in with.
        type: str
        required: true
      role:
        description: What the person may do in the team.
        type: str
        choices: [admin, member, viewer]
        default: member
attributes:
  check_mode: {support: full, description: "Reads, and reports what would change."}
  diff_mode: {support: full, description: "Shows what changes."}
"""

EXAMPLES = r"""
- name: The research team
  rhpds.litemaas.litemaas_team:
    url: https://litellm-admin.apps.example.com
    master_key: "{{ litellm_master_key }}"
    name: research
    max_budget: 500
    budget_duration: 30d
    models: [granite-3-8b]
    members:
      - {username: ann, role: admin}
"""

RETURN = r"""
id:
  description: The team's id; null when it is not there.
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

_TEAMS = "/api/v1/teams"
_PLAIN = ("description", "cost_centre", "budget_duration", "tpm_limit", "rpm_limit", "group_binding")
_MEMBER = {
    "username": {"type": "str", "required": True},
    "role": {"type": "str", "choices": ["admin", "member", "viewer"], "default": "member"},
}
_ARGUMENTS = {
    **CONNECTION,
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "description": {"type": "str"},
    "cost_centre": {"type": "str"},
    "max_budget": {"type": "float"},
    "budget_duration": {"type": "str"},
    "tpm_limit": {"type": "int"},
    "rpm_limit": {"type": "int"},
    "models": {"type": "list", "elements": "str"},
    "group_binding": {"type": "str"},
    "members": {"type": "list", "elements": "dict", "options": _MEMBER},
}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    try:
        client = client_of(module)
        found = [
            one for one in every(client, _TEAMS, search=module.params["name"]) if one["name"] == module.params["name"]
        ]
        act = _present if module.params["state"] == "present" else _absent
        outcome = act(module, client, found[0] if found else None)
    except GatewayError as error:
        module.fail_json(msg=str(error), status=error.status)
    module.exit_json(**outcome)


def _absent(module, client, team):
    if team is not None and not module.check_mode:
        client.call("DELETE", f"{_TEAMS}/{segment(team['id'])}")
    diff = {"before": {"name": team and team["name"]}, "after": {"name": None}}
    return {"changed": team is not None, "id": team and team["id"], "diff": diff}


def _present(module, client, team):
    wanted = _wanted(module.params)
    changed = differing(team or {}, wanted)
    before = {name: (team or {}).get(name) for name in changed}
    if team is None:
        changed = {"name": module.params["name"], **wanted, "admin_ids": _admins(module, client)}
        team = {"id": None} if module.check_mode else client.post(_TEAMS, changed)
    elif changed and not module.check_mode:
        client.call("PATCH", f"{_TEAMS}/{segment(team['id'])}", changed)
    for who, change in _bring_members(module, client, team["id"]).items():
        before[f"member {who}"], changed[f"member {who}"] = change
    return {"changed": bool(changed), "id": team["id"], "diff": {"before": before, "after": changed}}


def _admins(module, client):
    """A team begins with at least one administrator."""
    ids = []
    for member in module.params["members"] or []:
        if member["role"] == "admin":
            found = every(client, ADMIN + "/users", search=member["username"])
            ids += [one["id"] for one in found if one["username"] == member["username"]]
    return ids


def _bring_members(module, client, team_id):
    """Returns who changed, from which role to which."""
    path = f"{_TEAMS}/{segment(team_id)}/members"
    held = {} if team_id is None else {one["username"]: one for one in every(client, path)}
    changes = {}
    for member in module.params["members"] or []:
        known = held.get(member["username"])
        if known is not None and known["role"] == member["role"]:
            continue
        changes[member["username"]] = (known and known["role"], member["role"])
        if module.check_mode:
            continue
        if known is None:
            client.post(path, member)
        else:
            client.call("PATCH", f"{path}/{segment(known['user_id'])}", {"role": member["role"]})
    return changes


def _wanted(asked):
    wanted = {name: asked[name] for name in _PLAIN if asked[name] is not None}
    wanted = {name: None if isinstance(value, int) and value < 0 else value for name, value in wanted.items()}
    if asked["max_budget"] is not None:
        wanted["max_budget_nano"] = None if asked["max_budget"] < 0 else nano_of(asked["max_budget"])
    if asked["models"] is not None:
        wanted["allowed_models"] = asked["models"]
    return wanted


if __name__ == "__main__":
    main()
