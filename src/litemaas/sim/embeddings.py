"""What does the OpenVINO-like server answer? Unit vectors that depend on nothing but the text.

Source: OpenVINO Model Server's ``/v3/embeddings`` (no ``model`` in the answer, errors as ``{"error": "text"}``), 2026-11.
"""

from __future__ import annotations

import hashlib
from array import array
from base64 import b64encode
from collections.abc import Callable
from math import sqrt
from typing import Any

import msgspec
from msgspec import Struct

from litemaas.sim.behaviour import Conduct
from litemaas.sim.counters import Entry, ServerCounts
from litemaas.sim.exchange import ClientLeft, Exchange
from litemaas.sim.exposition import CONTENT_TYPE, family
from litemaas.sim.server import Route
from litemaas.sim.settings import EmbeddingModel
from litemaas.sim.tokens import join_tokens, split_tokens

_KEPT_VECTORS = 256


class EmbeddingRequest(Struct, kw_only=True):
    """``POST /v3/embeddings``; ``input`` is a text, a list of texts, a token array or a list of token arrays."""

    input: Any
    model: str | None = None
    encoding_format: str | None = None
    dimensions: int | None = None


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


_DECODER = msgspec.json.Decoder(EmbeddingRequest)


def unit_vector(text: str, dimensions: int) -> array[float]:
    """The vector of a text: 32-bit numbers whose squares sum to one."""
    noise = array("h", hashlib.shake_128(text.encode()).digest(2 * dimensions))
    length = sqrt(sum(number * number for number in noise)) or 1.0
    return array("f", [number / length for number in noise])


