"""How is something set in an object of somebody else, so that it can be taken back?

What was there before is kept in an annotation. A **setting** is part of an object: ``{apiVersion, kind, metadata: {name,
namespace?, labels?}, yaml?}``. A label of ``null`` shall not be there; ``yaml`` maps a key of a ConfigMap's data to what shall
be in the YAML there. Everything beside it stays.
"""

from __future__ import annotations

import json

try:
    import yaml
except ImportError:  # ansible-core brings it where modules run on the controller
    yaml = None

from ansible_collections.rhpds.litemaas.plugins.module_utils.cluster import ClusterError

MEMORY = "litemaas.io/was-before"
_TRIES = 3


def is_borrowed(one):
    return MEMORY in (one["metadata"].get("annotations") or {})


def set_in(cluster, setting, label, *, dry_run):
    """ "created", "updated", or None where nothing had to change. Errors: ClusterError."""
    for left in reversed(range(_TRIES)):
        there = next(iter(cluster.held([_bare(setting)]).values()), None)
        if there is None:
            return _make(cluster, setting, label, dry_run)
        patch = _patch_of(there, setting, label)
        if patch is None or dry_run:
            return patch and "updated"
        try:
            cluster.patch(there, patch)
        except ClusterError as error:
            if not left or ("Conflict" not in str(error) and "modified" not in str(error)):
                raise
        else:
            return "updated"
    return None


def give_back(cluster, there, label, *, dry_run):
    """Everything as it was, but for what others changed since. Whether the object was made for us and nothing else is in it."""
    memory = json.loads(there["metadata"]["annotations"][MEMORY])
    labels = {
        name: kept.get("was")
        for name, kept in memory.get("labels", {}).items()
        if (there["metadata"].get("labels") or {}).get(name) == kept["set"]
    }
    data = {}
    for key, kept in memory.get("yaml", {}).items():
        tree = _tree(there, key)
        for leaf in kept:
            _restore(tree, leaf)
        data[key] = _text(tree) if tree else None
    rest = {key for key in there.get("data") or {} if data.get(key, "") is not None}
    if memory.get("made") and not rest:
        return True
    patch = {"metadata": {"labels": {**labels, label: None}, "annotations": {MEMORY: None}}}
    if data:
        patch["data"] = data
    if not dry_run:
        cluster.patch(there, patch)
    return False


def _bare(setting):
    meta = {name: setting["metadata"][name] for name in ("name", "namespace") if name in setting["metadata"]}
    return {"apiVersion": setting["apiVersion"], "kind": setting["kind"], "metadata": meta}


def _make(cluster, setting, label, dry_run):
    if setting["kind"] != "ConfigMap":
        raise ClusterError(f"{setting['kind']} {setting['metadata']['name']} is not there.")
    leaves = {key: [{"path": path, "set": value} for path, value in _leaves(tree)] for key, tree in _trees(setting)}
    made = _bare(setting)
    made["metadata"] = {
        **made["metadata"],
        "labels": {label: ""},
        "annotations": {MEMORY: json.dumps({"made": True, "yaml": leaves}, sort_keys=True)},
    }
    made["data"] = {key: _text(tree) for key, tree in _trees(setting)}
    cluster.apply([made], dry_run=dry_run)
    return "created"


def _patch_of(there, setting, label):
    """None where all is set and nobody has to remember anything."""
    meta = there["metadata"]
    kept = json.loads((meta.get("annotations") or {}).get(MEMORY, "{}"))
    memory = {**kept, "labels": dict(kept.get("labels", {})), "yaml": dict(kept.get("yaml", {}))}
    labels, data, is_ours = {}, {}, False
    for name, wanted in (setting["metadata"].get("labels") or {}).items():
        now = (meta.get("labels") or {}).get(name)
        is_ours |= name in memory["labels"]
        if now != wanted:
            labels[name] = wanted
            memory["labels"].setdefault(name, {} if now is None else {"was": now})
            memory["labels"][name] = {**memory["labels"][name], "set": wanted}
    for key, wanted in _trees(setting):
        tree, leaves = _tree(there, key), {tuple(leaf["path"]): leaf for leaf in memory["yaml"].get(key, [])}
        for path, value in _leaves(wanted):
            now, is_there = _at(tree, path)
            is_ours |= tuple(path) in leaves
            if is_there and now == value:
                continue
            was = {"was": now} if is_there else {}
            leaves[tuple(path)] = {**leaves.get(tuple(path), {"path": path, **was}), "set": value}
            _put(tree, path, value)
            data[key] = _text(tree)
        if leaves:
            memory["yaml"][key] = list(leaves.values())
    is_new_holder = is_ours and label not in (meta.get("labels") or {})
    if not (labels or data or is_new_holder):
        return None
    text = json.dumps({name: value for name, value in memory.items() if value}, sort_keys=True)
    patch = {
        "metadata": {
            "resourceVersion": meta["resourceVersion"],
            "labels": {**labels, label: ""},
            "annotations": {MEMORY: text},
        }
    }
    return {**patch, "data": data} if data else patch


def _trees(setting):
    return (setting.get("yaml") or {}).items()


def _tree(there, key):
    if yaml is None:
        raise ClusterError("The Python package PyYAML is not installed.")
    text = (there.get("data") or {}).get(key) or "{}"
    try:
        tree = yaml.safe_load(text) or {}
    except yaml.YAMLError:
        tree = None
    if not isinstance(tree, dict):
        raise ClusterError(
            f"{there['kind']} {there['metadata']['name']}: {key} is no YAML mapping. It was left as it is."
        )
    return tree


def _text(tree):
    return yaml.safe_dump(tree, sort_keys=False)


def _leaves(tree, path=()):
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, name))
        else:
            yield [*path, name], value


def _at(tree, path):
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return None, False
        tree = tree[name]
    return tree, True


def _put(tree, path, value):
    for name in path[:-1]:
        if not isinstance(tree.get(name), dict):
            tree[name] = {}
        tree = tree[name]
    tree[path[-1]] = value


def _restore(tree, leaf):
    path = leaf["path"]
    now, is_there = _at(tree, path)
    if not is_there or now != leaf["set"]:
        return
    if "was" in leaf:
        _put(tree, path, leaf["was"])
        return
    above = _at(tree, path[:-1])[0]
    del above[path[-1]]
    if not above and len(path) > 1:  # a branch that was made for it
        _restore(tree, {"path": path[:-1], "set": {}})
