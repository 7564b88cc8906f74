"""How do objects get into a cluster, and which of them really changed? By kubectl's server-side apply.

Nothing is a change that only the cluster itself keeps count of.
"""

from __future__ import annotations

import json
import subprocess

MANAGER = "rhpds.litemaas"
LONGEST_S = 300
_FIRST = (
    "Namespace",
    "CustomResourceDefinition",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "PersistentVolumeClaim",
    "Role",
    "RoleBinding",
)
_KEPT_BY_CLUSTER = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")
CONNECTION = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "kubectl": {"type": "path", "default": "kubectl"},
}


class ClusterError(Exception):
    """What kubectl said, without the objects that it was given."""


class Cluster:
    def __init__(self, namespace, kubectl="kubectl", kubeconfig=None, context=None):
        self._command = [kubectl]
        self._command += ["--kubeconfig", kubeconfig] if kubeconfig else []
        self._command += ["--context", context] if context else []
        self._command += ["--namespace", namespace] if namespace else []

    @classmethod
    def of(cls, asked, namespace=None):
        """The one that a module's options name. ``namespace``: else the option of that name, where there is one."""
        return cls(namespace or asked.get("namespace"), asked["kubectl"], asked["kubeconfig"], asked["context"])

    def run(self, *arguments, given=None, timeout_s=LONGEST_S, takes_part=False):
        """``takes_part``: what was said before a failure is enough. Errors: ClusterError."""
        try:
            ran = subprocess.run(
                [*self._command, *arguments],
                input=given,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except FileNotFoundError:
            raise ClusterError(f"{self._command[0]} is not there. Install kubectl or oc, or name its path.") from None
        except subprocess.TimeoutExpired:
            raise ClusterError(f"kubectl {arguments[0]} did not end within {timeout_s} s.") from None
        if ran.returncode != 0 and not (takes_part and ran.stdout):
            raise ClusterError(f"kubectl {arguments[0]}: {(ran.stderr or ran.stdout).strip()[-1500:]}")
        return ran.stdout

    def held(self, objects):
        """Those of them that are there, by kind, namespace and name."""
        if not objects:
            return {}
        found = self.run("get", "-f", "-", "--ignore-not-found", "-o", "json", given=_as_documents(objects))
        return {_key(one): one for one in _documents(found)}

    def knows(self):
        """Which kinds it serves, as ``servicemonitors.monitoring.coreos.com``; an API that is away hides only its own."""
        return set(self.run("api-resources", "--verbs=list", "-o", "name", takes_part=True).split())

    def listed(self, resource, selector="", *, everywhere=False):
        """Objects of one kind, or of several joined by commas; all of these must be known."""
        options = [*(["--selector", selector] if selector else []), *(["--all-namespaces"] if everywhere else [])]
        return _documents(self.run("get", resource, *options, "--ignore-not-found", "-o", "json"))

    def apply(self, objects, *, dry_run=False):
        """Returns which were created and which changed.

        A dry run asks nothing about new objects: their namespace may be as new.
        """
        ordered = sorted(objects, key=_place)
        before = self.held(ordered)
        unborn = [_label(one) for one in ordered if _key(one) not in before] if dry_run else []
        ordered = [one for one in ordered if _key(one) in before] if dry_run else ordered
        if not ordered:
            return unborn, []
        options = ["--server-side", "--force-conflicts", "--field-manager", MANAGER, "-o", "json"]
        said = self.run(
            "apply", "-f", "-", *options, *(["--dry-run=server"] if dry_run else []), given=_as_documents(ordered)
        )
        after = {_key(one): one for one in _documents(said)}
        created = unborn + [_label(one) for key, one in after.items() if key not in before]
        changed = [
            _label(one) for key, one in after.items() if key in before and _settled(one) != _settled(before[key])
        ]
        return created, changed

    def delete(self, objects, *, dry_run=False):
        """Returns which were there."""
        there = list(self.held(objects).values())
        if there and not dry_run:
            self.run(
                "delete",
                "-f",
                "-",
                "--ignore-not-found",
                "--wait=true",
                f"--timeout={LONGEST_S - 10}s",
                given=_as_documents(there),
            )
        return [_label(one) for one in there]

    def reviewed(self, reviews):
        """What the cluster says to questions such as SelfSubjectAccessReviews, in their order. Errors: ClusterError."""
        return _documents(self.run("create", "-f", "-", "-o", "json", given=_as_documents(reviews)))

    def patch(self, one, patch):
        """Merges into one object that is there. Errors: ClusterError, also where ``resourceVersion`` is another by now."""
        self.run("patch", "-f", "-", "--type=merge", "--patch", json.dumps(patch), given=_as_documents([one]))

    def secret(self, name):
        """The decoded values of a Secret; empty where there is none. Errors: ClusterError."""
        import base64

        found = self.run("get", "secret", name, "--ignore-not-found", "-o", "json")
        data = json.loads(found).get("data") or {} if found.strip() else {}
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def wait(self, kind, name, timeout_s):
        """Until all replicas are updated and available. Errors: ClusterError with pods and events."""
        try:
            self.run("rollout", "status", f"{kind.lower()}/{name}", f"--timeout={timeout_s}s", timeout_s=timeout_s + 30)
        except ClusterError as error:
            raise ClusterError(f"{kind} {name}: {error}\n{self.state()}\n{self._last_words(kind, name)}") from None

    def _last_words(self, kind, name):
        """Of one of its pods, where there is one."""
        try:
            return self.run("logs", f"{kind.lower()}/{name}", "--all-containers", "--tail=20", timeout_s=30)[-2000:]
        except ClusterError:
            return ""

    def state(self):
        texts = []
        for what in (("get", "pods"), ("get", "events", "--sort-by=.lastTimestamp")):
            try:
                texts.append(self.run(*what)[-2000:])
            except ClusterError as error:
                texts.append(str(error))
        return "\n".join(texts)


def touched(created=(), updated=(), deleted=()):
    """What a module returns of kinds and names that it made, changed, took away."""
    created, updated, deleted = list(created), list(updated), list(deleted)
    diff = {"before": {"there": updated + deleted}, "after": {"there": created + updated}}
    changed = bool(created or updated or deleted)
    return {"changed": changed, "created": created, "updated": updated, "deleted": deleted, "diff": diff}


def _as_documents(objects):
    return "".join(f"---\n{json.dumps(one)}\n" for one in objects)


def _documents(text):
    """kubectl writes one List, or one object after the other."""
    reader, place, found = json.JSONDecoder(), 0, []
    while place < len(text):
        one, place = reader.raw_decode(text, place)
        found += one["items"] if one["kind"] == "List" else [one]
        place = len(text) - len(text[place:].lstrip())
    return found


def _key(one):
    return (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])


def _label(one):
    return f"{one['kind']}/{one['metadata']['name']}"


def _place(one):
    return (_FIRST.index(one["kind"]) if one["kind"] in _FIRST else len(_FIRST), one["kind"], one["metadata"]["name"])


def _settled(one):
    meta = {name: value for name, value in one["metadata"].items() if name not in _KEPT_BY_CLUSTER}
    return {**{name: value for name, value in one.items() if name != "status"}, "metadata": meta}
