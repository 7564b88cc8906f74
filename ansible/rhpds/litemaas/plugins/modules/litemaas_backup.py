#!/usr/bin/python
"""How does a play make a backup that is known to be restorable, and keep a copy of it?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_backup
short_description: A backup of the platform, tried and kept
version_added: 1.1.0
author: The LiteMaaS authors (@rhpds)
description:
  - Makes a backup by the control plane, unless the newest is fresh enough; restores it into a scratch schema to prove that
    it can be.
  - Where backups lie is a setting of the control plane. Restoring is done by people, in the portal or by C(litemaas restore).
extends_documentation_fragment: rhpds.litemaas.platform
options:
  max_age_hours:
    description: A backup that is not older than this is enough; 0 always makes one.
    type: float
    default: 0
  encrypted:
    description: Whether the file is encrypted; else as the settings say.
    type: bool
  test_restore:
    description:
      - Restores a new backup into a scratch schema, compares, and takes it all back.
      - A backup that cannot be restored is a failure.
    type: bool
    default: true
  keep:
    description: Of the backups that were made by hand or by this module, only so many of the newest stay; 0 keeps all.
    type: int
    default: 0
  dest:
    description: Directory for a copy of the backup, C(litemaas-<id>.zip), readable by its owner only.
    type: path
  wait_timeout:
    description: Seconds that making it, and trying it, may each take.
    type: int
    default: 1800
attributes:
  check_mode: {support: full, description: "Reads, and reports what would be made and deleted."}
  diff_mode: {support: full, description: "Shows the ids of backups."}
"""

EXAMPLES = r"""
- name: One a day, the newest seven, and a copy here
  rhpds.litemaas.litemaas_backup:
    url: https://litellm-admin.apps.example.com
    master_key: "{{ litellm_master_key }}"
    max_age_hours: 20
    keep: 7
    dest: /var/backups/litemaas
"""

RETURN = r"""
backup:
  description:
    - What the newest backup holds, by id, created_at, size, tables, rows, encrypted.
    - Null in check mode where one would be made.
  returned: success
  type: dict
deleted:
  description: Ids of the backups that went.
  returned: success
  type: list
  elements: str
path:
  description: Where the copy lies; null without O(dest).
  returned: success
  type: str
"""

import os
import time
from datetime import datetime, timedelta, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.arguments import client_of
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.gateway_client import GatewayError
from ansible_collections.rhpds.litemaas.plugins.module_utils.platform import ADMIN, CONNECTION, segment

_BACKUPS = ADMIN + "/backups"
_POLL_S = 1.0
_ARGUMENTS = {
    **CONNECTION,
    "max_age_hours": {"type": "float", "default": 0},
    "encrypted": {"type": "bool"},
    "test_restore": {"type": "bool", "default": True},
    "keep": {"type": "int", "default": 0},
    "dest": {"type": "path"},
    "wait_timeout": {"type": "int", "default": 1800},
}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    asked = module.params
    if asked["dest"] and not os.path.isdir(asked["dest"]):
        module.fail_json(msg=f"dest: there is no directory {asked['dest']}.")
    try:
        client = client_of(module)
        before = client.get(_BACKUPS)["data"]
        is_fresh = bool(before) and _age(before[0]) <= timedelta(hours=asked["max_age_hours"])
        newest = before[0] if is_fresh else None
        if not is_fresh and not module.check_mode:
            newest = _made(client, asked)
        every = before if is_fresh else [newest, *before]
        deleted = _pruned(module, client, [one for one in every if one is None or one["trigger"] == "manual"])
        path, is_copied = _kept(module, client, newest) if asked["dest"] else (None, False)
    except GatewayError as error:
        module.fail_json(msg=str(error), status=error.status)
    except OSError as error:
        module.fail_json(msg=f"The copy was not written: {error.strerror}.")
    ids = [one["id"] for one in before]
    after = ([] if is_fresh else [newest["id"] if newest else "new"]) + [one for one in ids if one not in deleted]
    changed = not is_fresh or bool(deleted) or is_copied
    module.exit_json(changed=changed, backup=newest, deleted=deleted, path=path, diff={"before": ids, "after": after})


def _age(backup):
    return datetime.now(timezone.utc) - datetime.fromisoformat(backup["created_at"].replace("Z", "+00:00"))


def _made(client, asked):
    """Errors: GatewayError, also when it cannot be restored."""
    body = {} if asked["encrypted"] is None else {"encrypted": asked["encrypted"]}
    made = _done(client, client.post(_BACKUPS, body)["job_id"], asked["wait_timeout"])
    backup = client.get(f"{_BACKUPS}/{segment(made['backup_id'])}")
    if asked["test_restore"]:
        job = client.post(f"{_BACKUPS}/{segment(backup['id'])}/test-restore", {})["job_id"]
        tried = _done(client, job, asked["wait_timeout"])
        if not tried.get("success"):
            raise GatewayError(f"Backup {backup['id']} was made, but it cannot be restored.")
    return backup


def _done(client, job_id, within_s):
    """The job's result. Errors: GatewayError when it fails, or takes longer."""
    until = time.monotonic() + within_s
    while True:
        job = client.get(f"{ADMIN}/jobs/{segment(job_id)}")
        if job["state"] == "succeeded":
            return job["result"] or {}
        if job["state"] in ("failed", "cancelled"):
            raise GatewayError(f"{job['kind']} {job['state']}: {job['error'] or 'no reason was given'}.")
        if time.monotonic() > until:
            raise GatewayError(f"{job['kind']} did not end within {within_s} s; job {job_id} goes on.")
        time.sleep(_POLL_S)


def _pruned(module, client, ours):
    keep = module.params["keep"]
    gone = [one["id"] for one in ours[keep:] if one is not None] if keep > 0 else []
    if not module.check_mode:
        for backup_id in gone:
            client.call("DELETE", f"{_BACKUPS}/{segment(backup_id)}")
    return gone


def _kept(module, client, backup):
    """Where the copy lies, and whether it was not there."""
    if backup is None:
        return None, False
    path = os.path.join(module.params["dest"], f"litemaas-{backup['id']}.zip")
    if os.path.exists(path) and os.path.getsize(path) == backup["size"]:
        return path, False
    if not module.check_mode:
        client.download(f"{_BACKUPS}/{segment(backup['id'])}/download", path)
    return path, True


if __name__ == "__main__":
    main()
