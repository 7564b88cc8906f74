"""Which simulated servers run, where do they listen, and which models do they claim to have?"""

from __future__ import annotations

from msgspec import Struct

from litemaas.sim.behaviour import Behaviour


class ChatModel(Struct, frozen=True, forbid_unknown_fields=True):
    """A chat model that the vLLM-like server offers."""

    name: str
    max_model_len: int = 32_768


class EmbeddingModel(Struct, frozen=True, forbid_unknown_fields=True):
    """An embedding model that the OpenVINO-like server offers."""

    name: str
    dimensions: int = 768
    max_model_len: int = 8_192


class SimSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a simulation needs to start; a port of 0 lets the system choose, ``None`` leaves that server out."""

    host: str = "127.0.0.1"
    chat_port: int | None = 0
    embeddings_port: int | None = 0
    documents_port: int | None = 0
    chat_models: tuple[ChatModel, ...] = (ChatModel("granite-3.3-8b"), ChatModel("qwen3-8b"))
    embedding_models: tuple[EmbeddingModel, ...] = (EmbeddingModel("nomic-embed-text-v1.5"),)
    document_model: str = "docling"  # Docling Serve has no model names; this one labels its counters
    chat_api_key: str | None = None  # asked for as Authorization: Bearer, as vLLM's --api-key does
    embeddings_api_key: str | None = None
    documents_api_key: str | None = None  # asked for as X-Api-Key
    chat: Behaviour = Behaviour()
    embeddings: Behaviour = Behaviour()
    documents: Behaviour = Behaviour()
    bytes_per_page: int = 3_000
    keep_alive_s: int = 75  # vLLM closes an idle connection after 5 s; small values provoke that race on purpose
    kept_requests: int = 100
    kept_entries: int = 20_000
    drain_s: float = 2.0
