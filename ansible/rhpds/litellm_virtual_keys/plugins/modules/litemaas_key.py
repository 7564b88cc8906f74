#!/usr/bin/python
"""How does a play hold one key of the gateway, by its alias?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_key
short_description: One key of the gateway
version_added: 1.0.0
author: The LiteMaaS authors (@rhpds)
description:
  - Makes a key unless one with this alias is there, brings its limits to what is named, extends it, or ends it.
  - For the keys of a workshop use M(rhpds.litellm_virtual_keys.litemaas_workshop); those can be read again.
extends_documentation_fragment: rhpds.litellm_virtual_keys.gateway
options:
  key_alias:
    description: The name of the key. Required to make one.
    type: str
  key_id:
    description: The key's id, instead of O(key_alias) to extend or to end it.
    type: str
  state:
    description: V(extended) lets the key end O(duration) from now.
    type: str
    choices: [present, extended, absent]
    default: present
  models:
    description: What the key may call; all models if none is named.
    type: list
    elements: str
  duration:
    description: How long the key lives, like C(7d). A key that is there keeps its end, unless O(state=extended).
    type: str
  user_id:
    description: Whom usage is attributed to.
    type: str
  metadata:
    description: What the key carries. Members that are not named stay.
    type: dict
  max_budget:
    description: USD that the key may spend.
    type: float
  budget_duration:
    description: The window after which O(max_budget) is fresh.
    type: str
  tpm_limit:
    description: Tokens per minute.
    type: int
  rpm_limit:
    description: Requests per minute.
    type: int
  max_parallel_requests:
    description: Requests at once.
    type: int
  return_keys:
    description: Returns the key itself when it is made. The task must then say C(no_log=true).
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: "Reads, and reports what would change."}
  diff_mode: {support: full, description: "Shows limits, never keys."}
"""

EXAMPLES = r"""
- name: A key for the build server
  rhpds.litellm_virtual_keys.litemaas_key:
    url: https://litellm.apps.example.com
    master_key: "{{ litellm_master_key }}"
    key_alias: build-server
    models: [granite-3-8b]
    max_budget: 20
    budget_duration: 30d
    return_keys: true
  register: build
  no_log: true
"""

RETURN = r"""
key:
  description: The key. Null for one that was there before.
  returned: with O(return_keys)
  type: str
key_id:
  description: Its id; null for one that is not there.
  returned: success
  type: str
expires:
  description: When it ends; null for never.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.arguments import (
    CONNECTION,
    LIMITS,
    check_no_log,
    client_of,
    given,
)
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.gateway_client import GatewayError

_OWN = ("models", "user_id", "metadata", *LIMITS)
_ARGUMENTS = {
    **CONNECTION,
    **LIMITS,
    "key_alias": {"type": "str", "no_log": False},
    "key_id": {"type": "str", "no_log": False},
    "state": {"type": "str", "choices": ["present", "extended", "absent"], "default": "present"},
    "models": {"type": "list", "elements": "str"},
    "duration": {"type": "str"},
    "user_id": {"type": "str"},
    "metadata": {"type": "dict"},
    "return_keys": {"type": "bool", "default": False, "no_log": False},
}


def main():
    module = AnsibleModule(
        _ARGUMENTS,
        supports_check_mode=True,
        required_if=[("state", "present", ("key_alias",)), ("state", "extended", ("duration",))],
        required_one_of=[("key_alias", "key_id")],
    )
    check_no_log(module)
    act = {"present": _present, "extended": _extended, "absent": _absent}[module.params["state"]]
    try:
        client = client_of(module)
        outcome = act(module, client, _found(client, module.params))
    except GatewayError as error:
        module.fail_json(msg=str(error), status=error.status)
    if not module.params["return_keys"]:
        outcome.pop("key", None)
    module.exit_json(**outcome)


def _found(client, asked):
    """The key's record; None: there is none."""
    if asked["key_id"]:
        try:
            return {"token": asked["key_id"], **client.get("/key/info", key=asked["key_id"])["info"]}
        except GatewayError as error:
            if error.status == 404:
                return None
            raise
    listed = client.get("/key/list", key_alias=asked["key_alias"], return_full_object="true").get("keys", [])
    return next((row for row in listed if isinstance(row, dict) and row.get("key_alias") == asked["key_alias"]), None)


def _present(module, client, found):
    asked = module.params
    wanted = given(asked, _OWN)
    if found is None:
        made = {}
        if not module.check_mode:
            made = client.post("/key/generate", {**wanted, **given(asked, ("key_alias", "duration"))})
        return _outcome(made, True, {}, wanted, made.get("key"))
    if asked["metadata"] is not None:
        wanted["metadata"] = {**(found.get("metadata") or {}), **asked["metadata"]}
    before = {name: found.get(name) for name in wanted}
    if before == wanted:
        return _outcome(found, False, before, wanted)
    if not module.check_mode:
        client.post("/key/update", {"key": found["token"], **wanted})
    return _outcome(found, True, before, wanted)


def _extended(module, client, found):
    if found is None:
        raise GatewayError("There is no such key to extend.", 404)
    asked = module.params
    changed = found
    if not module.check_mode:
        changed = client.post("/key/update", {"key": found["token"], "duration": asked["duration"]})
    outcome = _outcome(found, True, {"expires": found.get("expires")}, {"expires": changed.get("expires")})
    return {**outcome, "expires": changed.get("expires")}


def _absent(module, client, found):
    if found is not None and not module.check_mode:
        try:
            client.post("/key/delete", {"keys": [found["token"]]})
        except GatewayError as error:
            # A first try whose answer was lost, or somebody else.
            if error.status != 404:
                raise
    return _outcome(found or {}, found is not None, {"alias": (found or {}).get("key_alias")}, {})


def _outcome(row, changed, before, after, key=None):
    key_id = row.get("token") or row.get("key_id")
    return {
        "changed": changed,
        "key": key,
        "key_id": key_id,
        "expires": row.get("expires"),
        "diff": {"before": before, "after": after},
    }


if __name__ == "__main__":
    main()
