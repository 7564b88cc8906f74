"""What does our chart make of some values? Rendered by the helm command, or by Helm's Python SDK where that is installed."""

from __future__ import annotations

import json
import shutil
import subprocess

try:
    import yaml
except ImportError:  # ansible-core brings it where modules run on the controller
    yaml = None

from ansible_collections.rhpds.litemaas.plugins.module_utils.cluster import ClusterError


def rendered(chart, release, namespace, values, helm="helm"):
    """The chart's objects, without hooks. Errors: ClusterError with Helm's words."""
    if yaml is None:
        raise ClusterError("The Python package PyYAML is not installed.")
    texts = (
        _by_command(chart, release, namespace, values, helm)
        if shutil.which(helm)
        else _by_sdk(chart, release, namespace, values)
    )
    objects = [one for text in texts for one in yaml.safe_load_all(text) if one]
    return [one for one in objects if "helm.sh/hook" not in (one["metadata"].get("annotations") or {})]


def _by_command(chart, release, namespace, values, helm):
    command = [helm, "template", release, chart, "--namespace", namespace, "--values", "-"]
    ran = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, timeout=300, check=False)
    if ran.returncode != 0:
        raise ClusterError(f"helm template: {ran.stderr.strip()[-1500:]}")
    return [ran.stdout]


def _by_sdk(chart, release, namespace, values):
    try:
        import helm_python
    except ImportError:
        raise ClusterError("Neither the helm command nor the Python package helm-python-sdk is installed.") from None
    try:
        with helm_python.Chart.load(str(chart)) as loaded:
            made = loaded.render(values, name=release, namespace=namespace)
    except helm_python.HelmError as error:
        raise ClusterError(f"The chart was not rendered: {error}") from None
    return [text for path, text in made.items() if path.endswith(".yaml")]
