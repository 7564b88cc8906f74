"""How do tests of ``deploy/`` render the chart? In-process, with Helm's own engine; each set of values once."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm/litemaas"
_NEEDED = ("helm_python", "kubernetes_validate", "yaml", "jsonschema", "yamllint")

if any(importlib.util.find_spec(name) is None for name in _NEEDED):
    if os.environ.get("LITEMAAS_DEPLOY_TESTS"):
        raise ImportError("requirements/deploy.txt is not installed")
    collect_ignore_glob = ["test_*.py"]
else:
    sys.path[:0] = [str(DEPLOY), str(DEPLOY / "observability")]

Object = dict[str, Any]
Objects = dict[tuple[str, str], Object]


class Rendering:
    """What the chart makes of some values."""

    def __init__(self, texts: dict[str, str]) -> None:
        from tests.deploy.validation import objects_of

        self.texts = texts
        self.list = [o for path, text in texts.items() if path.endswith(".yaml") for o in objects_of(text)]

    @property
    def notes(self) -> str:
        return next(text for path, text in self.texts.items() if path.endswith("NOTES.txt"))

    def of(self, kind: str, name: str) -> Object:
        found = [o for o in self.list if o["kind"] == kind and o["metadata"]["name"] == name]
        assert len(found) == 1, f"{len(found)} of {kind}/{name}; there are {sorted(self.names(kind))}"
        return found[0]

    def names(self, kind: str) -> list[str]:
        return [o["metadata"]["name"] for o in self.list if o["kind"] == kind]

    def pods(self) -> dict[str, Object]:
        """Every pod specification, by kind and name of what makes it."""
        found = {}
        for o in self.list:
            template = o if o["kind"] == "Pod" else o.get("spec", {}).get("template")
            template = o["spec"]["jobTemplate"]["spec"]["template"] if o["kind"] == "CronJob" else template
            if template and "spec" in template and "containers" in template["spec"]:
                found[f"{o['kind']}/{o['metadata']['name']}"] = template
        return found


def render(values: dict[str, Any], namespace: str = "litemaas") -> Rendering:
    import generate

    return Rendering(generate.render(values, namespace=namespace))


def values_of(name: str) -> dict[str, Any]:
    import yaml

    read: dict[str, Any] = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text())
    return read


CONFIGURATIONS = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))


@pytest.fixture(scope="session")
def rendered() -> Callable[[str], Rendering]:
    """Renders a configuration of ``ci/`` by its name."""
    cache: dict[str, Rendering] = {}

    def of(name: str) -> Rendering:
        if name not in cache:
            cache[name] = render(values_of(name))
        return cache[name]

    return of
