"""How does a call reach a model server? One attempt after the other over the planned deployments, until an answer begins.

After the first byte of an answer nothing is tried again: the client may have seen it.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from enum import IntEnum
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from litemaas.core.errors import UpstreamFailure, UpstreamRefused, UpstreamUnreachable
from litemaas.gateway.bodies import NOT_JSON, encode
from litemaas.gateway.http.client import Origin, Pool, UpstreamConnection
from litemaas.gateway.records import served_text
from litemaas.gateway.replies import Counted, ErrorBody
from litemaas.gateway.running import price_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litemaas.core.catalog import Deployment
    from litemaas.gateway.call import Ask, Call
    from litemaas.gateway.endpoints.base import Endpoint
    from litemaas.gateway.settings import UpstreamSettings
    from litemaas.gateway.settlement import Settlement

_ERROR_BYTES = 1024 * 1024
_VLLM_LIKE = frozenset({"openai", "openai_like", "hosted_vllm", "vllm"})
_MANAGED_HOSTS = ("openai.com", "azure.com", "openrouter.ai", "groq.com", "mistral.ai", "deepseek.com")
_PROBE_TIMEOUT_S = 3.0
_CONTEXT_EXCEEDED = re.compile(
    r"maximum context length is (\d{1,9}) tokens.{0,40}?(?:requested (\d{1,9}) tokens|has (\d{1,9}) input tokens)"
)
"""vLLM's and OpenAI's words, older and newer, for a prompt and an output bound that do not fit together (2026-11)."""
_NO_SUCH_ENDPOINT = frozenset({404, 405, 501})
_NO_TOKENIZER_S = 600.0
_TOKENIZER_AWAY_S = 10.0
_CREDENTIAL_REFUSED = frozenset({401, 403})
_SECRET = 6
"""Characters from which on a credential or an own header is hidden; less would blot out ordinary words."""
_MAX_WORDS = 2048


class StreamUsage(IntEnum):
    """How much usage a deployment reports within a stream: in every chunk (vLLM), in the last one (OpenAI), or not at all."""

    NONE = 0
    FINAL = 1
    CONTINUOUS = 2


class Target:
    """A deployment in use: where to connect, and the texts of heads, answers and records that it always has.

    ``lines``: header lines that name it to clients. ``served``: its columns in the journal. ``engine_model``: its
    own name for the model, as JSON. ``price``: as running calls note it.
    """

    __slots__ = (
        "_fixed",
        "_heads",
        "_secrets",
        "deployment",
        "engine_model",
        "lines",
        "no_tokenizer_until",
        "origin",
        "price",
        "served",
        "stream_usage",
        "timeout_s",
    )

    def __init__(self, deployment: Deployment, timeout_s: float) -> None:
        url = urlsplit(deployment.api_base)
        secure = url.scheme == "https"
        self.deployment = deployment
        self.origin = Origin(
            url.hostname or "", url.port or (443 if secure else 80), deployment.tls if secure else None
        )
        self.no_tokenizer_until = 0.0
        self.timeout_s = deployment.timeout_s or timeout_s
        self.engine_model = encode(deployment.engine_model)
        self.price = price_text(deployment.price)
        self.stream_usage = _expected_stream_usage(deployment, self.origin.host)
        base = deployment.api_base.partition("?")[0]
        self.served = served_text(
            deployment.id, deployment.provider, deployment.engine_model, base, deployment.price.version
        )
        self.lines = (
            f"x-litellm-model-id: {deployment.id}\r\nx-litellm-model-api-base: {base}\r\n"
            f"x-litellm-model-group: {deployment.model}\r\n"
        )
        self._heads: dict[tuple[Endpoint, bytes], bytes] = {}
        lines = [b"host: " + url.netloc.rpartition("@")[2].encode("ascii")]
        if deployment.api_key:
            scheme = b"x-api-key: %b" if deployment.provider == "docling" else b"authorization: Bearer %b"
            lines.append(scheme % deployment.api_key.encode("latin-1"))
        lines += [f"{name}: {value}".encode("latin-1") for name, value in deployment.extra_headers.items()]
        self._fixed = b"\r\n".join(lines)
        self._secrets = [s for s in (deployment.api_key, *deployment.extra_headers.values()) if s and len(s) >= _SECRET]

    def without_secrets(self, words: str) -> str:
        """The engine's words as a client may read them: without what we authenticate with."""
        for secret in self._secrets:
            words = words.replace(secret, "****")
        return words

    def head(self, endpoint: Endpoint, content_type: bytes) -> bytes:
        """Everything of a POST's header block but ``content-length`` and what belongs to one call."""
        head = self._heads.get((endpoint, content_type))
        if head is None:
            head = self.head_for(endpoint.path(self.deployment), content_type)
            if not content_type.startswith(b"multipart"):  # each multipart body has a boundary of its own
                self._heads[endpoint, content_type] = head
        return head

    def get(self, path: str) -> bytes:
        """A whole GET request."""
        return b"GET %b HTTP/1.1\r\n%b\r\naccept: */*\r\n\r\n" % (path.encode(), self._fixed)

    def head_for(self, path: str, content_type: bytes) -> bytes:
        return b"POST %b HTTP/1.1\r\n%b\r\naccept: */*\r\ncontent-type: %b\r\n" % (
            path.encode(),
            self._fixed,
            content_type,
        )


