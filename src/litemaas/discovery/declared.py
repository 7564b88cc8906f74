"""What does a model server's owner say about it? Annotations and status of an InferenceService, as members of the catalogue.

Only objects with ``litemaas.io/publish`` are meant. What is not said and cannot be read off the object is left to
administrators.
Source of fields: KServe's v1beta1 InferenceService and v1alpha1 LLMInferenceService (2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from litemaas.discovery.settings import PRICE_FIELDS, Price, nano

Object = Mapping[str, Any]
PREFIX = "litemaas.io/"
KNOWN = (
    "publish", "model", "type", "context-length", "max-output-tokens", "path", "port", "endpoint", "engine-model", "provider",
    "description", "tags", "capabilities", "api-key-secret", "price-policy", "price-input", "price-output", "price-page",
    "price-request",
)  # fmt: skip
_TYPES = {
    "chat": "chat", "embedding": "embeddings", "embeddings": "embeddings", "document": "convert", "convert": "convert",
    "rerank": "rerank", "transcription": "transcription", "speech": "speech", "image": "image", "moderation": "moderation",
}  # fmt: skip
_TYPE_OF_FORMAT = {"vllm": "chat", "sbert": "embeddings", "openvino_graph": "embeddings", "docling": "convert"}
_MODEL_NAME = re.compile(r"[A-Za-z0-9._:/-]{1,255}")
_LENGTH_ARGUMENT = re.compile(r"--max[-_]model[-_]len(?:=|\s+)(\d+)")


class Misdeclared(Exception):
    """An annotation cannot be read; the message names it."""


class SecretKey(msgspec.Struct, frozen=True):
    """In the object's own namespace."""

    name: str
    key: str


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """``model_values``, ``deployment_values``: members of the API; what is not there is not said."""

    source: str
    """``<cluster>/<kind>/<namespace>/<name>``."""
    namespace: str
    model: str
    publish: Literal["draft", "available"]
    is_ready: bool
    model_values: dict[str, Any]
    deployment_values: dict[str, Any]
    """Without ``api_base`` as long as the object has no address."""
    secret: SecretKey | None


def is_meant(thing: Object) -> bool:
    return f"{PREFIX}publish" in _annotations(thing)


def source_of(cluster: str, thing: Object) -> str:
    meta = thing["metadata"]
    return f"{cluster}/{thing['kind']}/{meta['namespace']}/{meta['name']}"


def read(
    thing: Object, cluster: str, policies: Mapping[str, Price], default_policy: str = "", engine_ca: str | None = None
) -> Declared:
    """Errors: Misdeclared."""
    said = {name.removeprefix(PREFIX): value for name, value in _annotations(thing).items() if name.startswith(PREFIX)}
    if unknown := sorted(said.keys() - set(KNOWN)):
        raise Misdeclared(f"{PREFIX}{unknown[0]} is no annotation that is known")
    meta = thing["metadata"]
    publish = _publish(said["publish"])
    if publish is None:
        raise Misdeclared(f"{PREFIX}publish must be draft or available")
    model = said.get("model") or meta["name"]
    if not _MODEL_NAME.fullmatch(model):
        raise Misdeclared(f"{PREFIX}model must consist of letters, digits and . _ : / -")
    kind = _type(thing, said)
    deployment: dict[str, Any] = {
        "provider": "docling" if kind == "convert" else "hosted_vllm",
        "engine_model": said.get("engine-model") or _engine_model(thing),
    }
    address = _address(thing, said)
    if address is not None:
        deployment["api_base"] = address
        if address.startswith("https:") and engine_ca is not None:
            deployment["tls_ca"] = engine_ca
    is_ready = address is not None and _is_ready(thing)
    return Declared(
        source=source_of(cluster, thing), namespace=meta["namespace"], model=model, publish=publish, is_ready=is_ready,
        model_values=_model_values(thing, said, kind, policies, default_policy),
        deployment_values=deployment | {"enabled": is_ready}, secret=_secret(said.get("api-key-secret")),
    )  # fmt: skip


def _publish(word: str) -> Literal["draft", "available"] | None:
    if word == "draft":
        return "draft"
    return "available" if word == "available" else None


