"""What does a cluster's API do with objects, as far as Helm, kubectl and lightkube need it? Nothing runs.

Discovery, reading, writing, watching. Server-side apply and patches merge; an update of an outdated object is a conflict; a
write that changes nothing leaves ``resourceVersion`` as it is, as the real one does.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Object = dict[str, Any]
Key = tuple[str, str, str, str]  # group/version, plural, namespace, name
KINDS = {
    "v1": {"secrets": "Secret", "configmaps": "ConfigMap", "services": "Service", "serviceaccounts": "ServiceAccount",
           "persistentvolumeclaims": "PersistentVolumeClaim", "pods": "Pod", "namespaces": "Namespace", "events": "Event"},
    "apps/v1": {"deployments": "Deployment", "statefulsets": "StatefulSet"},
    "batch/v1": {"jobs": "Job", "cronjobs": "CronJob"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy", "ingresses": "Ingress"},
    "route.openshift.io/v1": {"routes": "Route"},
    "monitoring.coreos.com/v1": {"servicemonitors": "ServiceMonitor", "prometheusrules": "PrometheusRule"},
    "coordination.k8s.io/v1": {"leases": "Lease"},
    "rbac.authorization.k8s.io/v1": {"roles": "Role", "rolebindings": "RoleBinding",
                                     "clusterrolebindings": "ClusterRoleBinding"},
    "config.openshift.io/v1": {"ingresses": "Ingress", "infrastructures": "Infrastructure"},
    "storage.k8s.io/v1": {"storageclasses": "StorageClass"},
    "authorization.k8s.io/v1": {"selfsubjectaccessreviews": "SelfSubjectAccessReview"},
    "grafana.integreatly.org/v1beta1": {"grafanas": "Grafana", "grafanadatasources": "GrafanaDatasource",
                                        "grafanafolders": "GrafanaFolder", "grafanadashboards": "GrafanaDashboard"},
    "operators.coreos.com/v1": {"operatorgroups": "OperatorGroup"},
    "operators.coreos.com/v1alpha1": {"subscriptions": "Subscription", "clusterserviceversions": "ClusterServiceVersion"},
    "serving.kserve.io/v1beta1": {"inferenceservices": "InferenceService"},
    "serving.kserve.io/v1alpha1": {"servingruntimes": "ServingRuntime", "clusterservingruntimes": "ClusterServingRuntime"},
    "apiextensions.k8s.io/v1": {"customresourcedefinitions": "CustomResourceDefinition"},
    "user.openshift.io/v1": {"groups": "Group"},
}  # fmt: skip
CLUSTER_SCOPED = {
    ("v1", "namespaces"),
    ("rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    ("config.openshift.io/v1", "ingresses"),
    ("config.openshift.io/v1", "infrastructures"),
    ("storage.k8s.io/v1", "storageclasses"),
    ("authorization.k8s.io/v1", "selfsubjectaccessreviews"),
    ("serving.kserve.io/v1alpha1", "clusterservingruntimes"),
    ("apiextensions.k8s.io/v1", "customresourcedefinitions"),
    ("user.openshift.io/v1", "groups"),
}


class ApiServer:
    """``objects`` by group and version, plural, namespace and name; ``written``: what was changed, in order.

    ``away``: everything is answered with 503, and watches end. ``forgets``: no model server is found any more.
    ``watching``: how many watches run. ``events``: version, type, key and object of every change, which watches tell.
    ``logs``: what pods wrote, by namespace and name. ``hidden``: groups and versions that are not served. ``denied``: resources
    that may not be created, as reviews say.
    ``reactions``: are called with each object that was written, or that is gone, as controllers would see it.
    """

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.written: list[tuple[str, str, str]] = []
        self.events: list[tuple[int, str, Key, Object]] = []
        self.watching = 0
        self.logs: dict[tuple[str, str], str] = {}
        self.hidden: set[str] = set()
        self.denied: set[str] = set()
        self.reactions: list[Callable[[Object, bool], None]] = []
        self.away = False
        self.forgets = False
        self.ended = False
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._version = 100

    def of(self, kind: str) -> dict[str, Object]:
        return {key[3]: thing for key, thing in self.objects.items() if thing["kind"] == kind}

    def put(self, api: str, plural: str, thing: Object) -> None:
        """Creates or replaces an object, as somebody else would."""
        meta = thing["metadata"]
        with self._lock:
            self._write("PUT", (api, plural, meta["namespace"], meta["name"]), copy.deepcopy(thing), "")

    def delete(self, api: str, plural: str, namespace: str, name: str) -> None:
        with self._lock:
            self._delete((api, plural, namespace, name))

    def watch(self, url: str) -> Iterator[Object]:
        """What happens after ``resourceVersion``, until ``timeoutSeconds`` are over."""
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        read = _resource([part for part in parts.path.split("/") if part])
        assert read is not None
        seen = int(query.get("resourceVersion", "0"))
        named = _named(query.get("fieldSelector", ""))
        until = time.monotonic() + float(query.get("timeoutSeconds", "60"))
        while time.monotonic() < until and not (self.away or self.ended):
            with self._changed:
                news = [e for e in self.events if e[0] > seen and _is_of(e[2], read) and named in ("", e[2][3])]
                if not news:
                    self._changed.wait(0.1)
                seen = max([seen, *(version for version, *_ in news)])
            for _, kind, _, thing in news:
                yield {"type": kind, "object": thing}

    def _forgot(self, api: str) -> bool:
        return self.forgets and api.startswith("serving.")

    def _happened(self, kind: str, key: Key, thing: Object) -> None:
        self.events.append((self._version, kind, key, thing))
        self._changed.notify_all()

    def _react(self, thing: Object, *, is_gone: bool) -> None:
        for reaction in self.reactions:
            reaction(copy.deepcopy(thing), is_gone)

    def _delete(self, key: Key) -> Object | None:
        gone = self.objects.pop(key, None)
        self.written.append(("DELETE", KINDS[key[0]][key[1]], key[3]))
        if gone is not None:
            self._version += 1
            gone = copy.deepcopy(gone)
            gone["metadata"]["resourceVersion"] = str(self._version)
            self._happened("DELETED", key, gone)
            self._react(gone, is_gone=True)
        return gone

    def answer(self, method: str, url: str, body: bytes, content_type: str) -> tuple[int, Object]:
        with self._lock:
            parts = urlsplit(url)
            path = [part for part in parts.path.split("/") if part]
            if self.away:
                return _status(503, "ServiceUnavailable", "the server is currently unable to handle the request")
            discovered = self._discover(path)
            if discovered is not None:
                return 200, discovered
            read = _resource(path)
            if read is None or read[0] in self.hidden:
                return _status(404, "NotFound", f"there is no {parts.path}")
            api, plural, namespace, name = read
            if method == "GET" and not name:
                return 200, self._list(api, plural, namespace, parse_qs(parts.query))
            if method == "GET":
                thing = None if self._forgot(api) else self.objects.get(read)
                return (200, thing) if thing else _status(404, "NotFound", f'{plural} "{name}" not found')
            if method == "DELETE":
                gone = self._delete(read)
                return (200, gone) if gone else _status(404, "NotFound", f'{plural} "{name}" not found')
            sent = yaml.safe_load(body)
            if plural == "selfsubjectaccessreviews":
                asked = sent["spec"]["resourceAttributes"]["resource"]
                return 201, {**sent, "status": {"allowed": asked not in self.denied}}
            name = name or sent["metadata"]["name"]
            if "dryRun" in parse_qs(parts.query):
                return 200, _merged(self.objects.get((api, plural, namespace, name), {}), sent)
            return self._write(method, (api, plural, namespace, name), sent, content_type)

    def _discover(self, path: list[str]) -> Object | None:
        if path == ["version"]:
            return {"major": "1", "minor": "33", "gitVersion": "v1.33.0"}
        if path == ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == ["apis"]:
            served = [api for api in KINDS if "/" in api and api not in self.hidden]
            groups: dict[str, list[Object]] = {}
            for api in served:
                group, _, version = api.partition("/")
                groups.setdefault(group, []).append({"groupVersion": api, "version": version})
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": group, "versions": versions, "preferredVersion": versions[0]} for group, versions in groups.items()
            ]}  # fmt: skip
        if path[:2] == ["openapi", "v3"]:
            return _open_api("/".join(path[3:]) if len(path) > 2 else None)
        api = "/".join(path[1:])
        if path[:1] in (["api"], ["apis"]) and api in KINDS and api not in self.hidden:
            verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api, "resources": [
                {"name": plural, "singularName": kind.lower(), "kind": kind, "verbs": verbs,
                 "namespaced": (api, plural) not in CLUSTER_SCOPED}
                for plural, kind in KINDS[api].items()
            ]}  # fmt: skip
        return None

    def _list(self, api: str, plural: str, namespace: str, query: dict[str, list[str]]) -> Object:
        asked = [part for part in ",".join(query.get("labelSelector", [])).split(",") if part]
        wanted = dict(part.split("=", 1) for part in asked if "=" in part)
        present = {part for part in asked if "=" not in part}
        named = _named(query.get("fieldSelector", [""])[0])
        items = [
            thing
            for key, thing in self.objects.items()
            if _is_of(key, (api, plural, namespace, ""))
            and wanted.items() <= thing["metadata"].get("labels", {}).items()
            and named in ("", key[3])
            and present <= thing["metadata"].get("labels", {}).keys()
            and not self._forgot(api)
        ]
        meta = {"resourceVersion": str(self._version)}
        return {"kind": f"{KINDS[api][plural]}List", "apiVersion": api, "metadata": meta, "items": items}

    def _write(self, method: str, key: Key, sent: Object, content_type: str) -> tuple[int, Object]:
        old = self.objects.get(key)
        if method == "POST" and old:
            return _status(409, "AlreadyExists", f'{key[1]} "{key[3]}" already exists')
        if method == "PATCH" and not old and "apply" not in content_type:
            return _status(404, "NotFound", f'{key[1]} "{key[3]}" not found')
        version = sent.get("metadata", {}).get("resourceVersion") if method in ("PUT", "PATCH") and old else None
        if old and version is not None and version != old["metadata"]["resourceVersion"]:
            return _status(409, "Conflict", f'{key[1]} "{key[3]}" has been modified')
        new = sent if method in ("POST", "PUT") else _merged(old or {}, sent)
        new = copy.deepcopy(new)
        if key[2]:
            new["metadata"].setdefault("namespace", key[2])
        new["metadata"].pop("managedFields", None)  # what is kept of them is of no interest here
        if old:
            new["metadata"] |= {name: old["metadata"][name] for name in ("uid", "resourceVersion")}
        if new != old:
            self._version += 1
            new["metadata"]["resourceVersion"] = str(self._version)
            new["metadata"].setdefault("uid", f"uid-{self._version}")
            self.objects[key] = new
            self.written.append((method, KINDS[key[0]][key[1]], key[3]))
            self._happened("MODIFIED" if old else "ADDED", key, new)
            self._react(new, is_gone=False)
        return (200 if old else 201), self.objects[key]


def _open_api(api: str | None) -> Object:
    """That patches may ask for strict validation; what fields there are is checked elsewhere."""
    if api is None:
        places = {f"api/{api}" if api == "v1" else f"apis/{api}" for api in KINDS}
        return {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}?hash=1"} for place in places}}
    group, _, version = api.rpartition("/")
    parameters = [{"name": n, "in": "query", "schema": {"type": "string"}} for n in ("fieldValidation", "dryRun")]
    paths = {}
    for plural, kind in KINDS[api].items():
        known = {"group": group, "version": version, "kind": kind}
        patch = {"x-kubernetes-group-version-kind": known, "parameters": parameters, "responses": {}}
        within = "" if (api, plural) in CLUSTER_SCOPED else "namespaces/{namespace}/"
        paths[f"/apis/{api}/{within}{plural}/{{name}}"] = {"patch": patch}
    return {"openapi": "3.0.0", "info": {"title": "double", "version": "1"}, "paths": paths}


def _resource(path: list[str]) -> Key | None:
    api, rest = ("v1", path[2:]) if path[:2] == ["api", "v1"] else ("/".join(path[1:3]), path[3:])
    if rest and (api, rest[0]) in CLUSTER_SCOPED and len(rest) < 3:
        return api, rest[0], "", rest[1] if len(rest) > 1 else ""
    if api in KINDS and len(rest) == 1 and rest[0] in KINDS[api]:
        return api, rest[0], "", ""
    if api not in KINDS or len(rest) < 3 or rest[0] != "namespaces" or rest[2] not in KINDS[api]:
        return None
    return api, rest[2], rest[1], rest[3] if len(rest) > 3 else ""


def _is_of(key: Key, wanted: Key) -> bool:
    """``wanted``: without a namespace, all of them."""
    return key[:2] == wanted[:2] and wanted[2] in ("", key[2])


def _named(field_selector: str) -> str:
    return field_selector.removeprefix("metadata.name=") if field_selector.startswith("metadata.name=") else ""


def _merged(old: Object, sent: Object) -> Object:
    made = dict(old)
    for name, value in sent.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = (
                _merged(made[name], value) if isinstance(value, dict) and isinstance(made.get(name), dict) else value
            )
    return made


def _status(code: int, reason: str, message: str) -> tuple[int, Object]:
    return code, {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


@contextmanager
def serving() -> Iterator[tuple[ApiServer, str]]:
    """A server and a kubeconfig for it."""
    server = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            if self.command == "GET" and "watch=true" in self.path and not server.away:
                self._tell()
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            parts = urlsplit(self.path).path.split("/")
            if parts[-1] == "log":
                self._send(200, "text/plain", server.logs.get((parts[4], parts[6]), "").encode())
                return
            code, answer = server.answer(self.command, self.path, body, self.headers.get("content-type", ""))
            self._send(code, "application/json", json.dumps(answer).encode())

        def _send(self, code: int, content_type: str, data: bytes) -> None:
            self.send_response(code)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _tell(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            server.watching += 1
            try:
                for event in server.watch(self.path):
                    line = json.dumps(event).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True  # the client hung up
            finally:
                server.watching -= 1

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server, json.dumps(_kubeconfig(http.server_address[1]))
    finally:
        server.ended = True
        http.shutdown()
        thread.join()
        http.server_close()


def _kubeconfig(port: int) -> Object:
    name = "double"
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}], "users": [{"name": name, "user": {}}],
    }  # fmt: skip
