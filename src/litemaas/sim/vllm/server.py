"""Which calls does the vLLM-like server answer, and what happens between the request and the last token?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from litemaas.sim.behaviour import Conduct
from litemaas.sim.counters import Entry, ServerCounts
from litemaas.sim.exchange import JSON, Exchange
from litemaas.sim.exposition import CONTENT_TYPE
from litemaas.sim.prose import Prose
from litemaas.sim.server import Route
from litemaas.sim.settings import ChatModel
from litemaas.sim.tokens import join_tokens, render_chat, split_tokens, token_id, token_text
from litemaas.sim.vllm import frames
from litemaas.sim.vllm.delivery import Job, MakeAnswer, MakeFrames, deliver_stream, deliver_whole
from litemaas.sim.vllm.generation import Generator
from litemaas.sim.vllm.metrics import ModelMetrics, render_metrics
from litemaas.sim.vllm.prefix_cache import PrefixCache
from litemaas.sim.vllm.requests import (
    ChatRequest,
    CompletionRequest,
    DetokenizeRequest,
    Refused,
    Sampling,
    TokenizeRequest,
    answer_too_long,
    bad_request,
    prompt_too_long,
    read_request,
    unknown_model,
)

_CHAT = msgspec.json.Decoder(ChatRequest)
_COMPLETION = msgspec.json.Decoder(CompletionRequest)
_TOKENIZE = msgspec.json.Decoder(TokenizeRequest)
_DETOKENIZE = msgspec.json.Decoder(DetokenizeRequest)
_VERSION = "0.11.0"

Prompt = tuple[str, list[str]]  # a text and its tokens


class VllmFlavour:
    """A vLLM that serves several models."""

    def __init__(
        self,
        models: tuple[ChatModel, ...],
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
        self._generator = Generator(Prose(), next_id)
        self._cache = PrefixCache()
        self._metrics = {model.name: ModelMetrics() for model in models}
        self._started = int(time.time())
        self.routes = {
            ("POST", "/v1/chat/completions"): Route(self._chat, works=True),
            ("POST", "/v1/completions"): Route(self._complete, works=True),
            ("GET", "/v1/models"): Route(self._list_models),
            ("POST", "/tokenize"): Route(self._tokenize),
            ("POST", "/detokenize"): Route(self._detokenize),
            ("GET", "/health"): Route(self._health),
            ("GET", "/version"): Route(self._version),
            ("GET", "/metrics"): Route(self._show_metrics),
        }

    async def admit(self, exchange: Exchange) -> bool:
        if self._api_key is None or not exchange.path.startswith("/v1"):
            return True
        if exchange.header(b"authorization") == f"Bearer {self._api_key}".encode():
            return True
        await exchange.answer_json({"error": "Unauthorized"}, 401)
        return False

    def observe(self, entry: Entry) -> None:
        metrics = self._metrics.get(entry.model)
        if metrics is not None:
            metrics.observe(entry)

    def forget(self) -> None:
        self._cache.clear()

    async def stop(self) -> None:
        """Nothing works in the background."""

    # -- generating

    async def _chat(self, exchange: Exchange) -> None:
        try:
            request = read_request(exchange, _CHAT)
            model = self._admit_job(exchange, request)
            wanted = request.max_completion_tokens or request.max_tokens
            prompt = render_chat(request.messages, request.tools)
            job = self._plan(exchange, request, model, [(prompt, split_tokens(prompt))], wanted, "chatcmpl")
        except Refused as refused:
            await exchange.answer(refused.status, refused.body, JSON)
            return
        await self._work(exchange, job, frames.ChatFrames, frames.chat_answer)

    async def _complete(self, exchange: Exchange) -> None:
        try:
            request = read_request(exchange, _COMPLETION)
            model = self._admit_job(exchange, request)
            job = self._plan(exchange, request, model, _prompts(request.prompt), request.max_tokens, "cmpl")
        except Refused as refused:
            await exchange.answer(refused.status, refused.body, JSON)
            return
        await self._work(exchange, job, frames.CompletionFrames, frames.completion_answer)

    def _admit_job(self, exchange: Exchange, request: Sampling) -> ChatModel:
        entry = exchange.entry
        entry.model = request.model or ""
        entry.stream = bool(request.stream)
        model = self._model(request.model)
        entry.model = model.name
        if request.stream_options is not None:
            if not request.stream:
                raise bad_request("Stream options can only be defined when `stream=True`.")
            if self._conduct.behaviour.reject_stream_options:
                raise bad_request("[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), "
                                  "'msg': 'Extra inputs are not permitted'}]")  # fmt: skip
        return model

    def _model(self, name: str | None) -> ChatModel:
        if not name:
            return next(iter(self._models.values()))
        try:
            return self._models[name]
        except KeyError:
            raise unknown_model(name) from None

    def _plan(
        self,
        exchange: Exchange,
        request: Sampling,
        model: ChatModel,
        prompts: list[Prompt],
        wanted: int | None,
        kind: str,
    ) -> Job:
        """Decides the whole answer before the first byte of it is sent."""
        behaviour = self._conduct.behaviour
        choices = 1 if request.n is None else request.n
        if choices < 1:
            raise bad_request(f"n must be at least 1, got {choices}.", "n")
        if wanted is not None and wanted < 1:
            raise bad_request(f"max_tokens must be at least 1, got {wanted}.", "max_tokens")
        generations, prompt_tokens, cached = [], 0, 0
        for place, (prompt, tokens) in enumerate(prompts):
            room = model.max_model_len - len(tokens)
            if room <= 0:
                raise prompt_too_long(model.max_model_len, len(tokens))
            if wanted is not None and wanted > room:
                raise answer_too_long(model.max_model_len, len(tokens), wanted)
            prompt_tokens += len(tokens)
            if behaviour.prefix_cache:
                self._metrics[model.name].queried_tokens += len(tokens)
                cached += self._cache.look_up(tokens)
            natural, reasoning = behaviour.answer_tokens, behaviour.reasoning_tokens
            generations += [
                self._generator.generate(request, prompt, wanted or room, place * choices + choice, natural, reasoning)
                for choice in range(choices)
            ]
        given = exchange.header(b"x-request-id")
        identity = behaviour.engine_id or (given.decode("latin-1") if given else self._next_id())
        exchange.entry.engine_id = engine_id = f"{kind}-{identity}"
        return Job(engine_id, int(time.time()), model.name, request, generations, prompt_tokens, cached)

    async def _work(self, exchange: Exchange, job: Job, stream_frames: MakeFrames, whole: MakeAnswer) -> None:
        metrics = self._metrics[job.model]
        metrics.running += 1
        exchange.entry.finish_reason = job.generations[0].finish_reason
        try:
            if job.request.stream:
                await deliver_stream(exchange, job, self._conduct, stream_frames)
            else:
                await deliver_whole(exchange, job, self._conduct, whole)
        finally:
            metrics.running -= 1

    # -- the rest

    async def _list_models(self, exchange: Exchange) -> None:
        rows: list[dict[str, Any]] = [
            {"id": model.name, "object": "model", "created": self._started, "owned_by": "vllm", "root": model.name,
             "parent": None, "max_model_len": model.max_model_len, "permission": []}
            for model in self._models.values()
        ]  # fmt: skip
        await exchange.answer_json({"object": "list", "data": rows})

    async def _tokenize(self, exchange: Exchange) -> None:
        try:
            request = read_request(exchange, _TOKENIZE)
            model = self._model(request.model)
            if request.messages is not None:
                text = render_chat(request.messages, request.tools, request.add_generation_prompt)
            elif request.prompt is not None:
                text = request.prompt
            else:
                raise bad_request("[{'type': 'missing', 'loc': ('body', 'prompt'), 'msg': 'Field required'}]")
        except Refused as refused:
            await exchange.answer(refused.status, refused.body, JSON)
            return
        tokens = split_tokens(text)
        await exchange.answer_json({
            "count": len(tokens),
            "max_model_len": model.max_model_len,
            "tokens": [token_id(token) for token in tokens],
            "token_strs": tokens if request.return_token_strs else None,
        })  # fmt: skip

    async def _detokenize(self, exchange: Exchange) -> None:
        try:
            request = read_request(exchange, _DETOKENIZE)
            self._model(request.model)
        except Refused as refused:
            await exchange.answer(refused.status, refused.body, JSON)
            return
        await exchange.answer_json({"prompt": join_tokens(request.tokens)})

    async def _health(self, exchange: Exchange) -> None:
        await exchange.answer(200, b"", b"text/plain")

    async def _version(self, exchange: Exchange) -> None:
        await exchange.answer_json({"version": _VERSION, "simulated": True})

    async def _show_metrics(self, exchange: Exchange) -> None:
        page = render_metrics(self._metrics, self._counts, self._cache.share_used, self._started)
        await exchange.answer(200, page.encode(), CONTENT_TYPE)


def _prompts(prompt: Any) -> list[Prompt]:
    """A completion's ``prompt``, which is one text or token array, or a list of either; arrays count by their length."""
    single = isinstance(prompt, str) or (isinstance(prompt, list) and bool(prompt) and type(prompt[0]) is int)
    parts = [prompt] if single else prompt
    if not isinstance(parts, list) or not parts:
        raise bad_request("Either prompt or prompt_embeds must be provided and non-empty.", "prompt")
    return [_prompt(part) for part in parts]


def _prompt(part: Any) -> Prompt:
    if isinstance(part, str):
        return part, split_tokens(part)
    if isinstance(part, list) and all(type(token) is int for token in part):
        tokens = [token_text(token) for token in part]
        return "".join(tokens), tokens
    raise bad_request("prompt must be a text, a token array, or a list of either.", "prompt")
