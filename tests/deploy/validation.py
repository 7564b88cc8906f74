"""Is this object one that a cluster would take? Core objects by Kubernetes' own schemas, custom ones by those kept here."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema
import yaml

SCHEMAS = Path(__file__).parent / "schemas"
OLDEST, NEWEST = "1.25", "1.37"
Object = dict[str, Any]


@functools.cache
def _own() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((SCHEMAS / "own.yaml").read_text())
    return read


@functools.cache
def _validator(api_version: str, kind: str) -> jsonschema.Draft7Validator | None:
    file = SCHEMAS / f"{api_version.replace('/', '.')}.{kind}.json"
    if file.exists():
        return jsonschema.Draft7Validator(json.loads(file.read_text()))
    own = _own().get(f"{api_version}/{kind}")
    return jsonschema.Draft7Validator({**own, "container": _own()["container"]}) if own else None


def faults_of(thing: Object) -> list[str]:
    """Why a cluster of the oldest or the newest supported version would refuse it."""
    return list(_faults_of(json.dumps(thing, sort_keys=True)))


@functools.cache  # most objects are the same in many renderings
def _faults_of(text: str) -> tuple[str, ...]:
    import kubernetes_validate

    thing: Object = json.loads(text)
    name = f"{thing['kind']}/{thing.get('metadata', {}).get('name', '?')}"
    validator = _validator(thing["apiVersion"], thing["kind"])
    if validator is not None:
        return tuple(
            f"{name}: {'.'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in validator.iter_errors(thing)
        )
    faults = []
    for version in (OLDEST, NEWEST):
        try:
            kubernetes_validate.validate(thing, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            faults.append(f"{version} {name}: {'.'.join(map(str, error.path))}: {error.message[:200]}")
        except kubernetes_validate.SchemaNotFoundError as error:
            faults.append(f"{version} {name}: {error.message}")
    return tuple(faults)


class StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Refuses a key that stands twice in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def objects_of(text: str) -> list[Object]:
    return [thing for thing in yaml.load_all(text, StrictLoader) if thing]
