"""How do calls and prompts of the playground look in the API?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from litemaas.control.http.shapes import Body, Name, PageQuery

KeyId = Annotated[str, Field(min_length=1, max_length=255)]
Text = Annotated[str, Field(max_length=100_000)]
Real = Annotated[float, Field(strict=False)]


class Message(Body):
    """``content``: a text, or parts as OpenAI's clients send them (texts and images)."""

    role: Literal["system", "user", "assistant"]
    content: Text | Annotated[list[dict[str, Any]], Field(max_length=20)]


Messages = Annotated[list[Message], Field(min_length=1, max_length=500)]


class Parameters(Body):
    temperature: Annotated[Real, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Real, Field(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    stop: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=4)] | None = None
    seed: int | None = None
    stream: bool = True


class ChatIn(Body):
    """The key is named by its id; its secret stays on the server."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "key_id": "6f1c1ae0-5f0a-4a8e-9a57-0d7c3f6a2b11", "model": "granite-3.3-8b",
                "messages": [{"role": "user", "content": "Hello!"}], "parameters": {"temperature": 0.7, "stream": True},
            }
        }
    )  # fmt: skip

    key_id: KeyId
    model: Name
    messages: Messages
    parameters: Parameters = Parameters()


class EstimateIn(Body):
    key_id: KeyId
    model: Name
    messages: Messages


class Estimate(BaseModel):
    """``prompt_tokens``: counted by the engine, null where it cannot count.

    ``remaining_nano``: of the key's budget, null = no budget.
    """

    prompt_tokens: int | None
    remaining_nano: int | None


class EmbedIn(Body):
    key_id: KeyId
    model: Name
    input: Annotated[list[Annotated[str, Field(min_length=1, max_length=20_000)]], Field(min_length=1, max_length=100)]


class ConvertIn(Body):
    key_id: KeyId
    model: Name
    url: Annotated[str, Field(min_length=8, max_length=2048)]


class PromptPatch(Body):
    """Absent = unchanged."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = ""
    category: Annotated[str, Field(max_length=100)] = ""
    system: Annotated[str, Field(max_length=20_000)] = ""
    text: Annotated[str, Field(max_length=20_000)] = ""
    parameters: Parameters | None = None


class PromptIn(PromptPatch):
    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "Five points", "system": "Summarise in five points.", "text": ""}}
    )

    name: Annotated[str, Field(min_length=1, max_length=100)]


class PromptOut(BaseModel):
    id: str
    name: str
    category: str
    system: str
    text: str
    parameters: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime


class PromptQuery(PageQuery):
    search: Annotated[str, Field(max_length=200)] | None = None
