"""What does ``--demo`` show? Simulated models with prices, and a key with a budget and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litemaas.cli.up.wanted import WantedDeployment, WantedModel

CHAT_MODEL = "granite-3.3-8b"
SERVERS = ("chat", "embeddings", "documents")
_MILLION_USD_CENTS = 10_000_000
"""One US cent in nano-USD; the prices below are per million tokens or pages."""
_CHAT_PRICE = {"input_per_million": 15 * _MILLION_USD_CENTS, "output_per_million": 60 * _MILLION_USD_CENTS}
_EMBEDDING_PRICE = {"input_per_million": 2 * _MILLION_USD_CENTS}
_PAGE_PRICE = {"page_per_million": 1_500 * 100 * _MILLION_USD_CENTS}  # 1.50 USD per thousand pages

KEY: Mapping[str, Any] = {
    "alias": "litemaas-demo",
    "metadata": {"made_by": "litemaas up --demo"},
    "max_budget_nano": 10 * 1_000_000_000,
    "budget_duration": "30d",
    "rpm_limit": 3_000,
    "tpm_limit": 2_000_000,
}
KEY_IN_WORDS = "10 USD per 30 days, 3,000 requests and 2,000,000 tokens per minute"

_MODELS = (
    (CHAT_MODEL, "chat", "chat", "hosted_vllm", "/v1", _CHAT_PRICE),
    ("qwen3-8b", "chat", "chat", "hosted_vllm", "/v1", _CHAT_PRICE),
    ("nomic-embed-text-v1.5", "embedding", "embeddings", "openai_like", "/v3", _EMBEDDING_PRICE),
    ("docling", "conversion", "documents", "docling", "", _PAGE_PRICE),
)
MODEL_NAMES = tuple(row[0] for row in _MODELS)


def wanted_models(urls: Mapping[str, str]) -> list[WantedModel]:
    """The demo's models. ``urls``: where each simulated server listens, without a path."""
    return [
        WantedModel(
            name,
            (WantedDeployment(provider, name, urls[server] + path, price),),
            mode=mode,
            description="Simulated: the answers are made up.",
            simulated=True,
        )
        for name, mode, server, provider, path, price in _MODELS
    ]
