#!/usr/bin/python
"""How does the platform get into a cluster, with secrets that are made once and kept?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_release
short_description: The platform in a cluster, from its chart
version_added: 1.0.0
author: The LiteMaaS authors (@rhpds)
description:
  - Renders the chart, applies it on the server's side and waits until every part is available.
  - Passwords and keys are read from the Secrets that are there; those that are missing are made. A second run changes nothing.
extends_documentation_fragment: [rhpds.litemaas.kubectl, rhpds.litemaas.applied]
requirements: [helm or the Python package helm-python-sdk, PyYAML]
options:
  chart:
    description: Directory or archive of the chart.
    type: path
    required: true
  name:
    description: The release.
    type: str
    default: litemaas
  namespace:
    description: Where it runs.
    type: str
    required: true
  values:
    description: The chart's values.
    type: dict
    default: {}
  secrets:
    description:
      - Secrets that win over what is there, by postgresql_password, valkey_password, master_key, encryption_key,
        oauth_client_secret.
      - Another encryption key makes what was sealed with the old one unreadable.
    type: dict
    default: {}
  state:
    description: V(absent) deletes all of it.
    type: str
    choices: [present, absent]
    default: present
  keep_data:
    description: With V(absent), whether Secrets and volumes stay.
    type: bool
    default: false
  wait_timeout:
    description: Seconds that each part may take to become available; 0 does not wait.
    type: int
    default: 400
  wait_timeouts:
    description: Seconds of single parts instead, as V(postgresql) or V(gateway).
    type: dict
    default: {}
  fallback_images:
    description:
      - Images with their tag for V(postgresql) and V(valkey), taken while waiting when a pod cannot pull the usual one.
      - Where one is in use, it stays.
    type: dict
    default: {}
  helm:
    description: Path of helm.
    type: path
    default: helm
  return_keys:
    description: Returns the master key. The task must then say C(no_log=true).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Three of each part
  rhpds.litemaas.litemaas_release:
    chart: deploy/helm/litemaas
    namespace: litemaas
    values:
      global: {platform: openshift, clusterDomain: apps.example.com}
      gateway: {replicas: 3}
      control: {replicas: 3}
      portal: {replicas: 3}
"""

RETURN = r"""
hosts:
  description: Host names of the Routes or Ingresses, by their name.
  returned: success
  type: dict
version:
  description: Of the platform that the chart installs.
  returned: with O(state=present)
  type: str
master_key:
  description: The administrator's key.
  returned: with O(return_keys)
  type: str
mcp_token:
  description: What clients of the MCP server present; empty without one.
  returned: with O(return_keys)
  type: str
"""

import secrets as random

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litellm_virtual_keys.plugins.module_utils.arguments import check_no_log
from ansible_collections.rhpds.litemaas.plugins.module_utils import fallbacks
from ansible_collections.rhpds.litemaas.plugins.module_utils.chart import rendered
from ansible_collections.rhpds.litemaas.plugins.module_utils.cluster import CONNECTION, Cluster, ClusterError, touched

SECRETS = {
    "postgresql_password": ("databaseSecret", "password", ("postgresql", "password"), ""),
    "valkey_password": ("valkeySecret", "password", ("valkey", "password"), ""),
    "master_key": ("masterSecret", "LITELLM_MASTER_KEY", ("secrets", "master", "masterKey"), "sk-"),
    "encryption_key": ("controlSecret", "ENCRYPTION_KEY", ("secrets", "control", "encryptionKey"), ""),
    "oauth_client_secret": ("controlSecret", "OAUTH_CLIENT_SECRET", ("oauth", "clientSecret"), None),
}
"""By what they are called here: which of the chart's names, the key in that Secret, the chart's value, how a new one begins.

None: only its owner can make one.
"""
_KEPT = ("Secret", "PersistentVolumeClaim", "Namespace")
_ARGUMENTS = {
    **CONNECTION,
    "chart": {"type": "path", "required": True},
    "name": {"type": "str", "default": "litemaas"},
    "namespace": {"type": "str", "required": True},
    "values": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "keep_data": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 400},
    "wait_timeouts": {"type": "dict", "default": {}},
    "fallback_images": {"type": "dict", "default": {}},
    "helm": {"type": "path", "default": "helm"},
    "return_keys": {"type": "bool", "default": False, "no_log": False},
}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    check_no_log(module)
    asked = module.params
    try:
        cluster = Cluster.of(asked)
        outcome = (_present if asked["state"] == "present" else _absent)(module, cluster)
    except ClusterError as error:
        module.fail_json(msg=_without(str(error), module))
    module.exit_json(**outcome)


