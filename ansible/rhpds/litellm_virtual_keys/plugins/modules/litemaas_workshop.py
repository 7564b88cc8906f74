#!/usr/bin/python
"""How does a play give every participant of a workshop a key, extend these keys, and end them?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_workshop
short_description: All keys of a workshop, by one call
version_added: 1.0.0
author: The LiteMaaS authors (@rhpds)
description:
  - Makes the keys of all users of a workshop in one request, all or nothing. The same call again returns the same keys;
    a longer list of users adds only the new ones; other limits are brought to all of them.
  - Against a gateway without that call, keys are made one by one with LiteLLM's C(/key/generate), with a warning.
extends_documentation_fragment: rhpds.litellm_virtual_keys.gateway
options:
  guid:
    description: The workshop. Keys belong to it and go with it.
    type: str
    required: true
  state:
    description: V(present) makes what is missing, V(extended) lets all keys end O(duration) from now, V(absent) ends them.
    type: str
    choices: [present, extended, absent]
    default: present
  models:
    description: What the keys may call. Required for V(present).
    type: list
    elements: str
  users:
    description: Who gets a key. Required for V(present); with V(absent) their aliases name keys that were made one by one.
    type: list
    elements: dict
    default: []
    suboptions:
      user:
        description: Who within the workshop, like C(user1).
        type: str
        required: true
      key_alias:
        description: The name of the key.
        type: str
        required: true
      user_id:
        description: Whom usage is attributed to.
        type: str
      metadata:
        description: Of this key, beside O(metadata).
        type: dict
        default: {}
  duration:
    description: How long keys live from the first call on, like C(7d) or C(36h).
    type: str
  metadata:
    description: What all keys carry.
    type: dict
    default: {}
  max_budget:
    description: USD that each key may spend.
    type: float
  budget_duration:
    description: The window after which O(max_budget) is fresh, like C(1d).
    type: str
  tpm_limit:
    description: Tokens per minute of each key.
    type: int
  rpm_limit:
    description: Requests per minute of each key.
    type: int
  max_parallel_requests:
    description: Requests at once of each key.
    type: int
  pot_budget:
    description: USD that all keys together may spend.
    type: float
  validate_models:
    description: Asks the gateway for its models first, and fails with the nearest names before anything is made.
    type: bool
    default: false
  return_keys:
    description: Returns the keys themselves. The task must then say C(no_log=true).
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: "Reads, and reports who would get a key."}
  diff_mode: {support: full, description: "Shows users, never keys."}
"""

EXAMPLES = r"""
- name: Two keys
  rhpds.litellm_virtual_keys.litemaas_workshop:
    url: https://litellm.apps.example.com
    credential: "{{ litellm_provisioning_key }}"
    guid: ab12c
    models: [granite-3-8b]
    duration: 7d
    max_budget: 5
    users:
      - {user: user1, key_alias: virtkey-ab12c-user1, user_id: user1@lab.example.com}
      - {user: user2, key_alias: virtkey-ab12c-user2, user_id: user2@lab.example.com}
    return_keys: true
  register: lab
  no_log: true

- name: A week more
  rhpds.litellm_virtual_keys.litemaas_workshop:
    url: https://litellm.apps.example.com
    credential: "{{ litellm_provisioning_key }}"
    guid: ab12c
    state: extended
    duration: 168h
"""