def _model_values(
    thing: Object, said: Mapping[str, str], kind: str, policies: Mapping[str, Price], default_policy: str
) -> dict[str, Any]:
    length = _count(said, "context-length")
    values = {
        "type": kind,
        "display_name": _annotations(thing).get("openshift.io/display-name"),
        "description": said.get("description"),
        "provider": said.get("provider"),
        "tags": _list(said.get("tags")),
        "capabilities": _list(said.get("capabilities")),
        "context_length": length if length is not None else _length_of_arguments(thing),
        "max_output_tokens": _count(said, "max-output-tokens"),
        "pricing": _price(said, policies, default_policy),
    }
    return {name: value for name, value in values.items() if value is not None}


def _annotations(thing: Object) -> Mapping[str, str]:
    return thing["metadata"].get("annotations") or {}


def _type(thing: Object, said: Mapping[str, str]) -> str:
    if "type" in said:
        if said["type"] not in _TYPES:
            raise Misdeclared(f"{PREFIX}type must be one of {', '.join(sorted(_TYPES))}")
        return _TYPES[said["type"]]
    served = _predictor(thing).get("model") or {}
    return _TYPE_OF_FORMAT.get(str((served.get("modelFormat") or {}).get("name", "")).lower(), "chat")


def _predictor(thing: Object) -> Mapping[str, Any]:
    spec = thing.get("spec") or {}
    return spec.get("predictor") or {}


def _engine_model(thing: Object) -> str:
    named = (
        ((thing.get("spec") or {}).get("model") or {}).get("name") if thing["kind"] == "LLMInferenceService" else None
    )
    return named or str(thing["metadata"]["name"])


def _is_ready(thing: Object) -> bool:
    if thing["metadata"].get("deletionTimestamp"):
        return False
    conditions = (thing.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _address(thing: Object, said: Mapping[str, str]) -> str | None:
    """The address inside the cluster goes before the public one: traffic to engines stays inside."""
    status = thing.get("status") or {}
    inside = (status.get("address") or {}).get("url")
    listed = next((one.get("url") for one in status.get("addresses") or [] if one.get("url")), None)
    stated = said.get("endpoint") or inside or listed or status.get("url")
    if not stated:
        return None
    url = urlsplit(stated)
    if url.scheme not in ("http", "https") or not url.hostname or url.username is not None:
        raise Misdeclared(f"{PREFIX}endpoint must be an http or https URL without credentials")
    if "endpoint" in said:
        return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"
    host = f"{url.hostname}:{_count(said, 'port')}" if "port" in said else url.netloc
    path = said.get("path", url.path or "/v1").rstrip("/")
    if path and not path.startswith("/"):
        raise Misdeclared(f"{PREFIX}path must begin with /")
    return f"{url.scheme}://{host}{path}"


def _length_of_arguments(thing: Object) -> int | None:
    """What vLLM is started with, where it is."""
    arguments = (_predictor(thing).get("model") or {}).get("args") or []
    found = _LENGTH_ARGUMENT.search(" ".join(map(str, arguments)))
    return int(found[1]) if found else None


def _count(said: Mapping[str, str], name: str) -> int | None:
    if name not in said:
        return None
    text = said[name]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) < 2**31:
        raise Misdeclared(f"{PREFIX}{name} must be a whole number above 0")
    return int(text)


def _list(text: str | None) -> list[str] | None:
    return None if text is None else [part for part in (one.strip() for one in text.split(",")) if part]


def _price(said: Mapping[str, str], policies: Mapping[str, Price], default_policy: str) -> Price | None:
    """Prices that are stated go before a policy that is named, that before the usual one. None: nobody says a price."""
    stated: Price = {}
    for name, field in zip(("input", "output", "page", "request"), PRICE_FIELDS, strict=True):
        if (text := said.get(f"price-{name}")) is not None:
            try:
                stated[field] = nano(text)
            except ValueError:
                raise Misdeclared(f"{PREFIX}price-{name} must be an amount per million, like 0.15") from None
    if stated:
        return dict.fromkeys(PRICE_FIELDS, 0) | stated
    policy = said.get("price-policy", default_policy)
    if not policy:
        return None
    if policy not in policies:
        raise Misdeclared(f"{PREFIX}price-policy names no policy that is set up")
    return dict.fromkeys(PRICE_FIELDS, 0) | policies[policy]


def _secret(text: str | None) -> SecretKey | None:
    if text is None:
        return None
    name, _, key = text.partition("/")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", name):
        raise Misdeclared(f"{PREFIX}api-key-secret must be the name of a Secret, or <name>/<key>")
    return SecretKey(name, key or "api-key")