def _present(module, cluster):
    asked = module.params
    for part in asked["wait_timeouts"]:
        _patience(asked, part)
    values, kept = _with_secrets(cluster, _with_domain(cluster, asked))
    module.no_log_values.update(kept.values())

    def render(fallen_back):
        chosen = fallbacks.values_with(values, {part: asked["fallback_images"][part] for part in fallen_back})
        return rendered(asked["chart"], asked["name"], asked["namespace"], chosen, asked["helm"])

    objects = render(())
    in_use = fallbacks.in_use(cluster, objects, asked["fallback_images"])
    objects = render(in_use) if in_use else objects
    created, updated = cluster.apply(objects, dry_run=module.check_mode)
    if not module.check_mode and asked["wait_timeout"]:
        patience = {part: _patience(asked, part) for part in asked["fallback_images"] if part not in in_use}
        failing = fallbacks.failing(cluster, objects, patience)
        if failing:
            objects = render(in_use | failing)
            more_created, more_updated = cluster.apply(objects)
            created, updated = sorted({*created, *more_created}), sorted({*updated, *more_updated})
        for one in objects:
            if one["kind"] in ("Deployment", "StatefulSet"):
                cluster.wait(one["kind"], one["metadata"]["name"], _patience(asked, fallbacks.part_of(one)))
    outcome = {**touched(created, updated), "hosts": _hosts(objects), "version": _version(objects)}
    if asked["return_keys"]:
        module.no_log_values.discard(kept["master_key"])
        outcome["master_key"] = kept["master_key"]
        outcome["mcp_token"] = _mcp_token(module, cluster, values.get("mcp", {}))
    return outcome


def _mcp_token(module, cluster, mcp):
    token = cluster.secret(mcp["existingSecret"]).get("TOKEN", "") if mcp.get("enabled") else ""
    module.no_log_values.discard(token)
    return token


def _absent(module, cluster):
    asked = module.params
    asked = _with_domain(cluster, asked)
    made_up = {name: f"{place[3] or ''}none-of-these-{random.token_hex(16)}" for name, place in SECRETS.items()}
    objects = rendered(
        asked["chart"], asked["name"], asked["namespace"], _nested(asked["values"], made_up), asked["helm"]
    )
    gone = [one for one in objects if one["kind"] not in _KEPT or not asked["keep_data"]]
    return {**touched(deleted=cluster.delete(gone, dry_run=module.check_mode)), "hosts": {}}


def _with_domain(cluster, asked):
    """OpenShift knows the domain of its hosts."""
    shared = asked["values"].get("global", {})
    if shared.get("platform") != "openshift" or shared.get("clusterDomain"):
        return asked
    domain = cluster.run("get", "ingresses.config.openshift.io", "cluster", "-o", "jsonpath={.spec.domain}").strip()
    return {**asked, "values": {**asked["values"], "global": {**shared, "clusterDomain": domain}}}


def _with_secrets(cluster, asked):
    """The values with every secret: given, else what the cluster has, else new."""
    names = asked["values"].get("names", {})
    kept = {}
    for name, (secret, key, _path, start) in SECRETS.items():
        held = cluster.secret(names.get(secret) or f"{asked['name']}-{_DEFAULT_NAMES[secret]}")
        value = asked["secrets"].get(name) or held.get(key)
        if not value and start is not None:
            value = start + random.token_urlsafe(32)
        if value:
            kept[name] = str(value)
    return _nested(asked["values"], kept), kept


_DEFAULT_NAMES = {
    "databaseSecret": "database-secret",
    "valkeySecret": "valkey-secret",
    "masterSecret": "master-secret",
    "controlSecret": "control-secret",
}


def _nested(values, kept):
    merged = _copy(values)
    for name, value in kept.items():
        place, path = merged, SECRETS[name][2]
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = value
    return merged


def _copy(value):
    return {name: _copy(one) for name, one in value.items()} if isinstance(value, dict) else value


def _patience(asked, part):
    """Seconds. Errors: ClusterError where what was given is no number."""
    given = asked["wait_timeouts"].get(part, asked["wait_timeout"])
    try:
        return int(given)
    except (TypeError, ValueError):
        raise ClusterError(f"wait_timeouts.{part} must be a number of seconds, not {given!r}.") from None


def _version(objects):
    labels = (one["metadata"].get("labels") or {} for one in objects)
    return next((one["app.kubernetes.io/version"] for one in labels if "app.kubernetes.io/version" in one), "")


def _hosts(objects):
    hosts = {}
    for one in objects:
        if one["kind"] == "Route":
            hosts[one["metadata"]["name"]] = one["spec"]["host"]
        if one["kind"] == "Ingress":
            hosts[one["metadata"]["name"]] = one["spec"]["rules"][0]["host"]
    return hosts


def _without(text, module):
    for value in module.no_log_values:
        text = text.replace(str(value), "…")
    return text


if __name__ == "__main__":
    main()
