"""What is always the same about calls to one deployment? Where to connect, and the texts of heads, answers and records."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from litemaas.core.limits import RateRule
from litemaas.core.pass_through import PROVIDER as PASS_THROUGH
from litemaas.gateway.bodies import encode
from litemaas.gateway.cooling import Condition
from litemaas.gateway.http.answers import Origin
from litemaas.gateway.measured import AnswerReader
from litemaas.gateway.providers.dialects import AnthropicDialect, credential_lines, dialect_of
from litemaas.gateway.records import served_text
from litemaas.gateway.renaming import EngineName
from litemaas.gateway.running import price_text

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment, Snapshot
    from litemaas.core.failure_policies import Policy
    from litemaas.gateway.endpoints.base import Endpoint
    from litemaas.gateway.ratelimits import Counted, RateLimiter
    from litemaas.gateway.settings import RoutingSettings

_VLLM_LIKE = frozenset({"openai", "openai_like", "hosted_vllm", "vllm"})
_MANAGED_HOSTS = ("openai.com", "azure.com", "openrouter.ai", "groq.com", "mistral.ai", "deepseek.com")
_SECRET = 6
"""Characters from which on a credential or an own header is hidden; less would blot out ordinary words."""
_MAX_TARGETS = 10_000


class StreamUsage(IntEnum):
    """How much usage a deployment reports within a stream: in every chunk (vLLM), in the last one (OpenAI), or not at all."""

    NONE = 0
    FINAL = 1
    CONTINUOUS = 2


class Target:
    """A deployment in use: where to connect, and the texts of heads, answers and records that it always has.

    ``lines``: header lines that name it to clients. ``served``: its columns in the journal. ``engine_model``: its
    own name for the model, as JSON; ``name``: how its answers get another. ``answers``: reads them. ``price``: as running calls
    note it; ``terms``: what leads to it from the catalogue's, None = nothing. ``condition``: how it is doing. ``rule``: its own
    limits, None = none. ``budgets``: its own and its provider's. ``dialect``: None = it speaks chat completions.
    ``is_clients``: a client has said where it is, or with which credential. ``is_pass_through``: that of a route of one's own.
    ``room``: tokens that a prompt may have, where that is checked.
    """

    __slots__ = (
        "_counters", "_fixed", "_heads", "_secrets", "answers", "budgets", "condition", "deployment", "dialect", "engine_model",
        "is_clients", "is_pass_through", "lines", "name", "no_tokenizer_until", "origin", "price", "room", "rule", "served",
        "stream_usage", "terms", "timeout_s",
    )  # fmt: skip

    def __init__(
        self, deployment: Deployment, timeout_s: float, condition: Condition, *, limits_rates: bool = True,
        checks_prompts: bool = False, is_clients: bool = False,
    ) -> None:  # fmt: skip
        self.room = deployment.max_context_tokens if checks_prompts else None
        self.condition = condition
        rule = RateRule(
            f"deployment:{deployment.id}", "deployment", deployment.rpm if limits_rates else None,
            deployment.tpm if limits_rates else None, deployment.parallel,
        )  # fmt: skip
        self.rule: RateRule | None = None if rule.is_empty else rule
        self.budgets = deployment.budgets
        self._counters: list[Counted] = []
        url = urlsplit(deployment.api_base)
        secure = url.scheme == "https"
        self.deployment = deployment
        self.dialect: AnthropicDialect | None = dialect_of(deployment)
        self.origin = Origin(
            url.hostname or "", url.port or (443 if secure else 80), deployment.tls if secure else None
        )
        self.no_tokenizer_until = 0.0
        self.timeout_s = deployment.timeout_s or timeout_s
        self.engine_model = encode(deployment.engine_model)
        self.name = EngineName(self.engine_model)
        self.answers = AnswerReader()
        self.price = price_text(deployment.price)
        self.terms = deployment.terms
        self.stream_usage = _expected_stream_usage(deployment, self.origin.host)
        self.is_pass_through = deployment.provider == PASS_THROUGH
        base = deployment.api_base.partition("?")[0]
        if self.is_pass_through:  # the path of a webhook is its secret
            base = f"{url.scheme}://{url.netloc}"
        elif is_clients:
            base = ""
        self.served = served_text(
            deployment.id, deployment.provider, deployment.engine_model, base, deployment.price.version
        )
        self.lines = (
            f"x-litellm-model-id: {deployment.id}\r\nx-litellm-model-api-base: {base}\r\n"
            f"x-litellm-model-group: {deployment.model}\r\n"
        )
        if self.is_pass_through or is_clients:
            self.lines = f"x-litellm-model-id: {deployment.id}\r\n"
        self.is_clients = is_clients
        self._heads: dict[tuple[Endpoint, bytes], bytes] = {}
        lines = [b"host: " + url.netloc.rpartition("@")[2].encode("ascii")]
        lines += credential_lines(deployment)
        lines += [f"{name}: {value}".encode("latin-1") for name, value in deployment.extra_headers.items()]
        self._fixed = b"\r\n".join(lines)
        self._secrets = [s for s in (deployment.api_key, *deployment.extra_headers.values()) if s and len(s) >= _SECRET]

    @property
    def is_plain(self) -> bool:
        """Whether nothing has to be looked at before a call goes there."""
        return self.rule is None and not self.budgets and self.room is None

    def rate_counters(self, limiter: RateLimiter) -> list[Counted]:
        """The counter of ``rule``."""
        counters = self._counters
        if self.rule is not None and (not counters or counters[0][1].forgotten):
            counters = self._counters = limiter.counters([self.rule])
        return counters

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

    def head_of(self, method: str, path: str) -> bytes:
        """The beginning of a header block: its request line, host, credential and own headers."""
        return b"%b %b HTTP/1.1\r\n%b\r\n" % (method.encode(), path.encode("latin-1"), self._fixed)

    def get(self, path: str) -> bytes:
        """A whole GET request."""
        return self.asking("GET", path)

    def asking(self, method: str, path: str) -> bytes:
        """A whole request without a body."""
        return b"%b %b HTTP/1.1\r\n%b\r\naccept: */*\r\n\r\n" % (method.encode(), path.encode(), self._fixed)

    def posting(self, path: str) -> bytes:
        """A whole POST request of an empty object."""
        return self.head_for(path, b"application/json") + b"content-length: 2\r\n\r\n{}"

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


class Targets:
    """The deployments in use, and how each is doing. The latter outlives changes of the catalogue.

    ``borne``: failures that are forgiven, by kind.
    """

    def __init__(self, timeout_s: float, settings: RoutingSettings, borne: Policy | None = None) -> None:
        self._timeout_s = timeout_s
        self._borne = borne
        self._settings = settings
        self._targets: dict[tuple[str, str], Target] = {}
        self.conditions: dict[str, Condition] = {}

    def of(self, deployment: Deployment) -> Target:
        at = deployment.id, deployment.engine_model  # behind a wildcard, the engine's name differs from call to call
        target = self._targets.get(at)
        if target is None or target.deployment is not deployment:
            if len(self._targets) >= _MAX_TARGETS:
                self._targets.clear()
            target = self._targets[at] = Target(
                deployment, self._timeout_s, self.condition_of(deployment),
                limits_rates=self._settings.enforce_model_rate_limits, checks_prompts=self._settings.check_prompts,
            )  # fmt: skip
        return target

    def condition_of(self, deployment: Deployment) -> Condition:
        condition = self.conditions.get(deployment.id)
        if condition is None:
            condition = self.conditions[deployment.id] = Condition(deployment, self._settings, self._borne)
        return condition

    def adopt(self, snapshot: Snapshot) -> None:
        """A new catalogue: what is not in it any more is forgotten."""
        there = {d.id for model in snapshot.models.values() for d in model.deployments}
        there |= {route.id for route in snapshot.pass_through}
        for model in snapshot.models.values():
            for deployment in model.deployments:
                condition = self.condition_of(deployment)
                condition.describe(deployment)
                condition.is_alone = len(model.deployments) == 1
        for deployment_id in self.conditions.keys() - there:
            del self.conditions[deployment_id]
        self._targets = {at: target for at, target in self._targets.items() if at[0] in there}
