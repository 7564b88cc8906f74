#!/usr/bin/python
"""Which virtual keys may go, and how do they go?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_key_cleanup
short_description: Deletes keys that have expired, or are too old
version_added: 1.1.0
author: The LiteMaaS authors (@rhpds)
description:
  - Expired keys are refused by the gateway at once; this takes them out of its lists. An age rule is optional.
  - Check mode is the dry run.
extends_documentation_fragment: rhpds.litellm_virtual_keys.gateway
options:
  expired_for_days:
    description: Keys that expired so long ago go.
    type: float
    default: 0
  older_than_days:
    description: Keys that were made so long ago go, expired or not; 0 is no such rule.
    type: float
    default: 0
  alias_pattern:
    description: Only keys whose alias matches this regular expression from its beginning.
    type: str
attributes:
  check_mode: {support: full, description: "Reads, and reports which keys would go."}
  diff_mode: {support: full, description: "Shows aliases, never keys."}
"""

EXAMPLES = r"""
- name: What labs have left behind
  rhpds.litemaas.litemaas_key_cleanup:
    url: https://litellm.apps.example.com
    credential: "{{ litellm_master_key }}"
    older_than_days: 30
    alias_pattern: virtkey-
"""

RETURN = r"""
count:
  description: How many keys went.
  returned: success
  type: int
aliases:
  description: What they were called; null for those without a name.
  returned: success
  type: list
  elements: str
"""

import re
from datetime import datetime, timedelta, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.arguments import CONNECTION, client_of
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.gateway_client import GatewayError

_PAGE = 100
_ARGUMENTS = {
    **CONNECTION,
    "expired_for_days": {"type": "float", "default": 0},
    "older_than_days": {"type": "float", "default": 0},
    "alias_pattern": {"type": "str"},
}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    asked = module.params
    try:
        pattern = re.compile(asked["alias_pattern"] or "")
    except re.error as error:
        module.fail_json(msg=f"alias_pattern is no regular expression: {error}.")
    if min(asked["expired_for_days"], asked["older_than_days"]) < 0:
        module.fail_json(msg="Days cannot be negative.")
    now = datetime.now(timezone.utc)
    expired = now - timedelta(days=asked["expired_for_days"])
    oldest = now - timedelta(days=asked["older_than_days"]) if asked["older_than_days"] else None
    try:
        client = client_of(module)
        # All pages are read before the first key goes: deleting moves the others to earlier pages.
        going = [
            key for key in _every(client) if pattern.match(key.get("key_alias") or "") and _may_go(key, expired, oldest)
        ]
        for start in range(0, 0 if module.check_mode else len(going), _PAGE):
            client.post("/key/delete", {"keys": [key["token"] for key in going[start : start + _PAGE]]})
    except GatewayError as error:
        module.fail_json(msg=str(error), status=error.status)
    aliases = [key.get("key_alias") for key in going]
    diff = {"before": {"keys": aliases}, "after": {"keys": []}}
    module.exit_json(changed=bool(going), count=len(going), aliases=aliases, diff=diff)


def _every(client):
    page = 1
    while True:
        answer = client.get("/key/list", return_full_object="true", size=_PAGE, page=page)
        yield from answer["keys"]
        if page >= answer["total_pages"]:
            return
        page += 1


def _may_go(key, expired, oldest):
    expires, created = _moment(key.get("expires")), _moment(key.get("created_at"))
    return (expires is not None and expires <= expired) or (
        oldest is not None and created is not None and created < oldest
    )


def _moment(text):
    if not text:
        return None
    read = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return read if read.tzinfo else read.replace(tzinfo=timezone.utc)


if __name__ == "__main__":
    main()
