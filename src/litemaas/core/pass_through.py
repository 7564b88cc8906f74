"""What is a route of an installation's own? A path of the gateway that leads to a service that is no model of the catalogue.

To the rest of the gateway it looks like a model with one deployment that nobody can name: so it is held against budgets and
limits, priced, recorded and counted as every call is. Source: gateway-api contract 1.9.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

import msgspec

from litemaas.core.catalog import Deployment, Model
from litemaas.core.price_terms import Terms
from litemaas.core.pricing import Price

PROVIDER: Final = "pass_through"
"""Such a route's provider in records."""
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""What a route can be called with; also what it is where it names none."""
RESERVED: Final = frozenset({
    ".well-known", "access_group", "api", "audio", "audit", "batches", "budget", "cache", "chat", "completions",
    "config", "cost", "credentials", "customer", "detokenize", "docling", "docs", "email", "embeddings", "end_user",
    "engines", "fallback", "favicon.ico", "files", "global", "guardrails", "health", "images", "invitation", "jwt",
    "key", "mcp", "messages", "metrics", "model", "model_group", "models", "moderations", "openai", "openapi.json",
    "organization", "policies", "prompts", "public", "rerank", "responses", "router", "scim", "spend", "sso", "tag",
    "team", "tokenize", "user", "utils", "v1", "v1alpha", "v2", "vector_store", "vllm", "workshop",
})  # fmt: skip
"""First parts of paths that are the gateway's own, now or by its contract: no route can begin with one."""
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_MOST_CHARACTERS: Final = 256
_DECODINGS: Final = 3
"""How often a server could decode a path before it looks at it: once is right, some do it twice."""


class PassThrough(msgspec.Struct, frozen=True, kw_only=True):
    """``path``: at the gateway. ``target``: the URL that it stands for. ``headers``: sent along, in clear, only ever in memory.

    ``query``: parameters that are added where the client names them not. ``include_subpath``: what follows the path goes along.
    ``needs_key``: False = anybody may call it. ``price``: per request; the rest as of a deployment.
    """

    id: str
    path: str
    target: str
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    methods: tuple[str, ...] = METHODS
    include_subpath: bool = False
    needs_key: bool = True
    price: Price = Price()
    listed: Price | None = None
    terms: Terms | None = None

    def model(self) -> Model:
        """What stands for it on a call's way. It is tried once: whether a request may be repeated only its client knows."""
        deployment = Deployment(
            id=self.id, model=self.path, provider=PROVIDER, engine_model=self.path[1:], api_base=self.target,
            extra_headers=self.headers, price=self.price, listed=self.listed, terms=self.terms, stream_usage=False,
        )  # fmt: skip
        return Model(name=self.path, deployments=(deployment,), retries=0)


def check_path(path: str) -> None:
    """Errors: ValueError, with what is wrong about a route's path."""
    if len(path) > _MOST_CHARACTERS or _PATH.fullmatch(path) is None or {".", ".."} & set(path.split("/")):
        raise ValueError("path must be like /search/v2: letters, digits and . _ ~ - between slashes, none at its end")
    first = path.split("/")[1]
    if first.lower() in RESERVED:
        raise ValueError(f"path must not begin with /{first}, which is the gateway's own; take another beginning")


def is_plain(subpath: str) -> bool:
    """Whether the rest of a path stays below where it is added, however the target reads it.

    ``subpath``: as it was sent, with its escapes.
    """
    for _ in range(_DECODINGS):
        parts = subpath.replace("\\", "/").split("/")
        if any(part.partition(";")[0].strip() in (".", "..") for part in parts) or not subpath.isprintable():
            return False
        decoded = unquote(subpath, errors="replace")
        if decoded == subpath:
            return True
        subpath = decoded
    return False
