"""How do the manifests and dashboards of deploy/ become one Grafana in one namespace?"""

from __future__ import annotations

import hashlib
import json
import re

import yaml
from ansible.errors import AnsibleFilterError

SELECTOR = {"matchLabels": {"dashboards": "grafana"}}
RESYNC = "5m"
_MANIFESTS_NAME, _CLUSTER_SCOPED = "litemaas-grafana", ("ClusterRoleBinding",)
_PROXY_PORT = 3001


class FilterModule:
    def filters(self):
        return {
            "grafana_objects": grafana_objects,
            "grafana_dashboards": grafana_dashboards,
            "placed": placed,
            "text_of": text_of,
        }


def grafana_objects(texts, settings):
    """Manifests as of deploy/observability/grafana. ``settings``: name, namespace, admins (names of users), roles_image.

    With admins, nginx stands between the cluster's sign-in and Grafana and tells Grafana who is one.
    """
    objects = [
        one for text in texts for one in placed(text.replace(_MANIFESTS_NAME, settings["name"]), settings["namespace"])
    ]
    for one in objects:
        if one["kind"] == "ClusterRoleBinding":  # another namespace may have a Grafana of the same name
            one["metadata"]["name"] = f"{settings['namespace']}-{one['metadata']['name']}"
    if settings["admins"]:
        grafana = next(one for one in objects if one["kind"] == "Grafana")
        configuration = _roles_configuration(settings["admins"])
        _with_roles(grafana, settings, configuration)
        meta = {"name": f"{settings['name']}-roles", "namespace": settings["namespace"]}
        objects.append(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"nginx.conf": configuration}}
        )
    return objects


def grafana_dashboards(texts, settings):
    """A folder, and a GrafanaDashboard for each text of JSON. ``settings``: name, namespace."""
    namespace, folder = settings["namespace"], f"{settings['name']}-models"
    shared = {"instanceSelector": SELECTOR, "resyncPeriod": RESYNC}
    objects = [_grafana("GrafanaFolder", folder, namespace, {"title": "Model servers", **shared})]
    for text in texts:
        spec = {"folderRef": folder, "json": text, **shared}
        objects.append(_grafana("GrafanaDashboard", f"{settings['name']}-{json.loads(text)['uid']}", namespace, spec))
    return objects


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def placed(text, namespace):
    """The objects of a manifest, in this namespace."""
    objects = [one for one in yaml.safe_load_all(text) if one]
    for one in objects:
        if one["kind"] not in _CLUSTER_SCOPED:
            one["metadata"]["namespace"] = namespace
        for subject in one.get("subjects", []):
            subject["namespace"] = namespace
    return objects


def _grafana(kind, name, namespace, spec):
    return {
        "apiVersion": "grafana.integreatly.org/v1beta1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def _with_roles(grafana, settings, configuration):
    spec = grafana["spec"]
    spec["config"]["auth.proxy"]["headers"] = "Role:X-Forwarded-Role"
    template = spec["deployment"]["spec"]["template"]
    digest = hashlib.sha256(configuration.encode()).hexdigest()
    template["metadata"] = {"annotations": {"checksum/roles": digest}}  # other members, another pod
    pod = template["spec"]
    proxy = next(one for one in pod["containers"] if one["name"] == "oauth-proxy")
    proxy["args"] = [
        f"--upstream=http://127.0.0.1:{_PROXY_PORT}" if one.startswith("--upstream=") else one for one in proxy["args"]
    ]
    pod["volumes"] += [
        {"name": "roles", "configMap": {"name": f"{settings['name']}-roles"}},
        {"name": "roles-tmp", "emptyDir": {"sizeLimit": "256Mi"}},
    ]
    pod["containers"].append(
        {
            "name": "roles",
            "image": settings["roles_image"],
            "command": ["nginx", "-c", "/etc/roles/nginx.conf", "-g", "daemon off;"],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}},
            "securityContext": proxy["securityContext"],
            "volumeMounts": [
                {"name": "roles", "mountPath": "/etc/roles", "readOnly": True},
                {"name": "roles-tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
            ],
        }
    )


def _roles_configuration(admins):
    """Everybody else is a Viewer; what a browser says about its role is overwritten."""
    for name in admins:
        if any(mark in name for mark in '"\\$;{}\n'):
            raise AnsibleFilterError(f"{name!r} cannot be an administrator's name here.")
    # nginx compares names without regard to case, expressions with.
    lines = "".join(f'    "~^{re.escape(name)}$" Admin;\n' for name in sorted(set(admins)))
    paths = "".join(
        f"  {part}_temp_path /tmp/{part};\n" for part in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""worker_processes 1;
pid /tmp/nginx.pid;
error_log /dev/stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  map_hash_bucket_size 256;
{paths}  map $http_x_forwarded_user $role {{
    default Viewer;
{lines}  }}
  map $http_upgrade $connection_to_grafana {{ default upgrade; "" ""; }}
  server {{
    listen 127.0.0.1:{_PROXY_PORT};
    location / {{
      proxy_pass http://127.0.0.1:3000;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_to_grafana;
      proxy_set_header X-Forwarded-Role $role;
    }}
  }}
}}
"""