def _expected_stream_usage(deployment: Deployment, host: str) -> StreamUsage:
    if not deployment.stream_usage:
        return StreamUsage.NONE
    if deployment.provider in _VLLM_LIKE and not host.endswith(_MANAGED_HOSTS):
        return StreamUsage.CONTINUOUS
    return StreamUsage.FINAL


class Upstream:
    """Opens calls on model servers over pooled connections."""

    def __init__(self, pool: Pool, settlement: Settlement, settings: UpstreamSettings) -> None:
        self._pool = pool
        self._settlement = settlement
        self._settings = settings
        self._targets: dict[str, Target] = {}

    def target(self, deployment: Deployment) -> Target:
        target = self._targets.get(deployment.id)
        if target is None or target.deployment is not deployment:
            target = self._targets[deployment.id] = Target(deployment, self._settings.timeout_s)
        return target

    async def open(
        self, call: Call, ask: Ask, deployments: tuple[Deployment, ...]
    ) -> tuple[Target, UpstreamConnection]:
        """The beginning of a good answer from the first deployment that gives one; the caller releases the connection.

        Errors: UpstreamFailure, the first one that was met.
        """
        first: UpstreamFailure | None = None
        for deployment in deployments:
            call.target = target = self.target(deployment)
            call.attempts += 1
            self._settlement.begin(call, target)
            try:
                connection = await self._pool.open(target.origin, _message(call, ask, target), target.timeout_s)
                if connection.status >= 400:
                    connection = await self._open_otherwise(connection, call, ask, target)
            except UpstreamRefused as refused:
                first = first or refused
                if refused.status < 500 and refused.status != 429:
                    break  # the request itself is at fault; no other deployment would take it
            except UpstreamFailure as failure:
                first = first or failure
            else:
                return target, connection
        raise first or UpstreamUnreachable("the model has no deployment")

    async def _open_otherwise(
        self, connection: UpstreamConnection, call: Call, ask: Ask, target: Target
    ) -> UpstreamConnection:
        """The call once more, without what the engine did not like of ours.

        Errors: UpstreamRefused when it is the client's own request that it does not take; UpstreamFailure.
        """
        while True:
            stream_usage = target.stream_usage
            refused = await self._refusal(connection, target)
            fitting = _bound_that_fits(refused, call, ask)
            if fitting is not None:
                call.output_limit = fitting
            elif ask.stream and _refuses_stream_options(refused, stream_usage):
                target.stream_usage = StreamUsage(min(target.stream_usage, stream_usage - 1))
            else:
                raise refused
            connection = await self._pool.open(target.origin, _message(call, ask, target), target.timeout_s)
            if connection.status < 400:
                return connection

    async def _refusal(self, connection: UpstreamConnection, target: Target) -> UpstreamRefused:
        with releasing(connection):
            body = await connection.read(_ERROR_BYTES)
        retry_after = next((v.decode("latin-1") for n, v in connection.headers if n == b"retry-after"), None)
        message, code = _error_text(body)
        if connection.status in _CREDENTIAL_REFUSED:
            message = "the model server refused the gateway's own credential; the administrator has to mend the model"
        return UpstreamRefused(target.without_secrets(message)[:_MAX_WORDS], connection.status, retry_after, code)

    async def probe(self, deployment: Deployment) -> str | None:
        """Asks the engine for its list of models, which costs nothing; None when it answers, else what is wrong."""
        target = self.target(deployment)
        path = (
            "/health"
            if deployment.provider == "docling"
            else urlsplit(deployment.api_base).path.rstrip("/") + "/models"
        )
        try:
            connection = await self._pool.open(target.origin, target.get(path), _PROBE_TIMEOUT_S)
            with releasing(connection):
                await connection.read(self._settings.max_reply_bytes)
        except UpstreamFailure as failure:
            return failure.message
        return None if connection.status < 400 else f"the model server answered with status {connection.status}"

    async def count_prompt(self, deployment: Deployment, body: bytes) -> int | None:
        """Asks the engine's tokenizer; None when it has none or does not answer in time.

        Units: tokens.
        """
        target = self.target(deployment)
        if monotonic() < target.no_tokenizer_until:
            return None
        message = (
            target.head_for(tokenize_path(deployment), b"application/json")
            + b"content-length: %d\r\n\r\n" % len(body)
            + body
        )
        try:
            connection = await self._pool.open(target.origin, message, self._settings.tokenize_timeout_s)
            with releasing(connection):
                reply = await connection.read(self._settings.max_reply_bytes)
            if connection.status in _NO_SUCH_ENDPOINT:  # any other status speaks of this prompt, not of the engine
                target.no_tokenizer_until = monotonic() + _NO_TOKENIZER_S
            return msgspec.json.decode(reply, type=Counted).count if connection.status == 200 else None
        except (UpstreamFailure, *NOT_JSON):
            target.no_tokenizer_until = monotonic() + _TOKENIZER_AWAY_S
            return None


