"""How do deployments and prices look in the API?"""

# ruff: noqa: RUF012 — pydantic copies defaults for each instance
from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from litemaas.control.http.shapes import Body, Name, Nano
from litemaas.core.catalog import Health

Headers = Annotated[dict[str, str], Field(max_length=20)]
Capacity = Annotated[int, Field(ge=1, le=2**31 - 1)]
BigCapacity = Annotated[int, Field(ge=1, le=2**63 - 1)]


class PriceIn(Body):
    """Units: nano-USD per million tokens, pages, requests, seconds of sound that is transcribed, characters that are spoken, or
    images; null = charged like other tokens of its side, and long prompts like short ones.
    """

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
    second_per_million: Nano = 0
    character_per_million: Nano = 0
    image_per_million: Nano = 0
    audio_input_per_million: Nano | None = None
    audio_output_per_million: Nano | None = None
    input_above_128k_per_million: Nano | None = None
    output_above_128k_per_million: Nano | None = None
    input_above_200k_per_million: Nano | None = None
    output_above_200k_per_million: Nano | None = None
    cached_input_above_200k_per_million: Nano | None = None
    cache_write_above_200k_per_million: Nano | None = None


class PriceOut(BaseModel):
    version: int
    deployment_id: str | None = None
    input_per_million: int
    output_per_million: int
    cached_input_per_million: int | None
    cache_write_per_million: int | None
    reasoning_per_million: int | None
    page_per_million: int
    request_per_million: int
    second_per_million: int
    character_per_million: int
    image_per_million: int
    audio_input_per_million: int | None
    audio_output_per_million: int | None
    input_above_128k_per_million: int | None
    output_above_128k_per_million: int | None
    input_above_200k_per_million: int | None
    output_above_200k_per_million: int | None
    cached_input_above_200k_per_million: int | None
    cache_write_above_200k_per_million: int | None
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
    info: dict[str, Any] = {}
    rpm_limit: Capacity | None = None
    tpm_limit: BigCapacity | None = None
    max_parallel_requests: Capacity | None = None
    cooldown_s: Annotated[float, Field(ge=0, le=86_400)] | None = None
    price: PriceIn | None = None
    """Without it, the model's own price; 0 where it has none."""


class DeploymentPatch(Body):
    """Absent = unchanged. A ``price`` replaces the whole price and becomes a new version.

    A new ``api_base`` discards ``api_key`` and ``extra_headers`` unless they are sent along: they were meant for the old one.
    """

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
    info: dict[str, Any] = {}
    rpm_limit: Capacity | None = None
    tpm_limit: BigCapacity | None = None
    max_parallel_requests: Capacity | None = None
    cooldown_s: Annotated[float, Field(ge=0, le=86_400)] | None = None
    price: PriceIn | None = None


class DeploymentOut(BaseModel):
    id: str
    model: str
    provider: str
    engine_model: str
    api_base: str
    has_api_key: bool
    api_key_mark: str | None
    """Another one whenever a key is stored; it says nothing of the key."""
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
    info: dict[str, Any]
    """``discovery`` holds what the discovery of model servers wrote last, and what drifts."""
    rpm_limit: int | None
    tpm_limit: int | None
    max_parallel_requests: int | None
    cooldown_s: float | None
    health: Health
    """What the last check found; it takes no deployment out of the routing."""
    health_at: datetime | None
    health_detail: str | None
    price: PriceOut
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
