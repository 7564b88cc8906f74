"""How do models look in the API: to administrators, and to people who choose one?"""

# ruff: noqa: RUF012 — pydantic copies defaults for each instance
from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from litemaas.control.catalog.drafts import MODEL_NAME
from litemaas.control.catalog.schemas import BigCapacity, Capacity, DeploymentIn, DeploymentOut, PriceIn
from litemaas.control.http.shapes import Body, Name, PageQuery
from litemaas.core.catalog import Health, Lifecycle, Mode
from litemaas.core.subscriptions import Status


class ModelType(StrEnum):
    """What a model is for, in people's words; ``mode`` says the same in the words of LiteLLM's clients."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    CONVERT = "convert"
    RERANK = "rerank"
    TRANSCRIPTION = "transcription"
    SPEECH = "speech"
    IMAGE = "image"
    MODERATION = "moderation"


class Capability(StrEnum):
    VISION = "vision"
    FUNCTION_CALLING = "function_calling"
    PARALLEL_FUNCTION_CALLING = "parallel_function_calling"
    TOOL_CHOICE = "tool_choice"
    TOKENIZE = "tokenize"
    STREAMING = "streaming"


TYPE_OF = {
    Mode.CHAT: ModelType.CHAT, Mode.COMPLETION: ModelType.CHAT, Mode.EMBEDDING: ModelType.EMBEDDINGS,
    Mode.CONVERSION: ModelType.CONVERT, Mode.RERANK: ModelType.RERANK, Mode.TRANSCRIPTION: ModelType.TRANSCRIPTION,
    Mode.SPEECH: ModelType.SPEECH, Mode.IMAGE: ModelType.IMAGE, Mode.MODERATION: ModelType.MODERATION,
}  # fmt: skip
MODE_OF = {kind: mode for mode, kind in TYPE_OF.items() if mode is not Mode.COMPLETION}

ModelName = Annotated[str, Field(min_length=1, max_length=255, pattern=MODEL_NAME)]
ModeField = Annotated[Mode, Field(strict=False)]
TypeField = Annotated[ModelType, Field(strict=False)]
Capabilities = Annotated[list[Annotated[Capability, Field(strict=False)]], Field(max_length=20)]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=50)]
Tokens = Annotated[int, Field(ge=1, le=2**31 - 1)]
Text = Annotated[str, Field(max_length=4096)]


class _ModelMembers(Body):
    """What can be said of a model when it is made, and later."""

    type: TypeField | None = None
    mode: ModeField | None = None
    display_name: Name | None = None
    description: Text = ""
    provider: Name | None = None
    tags: Tags = []
    capabilities: Capabilities = []
    context_length: Tokens | None = None
    max_output_tokens: Tokens | None = None
    pricing: PriceIn | None = None
    """For all of its deployments; each change makes new versions."""
    rpm_limit: Capacity | None = None
    tpm_limit: BigCapacity | None = None
    access_groups: list[Name] = []
    simulated: bool = False
    info: dict[str, Any] = {}

    @model_validator(mode="after")
    def _type_and_mode_agree(self) -> Self:
        if self.type is not None and self.mode is not None and TYPE_OF[self.mode] is not self.type:
            raise ValueError("type and mode say different things; one of them is enough")
        return self


class ModelIn(_ModelMembers):
    """Without ``status`` it is available as soon as it is complete: a type, a price (0 is one) and a deployment."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "granite-3-8b", "type": "chat", "display_name": "Granite 3.3 8B", "provider": "IBM",
                "description": "IBM Granite, 8 billion parameters", "capabilities": ["streaming", "function_calling"],
                "context_length": 131072, "pricing": {"input_per_million": 150000000, "output_per_million": 600000000},
                "deployments": [DeploymentIn.model_config["json_schema_extra"]["example"]],  # type: ignore[index]
            }
        }
    )  # fmt: skip

    name: ModelName
    status: Literal["draft", "available"] | None = None
    restricted_access: bool = False
    deployments: Annotated[list[DeploymentIn], Field(max_length=100)] = []


class ModelPatch(_ModelMembers):
    """Absent = unchanged. ``name`` can change until the model is used; access and life have calls of their own."""

    model_config = ConfigDict(json_schema_extra={"example": {"description": "for coding", "tags": ["code"]}})

    name: ModelName = ""


