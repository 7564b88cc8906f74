"""Which files are made from those of ``deploy/``? The chart's schema, its dashboards, the plain manifests, a role's files.

    python deploy/generate.py            writes them anew
    python deploy/generate.py --check    says which are out of date, and exits with 1

The schema is made from the settings of both planes, the dashboards from observability/dashboards.py; the manifests are the
chart, rendered (needs requirements/deploy.txt). The role for metrics carries dashboards, rules and Grafana's manifests, because
a collection that is installed from Git has nothing but its own directory.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [
    str(Path(__file__).parent),
    str(Path(__file__).parent / "observability"),
    str(Path(__file__).parent.parent / "src"),
]

import dashboards  # noqa: E402 — beside this file
import schema  # noqa: E402 — beside this file

HERE = Path(__file__).parent
CHART = HERE / "helm/litemaas"
_HEAD = "# Rendered from deploy/helm/litemaas with ci/{values}; `python deploy/generate.py` writes it anew.\n"
ROLE = HERE.parent / "ansible/rhpds/litemaas/roles/ocp4_workload_rhoai_metrics/files"
CARRIED = {
    "rules/models.yaml": "gitops/model-serving/rules.yaml",
    "rules/gpus.yaml": "observability/gpu-rules.yaml",
    # With a name that ansible-lint takes for nothing of its own.
    **{
        f"grafana/{name}.manifest": f"observability/grafana/{name}.yaml" for name in ("access", "grafana", "datasource")
    },
}
"""Files of the role, and what in ``deploy/`` they are."""
CARRIED_DASHBOARDS = ("vllm", "gpu", "openvino")
RENDERED = {
    HERE / f"kustomize/base/{platform}/litemaas.yaml": f"kustomize-{platform}-values.yaml"
    for platform in ("kubernetes", "openshift")
}


def render(values: dict[str, object], name: str = "litemaas", namespace: str = "litemaas") -> dict[str, str]:
    """The chart's templates with these values, hooks and tests included.

    Errors: HelmError.
    """
    import helm_python

    with helm_python.Chart.load(str(CHART)) as chart:
        return chart.render(values, name=name, namespace=namespace)


def _manifests(values_file: str) -> str:
    import yaml

    rendered = render(yaml.safe_load((CHART / "ci" / values_file).read_text()))
    texts = [_HEAD.format(values=values_file)]
    for path, text in sorted(rendered.items()):
        if path.endswith(".yaml"):
            texts += [_dump(document) for document in yaml.safe_load_all(text) if document]
    return "".join(texts)


def _dump(document: dict[str, Any]) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return yaml.dump(document, Dumper=Dumper, sort_keys=False, explicit_start=True, width=1000, allow_unicode=True)


def files(*, with_helm: bool) -> dict[Path, str]:
    made = {CHART / "values.schema.json": schema.text()}
    for name, dashboard in dashboards.dashboards().items():
        made[CHART / f"files/dashboards/{name}.json"] = dashboards.as_json(dashboard)
        if name in CARRIED_DASHBOARDS:
            made[ROLE / f"dashboards/{name}.json"] = dashboards.as_json(dashboard)
    for name, source in CARRIED.items():
        head = f"# This is deploy/{source}; `python deploy/generate.py` writes it anew.\n"
        made[ROLE / name] = head + (HERE / source).read_text()
    if with_helm:
        made |= {path: _manifests(values) for path, values in RENDERED.items()}
    return made


def main() -> int:
    try:
        import helm_python  # noqa: F401 — only whether it is there
    except ImportError:
        with_helm = False
        print("Without requirements/deploy.txt only the schema is made.", file=sys.stderr)
    else:
        with_helm = True
    stale = 0
    for path, text in files(with_helm=False).items():
        stale += _write(path, text)
    if with_helm:  # with the new schema
        for path, values in RENDERED.items():
            stale += _write(path, _manifests(values))
    return 1 if stale and "--check" in sys.argv else 0


def _write(path: Path, text: str) -> bool:
    if path.exists() and path.read_text() == text:
        return False
    print(f"{path.relative_to(HERE.parent)} {'is out of date' if '--check' in sys.argv else 'written'}")
    if "--check" not in sys.argv:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return True


if __name__ == "__main__":
    sys.exit(main())
