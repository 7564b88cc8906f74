"""Is everything that a model server's owner says read as it was meant, and what cannot be read refused by name?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from litemaas.discovery.declared import Declared, Misdeclared, SecretKey, read

MODELS = sorted((Path(__file__).parents[3] / "deploy/gitops/models").glob("*/inference-service.yaml"))
ADDRESS = "http://m-predictor.ns.svc.cluster.local"


def declared(kind: str = "InferenceService", spec: Any = None, status: Any = None, **said: str) -> Declared:
    annotations = {
        f"litemaas.io/{name.replace('_', '-')}": value for name, value in ({"publish": "draft"} | said).items()
    }
    ready = [{"type": "Ready", "status": "True"}]
    thing = {"kind": kind, "metadata": {"name": "m", "namespace": "ns", "annotations": annotations}, "spec": spec or {},
             "status": status if status is not None else {"conditions": ready, "address": {"url": ADDRESS}}}  # fmt: skip
    return read(thing, "here", {"gpu": {"input_per_million": 5}}, engine_ca="PEM")


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.name)
def test_the_manifests_that_we_ship_can_be_read(path: Path):
    thing = yaml.safe_load(path.read_text())
    thing["metadata"]["namespace"] = "llm-hosting"
    thing["status"] = {"address": {"url": "http://x.llm-hosting.svc.cluster.local"}}
    it = read(thing, "here", {})
    folder = path.parent.name
    kinds = {"docling": "convert", "bge-m3": "embeddings", "nomic-embed-text": "embeddings"}
    assert it.model_values["type"] == kinds.get(folder, "chat")
    assert it.is_ready is False
    wanted = {
        "docling": "http://x.llm-hosting.svc.cluster.local",
        "nomic-embed-text": "http://x.llm-hosting.svc.cluster.local/v3",
    }
    assert it.deployment_values["api_base"] == wanted.get(folder, "http://x.llm-hosting.svc.cluster.local/v1")


def test_an_object_for_llms_says_its_name_and_addresses_elsewhere():
    status = {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"url": "https://gw.example/ns/m"}]}
    it = declared("LLMInferenceService", {"model": {"name": "ibm/granite"}}, status)
    assert it.deployment_values["engine_model"] == "ibm/granite"
    assert it.deployment_values["api_base"] == "https://gw.example/ns/m"
    assert it.deployment_values["tls_ca"] == "PEM"
    assert it.source == "here/LLMInferenceService/ns/m"


def test_prices_that_are_stated_go_before_a_policy():
    assert declared(price_policy="gpu").model_values["pricing"]["input_per_million"] == 5
    stated = declared(price_policy="gpu", price_output="0.6").model_values["pricing"]
    assert (stated["input_per_million"], stated["output_per_million"]) == (0, 600_000_000)
    assert "pricing" not in declared().model_values


def test_the_length_is_read_off_the_arguments_where_nobody_says_it():
    spec = {"predictor": {"model": {"args": ["--max-model-len", "4096"]}}}
    assert declared(spec=spec).model_values["context_length"] == 4096
    assert declared(spec=spec, context_length="100").model_values["context_length"] == 100


def test_what_is_being_deleted_or_has_no_address_is_not_ready():
    assert declared().is_ready
    assert not declared(status={"conditions": [{"type": "Ready", "status": "True"}]}).is_ready
    assert not declared(status={"conditions": [{"type": "Ready", "status": "Unknown"}], "url": ADDRESS}).is_ready


def test_a_secret_has_a_usual_key():
    assert declared(api_key_secret="k").secret == SecretKey("k", "api-key")
    assert declared(api_key_secret="k/token").secret == SecretKey("k", "token")


@pytest.mark.parametrize("said", [
    {"publish": "yes"}, {"model": "a b"}, {"type": "poem"}, {"context_length": "0"}, {"context_length": "²"},
    {"port": "-1"}, {"path": "v1"}, {"endpoint": "ftp://x"}, {"endpoint": "http://user:word@x/v1"}, {"price_input": "-1"},
    {"price_input": "NaN"}, {"price_input": "1e30"}, {"price_policy": "nothing"},
    {"api_key_secret": "../other"}, {"modell": "x"},
])  # fmt: skip
def test_what_cannot_be_read_is_refused_by_its_name(said: dict[str, str]):
    with pytest.raises(Misdeclared, match=f"litemaas.io/{next(iter(said)).replace('_', '-')}"):
        declared(**said)