class Pricing(BaseModel):
    """Nano-units of the currency. ``varies``: deployments differ, and these are the highest."""

    UNITS: ClassVar[dict[str, str]] = {
        "input_per_million": "nano per million input tokens",
        "output_per_million": "nano per million output tokens",
        "cached_input_per_million": "nano per million cached input tokens",
        "cache_write_per_million": "nano per million input tokens written to a cache",
        "reasoning_per_million": "nano per million reasoning tokens",
        "page_per_million": "nano per million pages",
        "request_per_million": "nano per million requests",
        "second_per_million": "nano per million seconds of sound",
        "character_per_million": "nano per million characters that are spoken",
        "image_per_million": "nano per million images",
        "audio_input_per_million": "nano per million input tokens of sound",
        "audio_output_per_million": "nano per million output tokens of sound",
        "input_above_128k_per_million": "nano per million input tokens of a call with more than 128,000",
        "output_above_128k_per_million": "nano per million output tokens of such a call",
        "input_above_200k_per_million": "nano per million input tokens of a call with more than 200,000",
        "output_above_200k_per_million": "nano per million output tokens of such a call",
        "cached_input_above_200k_per_million": "nano per million cached input tokens of such a call",
        "cache_write_above_200k_per_million": "nano per million input tokens written to a cache by such a call",
    }

    input_per_million: int
    output_per_million: int
    cached_input_per_million: int | None
    cache_write_per_million: int | None
    reasoning_per_million: int | None
    page_per_million: int
    request_per_million: int
    second_per_million: int = 0
    character_per_million: int = 0
    image_per_million: int = 0
    audio_input_per_million: int | None = None
    audio_output_per_million: int | None = None
    input_above_128k_per_million: int | None = None
    output_above_128k_per_million: int | None = None
    input_above_200k_per_million: int | None = None
    output_above_200k_per_million: int | None = None
    cached_input_above_200k_per_million: int | None = None
    cache_write_above_200k_per_million: int | None = None
    varies: bool
    units: dict[str, str] = UNITS


class ModelReference(BaseModel):
    id: str
    name: str
    display_name: str | None


class OwnSubscription(BaseModel):
    """The asking person's own, not those of teams."""

    id: str
    status: Status


class ModelShown(BaseModel):
    """What everybody may know of a model."""

    id: str
    name: str
    display_name: str | None
    description: str
    provider: str | None
    tags: list[str]
    type: ModelType
    capabilities: list[Capability]
    context_length: int | None
    max_output_tokens: int | None
    pricing: Pricing | None
    """null: nobody has set a price."""
    restricted_access: bool
    status: Lifecycle
    health: Health
    retires_at: datetime | None
    successor: ModelReference | None
    simulated: bool
    """True when simulated servers stand behind it: the answers are made up."""
    created_at: datetime


class CatalogueEntry(ModelShown):
    """``needs_approval``: whether a new subscription of the asking person would wait for approval.

    ``latency_p50_ms``, ``ttft_p50_ms``: of the last 24 hours; null = no call to learn it from.
    """

    needs_approval: bool
    subscription: OwnSubscription | None
    latency_p50_ms: float | None
    ttft_p50_ms: float | None


class ModelOut(ModelShown):
    """What administrators know besides."""

    mode: Mode
    access_groups: list[str]
    info: dict[str, Any]
    rpm_limit: int | None
    tpm_limit: int | None
    deployments: list[DeploymentOut]
    status_changed_at: datetime
    updated_at: datetime


class ModelStats(BaseModel):
    """Of the last 24 hours, to the hour. Null = no call to learn it from."""

    model_id: str
    since: datetime
    requests: int
    successful_requests: int
    failed_requests: int
    availability: float | None
    """Per cent of calls that did not fail; those that clients broke off do not count."""
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None
    tokens_per_second: float | None
    """Output tokens of successful calls by their time."""


class Facets(BaseModel):
    """How many models have each value, of all that the asking person can see."""

    total: int
    type: dict[str, int]
    provider: dict[str, int]
    capability: dict[str, int]
    tag: dict[str, int]
    restricted: dict[str, int]
    status: dict[str, int]


class CatalogueQuery(PageQuery):
    """``search`` looks into names and descriptions; of ``tag`` and ``capability`` all that are named must be there."""

    search: Annotated[str, Field(max_length=256)] | None = None
    type: ModelType | None = None
    provider: str | None = None
    capability: list[Capability] = []
    tag: list[str] = []
    restricted: bool | None = None
    status: list[Literal["available", "deprecated", "retired"]] = ["available", "deprecated"]
    subscription: Status | Literal["none"] | None = None
    """The asking person's own status."""
    health: Health | None = None
    sort: Literal["name", "display_name", "provider", "created_at", "context_length", "price", "latency"] = "name"
    """``price``: a million tokens in and a million out together; ``latency``: half of the last day's calls took less."""
    order: Literal["asc", "desc"] = "asc"


class ModelFilters(BaseModel):
    """``name``: exactly that one; ``search`` looks into names and descriptions."""

    model_config = ConfigDict(extra="forbid")

    search: Annotated[str, Field(max_length=256)] | None = None
    name: str | None = None
    mode: Mode | None = None
    type: ModelType | None = None
    provider: str | None = None
    capability: list[Capability] = []
    tag: list[str] = []
    restricted: bool | None = None
    status: list[Lifecycle] = []


class ModelQuery(ModelFilters, PageQuery):
    sort: Literal["name", "display_name", "provider", "status", "created_at", "updated_at"] = "name"
    order: Literal["asc", "desc"] = "asc"


class ModelExport(ModelFilters):
    format: Literal["csv", "json"] = "csv"
