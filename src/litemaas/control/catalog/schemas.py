"""How do models, deployments and prices look in the API?"""

# ruff: noqa: RUF012 — pydantic copies defaults for each instance
from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from litemaas.control.http.shapes import Body, Name, Nano, PageQuery
from litemaas.core.catalog import Mode

ModeField = Annotated[Mode, Field(strict=False)]
Headers = Annotated[dict[str, str], Field(max_length=20)]


class PriceIn(Body):
    """Units: nano-USD per million tokens, pages or requests; null = charged like other tokens of its side."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"input_per_million": 150_000_000, "output_per_million": 600_000_000}}
    )

    input_per_million: Nano = 0
    output_per_million: Nano = 0
    cached_input_per_million: Nano | None = None
    cache_write_per_million: Nano | None = None
    reasoning_per_million: Nano | None = None
    page_per_million: Nano = 0
    request_per_million: Nano = 0


class PriceOut(BaseModel):
    version: int
    input_per_million: int
    output_per_million: int
    cached_input_per_million: int | None
    cache_write_per_million: int | None
    reasoning_per_million: int | None
    page_per_million: int
    request_per_million: int
    valid_from: datetime | None = None
    created_by: str | None = None


class DeploymentIn(Body):
    """``api_key`` and the values of ``extra_headers`` go in and never come out again."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "provider": "hosted_vllm",
                "engine_model": "ibm-granite/granite-3.3-8b-instruct",
                "api_base": "http://granite.models.svc:8000/v1",
                "price": {"input_per_million": 150_000_000, "output_per_million": 600_000_000},
            }
        }
    )

    provider: Name
    engine_model: Name
    api_base: Annotated[str, Field(max_length=2048)] = ""
    api_key: Annotated[str, Field(max_length=8192)] | None = None
    extra_headers: Headers = {}
    defaults: dict[str, Any] = {}
    weight: int = 1
    timeout_s: float | None = None
    stream_timeout_s: float | None = None
    tls_verify: bool = True
    tls_ca: Annotated[str, Field(max_length=262_144)] | None = None
    max_output_tokens: int | None = None
    max_context_tokens: int | None = None
    stream_usage: bool = True
    enabled: bool = True
    price: PriceIn = PriceIn()


class DeploymentPatch(Body):
    """Absent = unchanged. A ``price`` replaces the whole price and becomes a new version."""

    provider: Name = ""
    engine_model: Name = ""
    api_base: Annotated[str, Field(max_length=2048)] = ""
    api_key: Annotated[str, Field(max_length=8192)] | None = None
    extra_headers: Headers = {}
    defaults: dict[str, Any] = {}
    weight: int = 1
    timeout_s: float | None = None
    stream_timeout_s: float | None = None
    tls_verify: bool = True
    tls_ca: Annotated[str, Field(max_length=262_144)] | None = None
    max_output_tokens: int | None = None
    max_context_tokens: int | None = None
    stream_usage: bool = True
    enabled: bool = True
    price: PriceIn | None = None


class DeploymentOut(BaseModel):
    id: str
    model: str
    provider: str
    engine_model: str
    api_base: str
    has_api_key: bool
    extra_headers: list[str]
    """Only the names."""
    defaults: dict[str, Any]
    weight: int
    timeout_s: float | None
    stream_timeout_s: float | None
    tls_verify: bool
    tls_ca: str | None
    max_output_tokens: int | None
    max_context_tokens: int | None
    stream_usage: bool
    enabled: bool
    price: PriceOut
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class ModelIn(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {"name": "granite-3-8b", "mode": "chat", "description": "IBM Granite, 8 billion parameters"}
        }
    )

    name: Name
    mode: ModeField = Mode.CHAT
    description: Annotated[str, Field(max_length=4096)] = ""
    access_groups: list[Name] = []
    simulated: bool = False
    info: dict[str, Any] = {}
    deployments: Annotated[list[DeploymentIn], Field(max_length=100)] = []


class ModelPatch(Body):
    """Absent = unchanged."""

    mode: ModeField = Mode.CHAT
    description: Annotated[str, Field(max_length=4096)] = ""
    access_groups: list[Name] = []
    simulated: bool = False
    info: dict[str, Any] = {}


class ModelOut(BaseModel):
    name: str
    mode: Mode
    description: str
    access_groups: list[str]
    simulated: bool
    """True when simulated servers stand behind it: the answers are made up."""
    info: dict[str, Any]
    deployments: list[DeploymentOut]
    created_at: datetime
    updated_at: datetime


class ModelQuery(PageQuery):
    search: str | None = None
    mode: Mode | None = None