RETURN = r"""
seats:
  description: One per user, with user, key_alias, key_id, user_id, expires and status; with O(return_keys) key, too.
  returned: success
  type: list
  elements: dict
counts:
  description: How many were created, updated, existing (V(present)) or deleted (V(absent)).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils import workshops
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.arguments import (
    CONNECTION,
    LIMITS,
    check_no_log,
    client_of,
    given,
    without_keys,
)
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.gateway_client import GatewayError
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.models import check_models

_USER = {
    "user": {"type": "str", "required": True},
    "key_alias": {"type": "str", "required": True, "no_log": False},
    "user_id": {"type": "str"},
    "metadata": {"type": "dict", "default": {}},
}
_ARGUMENTS = {
    **CONNECTION,
    **LIMITS,
    "guid": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "extended", "absent"], "default": "present"},
    "models": {"type": "list", "elements": "str"},
    "users": {"type": "list", "elements": "dict", "options": _USER, "default": []},
    "duration": {"type": "str"},
    "metadata": {"type": "dict", "default": {}},
    "pot_budget": {"type": "float"},
    "validate_models": {"type": "bool", "default": False},
    "return_keys": {"type": "bool", "default": False, "no_log": False},
}


def main():
    module = AnsibleModule(
        _ARGUMENTS,
        supports_check_mode=True,
        required_if=[("state", "present", ("models", "users")), ("state", "extended", ("duration",))],
    )
    check_no_log(module)
    act = {"present": _present, "extended": _extended, "absent": _absent}[module.params["state"]]
    try:
        outcome = act(module, client_of(module))
    except GatewayError as error:
        module.fail_json(msg=str(error), status=error.status)
    for warning in outcome.pop("warnings", []):
        module.warn(warning)
    if not module.params["return_keys"]:
        outcome["seats"] = without_keys(outcome["seats"])
    module.exit_json(**outcome)


def _present(module, client):
    asked = module.params
    if asked["validate_models"]:
        check_models(client, asked["models"])
    seats = [given(seat, ("user", "key_alias", "user_id", "metadata")) for seat in asked["users"]]
    body = given(asked, ("guid", "models", "duration", "metadata", "pot_budget", *LIMITS)) | {"keys": seats}
    if module.check_mode:
        return _foreseen(client, body)
    answer, warnings = workshops.provide(client, body)
    counts = {status: answer[status] for status in ("created", "updated", "existing")}
    fresh = [seat["user"] for seat in answer["keys"] if seat["status"] == "created"]
    return {
        "changed": bool(counts["created"] or counts["updated"]),
        "seats": answer["keys"],
        "counts": counts,
        "warnings": warnings,
        "diff": _diff([seat for seat in answer["keys"] if seat["user"] not in fresh], answer["keys"]),
    }


def _foreseen(client, body):
    """What a run would make, as far as reading tells."""
    held = workshops.find(client, body["guid"])
    known = {seat["user"]: seat for seat in held["keys"]} if held else {}
    differs = bool(held) and held["models"] != body["models"]
    seats = []
    for seat in body["keys"]:
        status = "created" if seat["user"] not in known else "updated" if differs else "existing"
        nothing = {"key_id": None, "expires": None, "user_id": None, "key": None}
        seats.append(
            {
                **nothing,
                **known.get(seat["user"], {}),
                **{k: v for k, v in seat.items() if k != "metadata"},
                "status": status,
            }
        )
    counts = {status: sum(seat["status"] == status for seat in seats) for status in ("created", "updated", "existing")}
    changed = bool(counts["created"] or counts["updated"])
    return {"changed": changed, "seats": seats, "counts": counts, "diff": _diff(list(known.values()), seats)}


def _extended(module, client):
    asked = module.params
    before = workshops.find(client, asked["guid"])
    if before is None:
        raise GatewayError(f"There is no workshop {asked['guid']!r} to extend.", 404)
    after = before if module.check_mode else workshops.extend(client, asked["guid"], asked["duration"])
    diff = _diff(before["keys"], after["keys"], "expires")
    return {"changed": True, "seats": after["keys"], "counts": {"updated": len(after["keys"])}, "diff": diff}


def _absent(module, client):
    asked = module.params
    if module.check_mode:
        held = workshops.find(client, asked["guid"])
        seats = held["keys"] if held else []
        return {"changed": bool(seats), "seats": [], "counts": {"deleted": len(seats)}, "diff": _diff(seats, [])}
    deleted = workshops.end(client, asked["guid"], [seat["key_alias"] for seat in asked["users"]])
    diff = {"before": f"{deleted} keys\n", "after": "0 keys\n"}
    return {"changed": deleted > 0, "seats": [], "counts": {"deleted": deleted}, "diff": diff}


def _diff(before, after, *more):
    def shown(seats):
        lines = [" ".join(str(seat.get(name)) for name in ("user", "key_alias", *more)) for seat in seats]
        return "".join(line + "\n" for line in sorted(lines))

    return {"before": shown(before), "after": shown(after)}


if __name__ == "__main__":
    main()