@contextmanager
def releasing(connection: UpstreamConnection) -> Iterator[None]:
    """Gives the connection back when the block is left, however it is left."""
    try:
        yield
    finally:
        connection.release()


def tokenize_path(deployment: Deployment) -> str:
    path = urlsplit(deployment.api_base).path.rstrip("/")
    return (path[:-3] if path.endswith(("/v1", "/v3")) else path) + "/tokenize"


def _message(call: Call, ask: Ask, target: Target) -> bytes:
    """The whole request."""
    payload = call.endpoint.payload(call, ask, target)
    return b"%b%bcontent-length: %d\r\n\r\n%b" % (
        target.head(call.endpoint, ask.content_type), trace_lines(call), len(payload), payload,
    )  # fmt: skip


def trace_lines(call: Call) -> bytes:
    """The caller's trace context goes along; nothing else of its header block does."""
    headers = call.request.headers
    parent = headers.get(b"traceparent")
    if parent is None:
        return b""
    state = headers.get(b"tracestate")
    return b"traceparent: %b\r\n" % parent + (b"tracestate: %b\r\n" % state if state is not None else b"")


def _bound_that_fits(refused: UpstreamRefused, call: Call, ask: Ask) -> int | None:
    """A smaller output bound, where ours was too large for the engine's context and the client had named none."""
    if call.output_limit is None or ask.output_bound is not None or refused.status != 400:
        return None
    told = _CONTEXT_EXCEEDED.search(refused.message)
    if told is None:
        return None
    prompt = int(told[3]) if told[3] else int(told[2]) - call.output_limit
    fitting = int(told[1]) - prompt
    return fitting if 0 < fitting < call.output_limit else None


def _refuses_stream_options(refused: UpstreamRefused, stream_usage: StreamUsage) -> bool:
    return (
        stream_usage is not StreamUsage.NONE
        and refused.status in (400, 422)
        and any(word in refused.message for word in ("stream_options", "continuous_usage_stats", "include_usage"))
    )


def _error_text(body: bytes) -> tuple[str, str | None]:
    """The engine's own words, and its error code where it has one."""
    try:
        parsed = msgspec.json.decode(body, type=ErrorBody)
    except NOT_JSON:
        return body.decode("utf-8", "replace").strip() or "the model server gave no reason", None
    code = None
    text: object = parsed.error
    if isinstance(text, dict):
        raw_code = text.get("code")
        code = raw_code if isinstance(raw_code, str) else None
        text = text.get("message")
    text = text or parsed.message or parsed.detail
    if not isinstance(text, str):
        text = msgspec.json.encode(text).decode() if text else "the model server gave no reason"
    return text, code