class OpenVinoFlavour:
    """An OpenVINO Model Server that serves embedding models."""

    def __init__(
        self,
        models: tuple[EmbeddingModel, ...],
        api_key: str | None,
        conduct: Conduct,
        counts: ServerCounts,
        next_id: Callable[[], str],
    ) -> None:
        self._models = {model.name: model for model in models}
        self._api_key = api_key
        self._conduct = conduct
        self._counts = counts
        self._next_id = next_id
        self._vectors: dict[tuple[str, int], array[float]] = {}
        self.routes = {
            ("POST", "/v3/embeddings"): Route(self._embed, works=True),
            ("POST", "/v1/embeddings"): Route(self._embed, works=True),
            ("GET", "/v1/models"): Route(self._list_models),
            ("GET", "/v3/models"): Route(self._list_models),
            ("GET", "/v1/config"): Route(self._show_config),
            ("GET", "/v2/health/ready"): Route(self._ready),
            ("GET", "/v2/health/live"): Route(self._ready),
            ("GET", "/metrics"): Route(self._show_metrics),
        }

    async def admit(self, exchange: Exchange) -> bool:
        if self._api_key is None or not exchange.path.startswith(("/v1/", "/v3/")):
            return True
        if exchange.header(b"authorization") == f"Bearer {self._api_key}".encode():
            return True
        await exchange.answer_json({"error": "Unauthorized"}, 401)
        return False

    def observe(self, entry: Entry) -> None:
        """The counters hold all that the metrics need."""

    def forget(self) -> None:
        self._vectors.clear()

    async def stop(self) -> None:
        """Nothing works in the background."""

    async def _embed(self, exchange: Exchange) -> None:
        entry = exchange.entry
        try:
            request = _DECODER.decode(exchange.body)
            entry.model = request.model or ""
            entry.engine_id = f"embd-{self._conduct.behaviour.engine_id or self._next_id()}"
            model = self._model(request.model)
            entry.model = model.name
            texts, tokens = _inputs(request.input)
            dimensions = _checked(request, model, tokens)
        except _Refused as refused:
            await exchange.answer_json({"error": str(refused)}, refused.status)
            return
        except msgspec.DecodeError as error:
            await exchange.answer_json({"error": f"Cannot parse JSON body: {error}"}, 400)
            return
        if not await exchange.peer.sleep(self._conduct.whole_answer_s(len(texts))):
            raise ClientLeft
        base64 = request.encoding_format == "base64"
        rows = [
            {"object": "embedding", "embedding": self._vector(text, dimensions, base64), "index": index}
            for index, text in enumerate(texts)
        ]
        total = sum(tokens)
        entry.prompt_tokens, entry.inputs = total, len(texts)
        answer: dict[str, Any] = {"object": "list", "data": rows}
        if not self._conduct.behaviour.omit_usage:
            answer["usage"] = {"prompt_tokens": total, "total_tokens": total}
        await exchange.answer_json(answer)

    def _model(self, name: str | None) -> EmbeddingModel:
        if name in self._models:
            return self._models[name]
        raise _Refused(404 if name else 400, "Mediapipe graph definition with requested name is not found"
                       if name else "model field is missing in JSON body")  # fmt: skip

    def _vector(self, text: str, dimensions: int, base64: bool) -> str | list[float]:
        vector = self._vectors.get((text, dimensions))
        if vector is None:
            if len(self._vectors) >= _KEPT_VECTORS:
                self._vectors.clear()
            vector = self._vectors[text, dimensions] = unit_vector(text, dimensions)
        return b64encode(vector).decode() if base64 else vector.tolist()

    async def _list_models(self, exchange: Exchange) -> None:
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "OVMS"} for name in self._models]
        await exchange.answer_json({"object": "list", "data": rows})

    async def _show_config(self, exchange: Exchange) -> None:
        status = {"error_code": "OK", "error_message": "OK"}
        versions = [{"version": "1", "state": "AVAILABLE", "status": status}]
        await exchange.answer_json({name: {"model_version_status": versions} for name in self._models})

    async def _ready(self, exchange: Exchange) -> None:
        await exchange.answer(200, b"", b"application/json")

    async def _show_metrics(self, exchange: Exchange) -> None:
        counts = self._counts.since_start
        labels = {model: {"api": "V3", "interface": "REST", "method": "Unary", "name": model} for model in counts}
        page = [
            family("ovms_requests_success", "counter", "Number of successful requests to a model or a DAG.",
                   [(labels[model], sums.completed) for model, sums in counts.items()]),
            family("ovms_requests_fail", "counter", "Number of failed requests to a model or a DAG.",
                   [(labels[model], sums.failed) for model, sums in counts.items()]),
            family("ovms_requests_accepted", "counter", "Number of accepted requests.",
                   [(labels[model], sums.requests) for model, sums in counts.items()]),
            family("ovms_responses", "counter", "Number of responses.",
                   [(labels[model], sums.completed) for model, sums in counts.items()]),
            family("ovms_current_requests", "gauge", "Number of inference requests currently in process.",
                   [({"name": model}, self._counts.running) for model in counts]),
        ]  # fmt: skip
        await exchange.answer(200, "".join(page).encode(), CONTENT_TYPE)


def _inputs(given: Any) -> tuple[list[str], list[int]]:
    """The texts of ``input`` and how many tokens each has."""
    single = isinstance(given, str) or (isinstance(given, list) and bool(given) and type(given[0]) is int)
    parts = [given] if single else given
    if not isinstance(parts, list) or not parts:
        raise _Refused(400, "input must be a string or a non-empty array")
    texts, tokens = [], []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            tokens.append(len(split_tokens(part)))
        elif isinstance(part, list) and part and all(type(token) is int for token in part):
            texts.append(join_tokens(part))
            tokens.append(len(part))
        else:
            raise _Refused(400, "every element of input must be a string or an array of tokens")
    return texts, tokens


def _checked(request: EmbeddingRequest, model: EmbeddingModel, tokens: list[int]) -> int:
    """The dimensions that the answer will have."""
    if request.encoding_format not in (None, "float", "base64"):
        raise _Refused(400, "encoding_format should either be base64 or float")
    if max(tokens) > model.max_model_len:
        raise _Refused(400, f"Input length {max(tokens)} longer than allowed {model.max_model_len}")
    dimensions = model.dimensions if request.dimensions is None else request.dimensions
    if not 0 < dimensions <= model.dimensions:
        raise _Refused(400, f"dimensions must be between 1 and {model.dimensions}")
    return dimensions
