#!/usr/bin/python
"""What kind of cluster is this, and may the platform be installed there?"""

from __future__ import annotations

DOCUMENTATION = r"""
module: litemaas_cluster_info
short_description: Platform, domain and storage of a cluster, and rights in it
version_added: 1.1.0
author: The LiteMaaS authors (@rhpds)
description:
  - Reads, with kubectl, what an installation has to know beforehand.
  - On OpenShift the cluster says provider and domain. A cluster without C(infrastructures.config.openshift.io) is plain
    Kubernetes.
extends_documentation_fragment: [rhpds.litemaas.kubectl]
options:
  namespace:
    description: Where the platform shall run.
    type: str
    required: true
  stateful_set:
    description: PostgreSQL's. Where it is there, its storage class stays. Without it no class is looked for.
    type: str
  storage_class:
    description: Given, it is taken; it must be there.
    type: str
    default: ""
  provider:
    description: As V(aws); given, it is taken.
    type: str
    default: ""
  creates:
    description: Resources that will be created, as V(deployments.apps); whether that is allowed is asked of the cluster.
    type: list
    elements: str
    default: []
  creates_on_openshift:
    description: As O(creates), of OpenShift only.
    type: list
    elements: str
    default: []
  secrets:
    description: Names of Secrets of which only is asked whether they are there.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full, description: "It only reads."}
  diff_mode: {support: none, description: "Nothing changes."}
"""

EXAMPLES = r"""
- name: Is everything there?
  rhpds.litemaas.litemaas_cluster_info:
    namespace: litemaas
    creates: [deployments.apps, routes.route.openshift.io]
"""

RETURN = r"""
platform:
  description: V(openshift) or V(kubernetes).
  returned: success
  type: str
provider:
  description: As V(aws), V(vsphere); empty where the cluster does not say.
  returned: success
  type: str
domain:
  description: The domain of Routes; empty on plain Kubernetes.
  returned: success
  type: str
storage_class:
  description: For PostgreSQL's volume; empty leaves it to the cluster.
  returned: success
  type: str
secrets:
  description: Those of O(secrets) that are there.
  returned: success
  type: list
  elements: str
denied:
  description: Which of O(creates) are not allowed, or not known to the cluster.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rhpds.litemaas.plugins.module_utils.cluster import CONNECTION, Cluster, ClusterError

CLASSES = {
    "aws": ("gp3-csi",),
    "azure": ("managed-premium",),
    "gcp": ("standard-rwo",),
    "vsphere": ("thin-csi",),
    "openstack": ("standard",),
    "baremetal": ("ocs-external-storagecluster-ceph-rbd", "ocs-storagecluster-ceph-rbd", "lvms-vg1"),
}
"""Of each provider, the first one that is there. Source: what OpenShift and its operators for storage make (4.16)."""
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_ARGUMENTS = {
    **CONNECTION,
    "namespace": {"type": "str", "required": True},
    "stateful_set": {"type": "str"},
    "storage_class": {"type": "str", "default": ""},
    "provider": {"type": "str", "default": ""},
    "creates_on_openshift": {"type": "list", "elements": "str", "default": []},
    "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "creates": {"type": "list", "elements": "str", "default": []},
}


def main():
    module = AnsibleModule(_ARGUMENTS, supports_check_mode=True)
    asked = module.params
    cluster = Cluster.of(asked)
    try:
        known = cluster.knows()
        is_openshift = "infrastructures.config.openshift.io" in known
        more = asked["creates_on_openshift"] if is_openshift else []
        provider = asked["provider"] or (_provider(cluster) if is_openshift else "")
        found = {
            "platform": "openshift" if is_openshift else "kubernetes",
            "provider": provider,
            "domain": _domain(cluster) if is_openshift else "",
            "storage_class": _storage_class(cluster, known, asked, provider),
            "secrets": _there(cluster, asked["secrets"]),
            "denied": _denied(cluster, known, asked["namespace"], asked["creates"] + more),
        }
    except ClusterError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


def _provider(cluster):
    kind = cluster.run(
        "get", "infrastructures.config.openshift.io", "cluster", "-o", "jsonpath={.status.platformStatus.type}"
    )
    return kind.strip().lower()


def _domain(cluster):
    return cluster.run("get", "ingresses.config.openshift.io", "cluster", "-o", "jsonpath={.spec.domain}").strip()


def _storage_class(cluster, known, asked, provider):
    """Errors: ClusterError that names all classes where none can be chosen."""
    if not asked["stateful_set"]:
        return ""
    for one in cluster.listed("statefulsets.apps"):
        if one["metadata"]["name"] == asked["stateful_set"]:  # a claim's class cannot be changed
            claims = one["spec"].get("volumeClaimTemplates") or [{"spec": {}}]
            return claims[0]["spec"].get("storageClassName", "")
    there = cluster.listed("storageclasses.storage.k8s.io") if "storageclasses.storage.k8s.io" in known else []
    names = sorted(one["metadata"]["name"] for one in there)
    wanted = asked["storage_class"]
    if wanted:
        if wanted in names:
            return wanted
        raise ClusterError(f"There is no storage class {wanted}; there are {', '.join(names) or 'none'}.")
    for name in CLASSES.get(provider, ()):
        if name in names:
            return name
    if any((one["metadata"].get("annotations") or {}).get(_DEFAULT) == "true" for one in there):
        return ""  # the cluster's own default
    if len(names) == 1:
        return names[0]
    raise ClusterError(
        f"Which storage class shall PostgreSQL's volume have? There is no default one; there are {', '.join(names) or 'none'}."
    )


def _there(cluster, names):
    if not names:
        return []
    said = cluster.run("get", "secrets", "-o", "name", "--ignore-not-found").split()
    return [name for name in names if f"secret/{name}" in said]


def _denied(cluster, known, namespace, creates):
    """Those that the cluster does not know, and those that it would refuse."""
    reviews = [
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "spec": {"resourceAttributes": _attributes(resource, namespace)},
        }
        for resource in creates
        if resource in known
    ]
    denied = [f"{resource} (unknown)" for resource in creates if resource not in known]
    for answer in cluster.reviewed(reviews) if reviews else []:
        if not answer["status"].get("allowed"):
            about = answer["spec"]["resourceAttributes"]
            denied.append(".".join(part for part in (about["resource"], about.get("group")) if part))
    return denied


def _attributes(resource, namespace):
    name, group = ([*resource.split(".", 1), ""])[:2]
    return {"namespace": namespace, "verb": "create", "resource": name, **({"group": group} if group else {})}


if __name__ == "__main__":
    main()
