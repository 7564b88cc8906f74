"""Where does each model server show its metrics, and which Service and ServiceMonitor does Prometheus need for that?"""

from __future__ import annotations

import re

from ansible.errors import AnsibleFilterError

ENGINES = {"vllm": "8080", "openvino": "8888", "tei": "8080", "docling": "5001"}
"""Their own ports, where nothing else is said."""
_ENGINE_OF_FORMAT = {"vllm": "vllm", "sbert": "tei", "docling": "docling"}
_OPENVINO = ("openvino_graph", "openvino_ir", "onnx", "tensorflow", "paddle", "pytorch")
_UNITS_S = {"s": 1, "m": 60, "h": 3600}


class FilterModule:
    def filters(self):
        return {"model_monitors": model_monitors, "unmonitored_models": unmonitored_models}


def model_monitors(services, runtimes, settings):
    """A Service and a ServiceMonitor for each InferenceService of the wanted names and engines.

    ``settings``: namespace, models (empty: all), runtimes, interval, timeout; ``<engine>_port``, ``<engine>_path`` where given.
    """
    interval, timeout = _seconds(settings["interval"]), _seconds(settings["timeout"])
    if timeout > interval:
        raise AnsibleFilterError(
            f"A scrape may not take longer ({settings['timeout']}) than from one to the next ({settings['interval']})."
        )
    missing = set(settings["models"]) - {one["metadata"]["name"] for one in services}
    if missing:
        raise AnsibleFilterError(
            f"There is no InferenceService {', '.join(sorted(missing))} in {settings['namespace']}."
        )
    unknown = set(settings["runtimes"]) - set(ENGINES)
    if unknown:
        raise AnsibleFilterError(f"{', '.join(sorted(unknown))}: the runtimes are {', '.join(ENGINES)}.")
    made = []
    for one in services:
        place = _place(one, runtimes, settings)[0]
        if place:
            made += _objects(one["metadata"]["name"], place, settings)
    return made


def unmonitored_models(services, runtimes, settings):
    """A sentence for each InferenceService that shows no metrics, or is not asked for them."""
    said = []
    for one in services:
        why = _place(one, runtimes, settings)[1]
        if why:
            said.append(f"{one['metadata']['name']}: {why}")
    return said


def _place(one, runtimes, settings):
    """Engine, port and path; or nothing, and why. A model that was not asked for is nothing worth a word."""
    name = one["metadata"]["name"]
    if settings["models"] and name not in settings["models"]:
        return None, ""
    model = one["spec"].get("predictor", {}).get("model")
    if not model:
        return None, "it has containers of its own instead of a model; make a ServiceMonitor for them by hand"
    runtime = _runtime_of(model, runtimes, one["metadata"]["namespace"])
    engine = _engine_of(model["modelFormat"]["name"])
    if engine not in settings["runtimes"]:
        return None, f"models of the format {model['modelFormat']['name']} are not in runtimes"
    annotations = (runtime or {}).get("spec", {}).get("annotations") or {}
    port = settings.get(f"{engine}_port") or annotations.get("prometheus.io/port") or ENGINES[engine]
    path = settings.get(f"{engine}_path") or annotations.get("prometheus.io/path") or "/metrics"
    arguments = [*_arguments(runtime), *(model.get("args") or [])]
    silent = engine == "openvino" and runtime and not any("metrics_enable" in text for text in arguments)
    return (
        engine,
        int(port),
        path,
    ), "its server is started without --metrics_enable, so it shows none" if silent else ""


def _runtime_of(model, runtimes, namespace):
    """The one it names, else that which takes its format by itself; the namespace's own go first."""
    own = [one for one in runtimes if one["metadata"].get("namespace") == namespace]
    shared = [one for one in runtimes if not one["metadata"].get("namespace")]
    for one in (*own, *shared):
        if model.get("runtime"):
            if one["metadata"]["name"] == model["runtime"]:
                return one
        elif any(
            known.get("autoSelect") and known["name"].lower() == model["modelFormat"]["name"].lower()
            for known in one["spec"].get("supportedModelFormats") or []
        ):
            return one
    return None


def _engine_of(model_format):
    name = model_format.lower()
    return "openvino" if name in _OPENVINO else _ENGINE_OF_FORMAT.get(name)


def _arguments(runtime):
    containers = (runtime or {}).get("spec", {}).get("containers") or []
    return [text for one in containers for text in (*(one.get("command") or []), *(one.get("args") or []))]


def _objects(name, place, settings):
    """Under the names that OpenShift AI's model controller gives them."""
    engine, port, path = place
    made = f"{name}-metrics"
    meta = {"name": made, "namespace": settings["namespace"]}
    endpoint = {
        "port": f"{engine}-metrics",
        "path": path,
        "interval": settings["interval"],
        "scrapeTimeout": settings["timeout"],
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**meta, "labels": {"name": made}},
            "spec": {
                "selector": {"serving.kserve.io/inferenceservice": name},
                "ports": [{"name": f"{engine}-metrics", "port": port, "targetPort": port, "protocol": "TCP"}],
            },
        },
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "ServiceMonitor",
            "metadata": meta,
            "spec": {"selector": {"matchLabels": {"name": made}}, "endpoints": [endpoint]},
        },
    ]


def _seconds(text):
    read = re.fullmatch(r"(\d+)([smh])", str(text))
    if read is None:
        raise AnsibleFilterError(f"{text}: a time is a whole number with s, m or h, as 30s.")
    return int(read[1]) * _UNITS_S[read[2]]
