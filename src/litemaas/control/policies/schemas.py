"""How do access policies look in the API?"""

# ruff: noqa: RUF012 — pydantic copies defaults for each instance
from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from litemaas.control.http.shapes import Body, Name, PageQuery
from litemaas.core.entitlements import Block, Effect

Names = Annotated[list[Name], Field(max_length=1000)]
EffectField = Annotated[Effect, Field(strict=False)]


class PolicyIn(Body):
    """``models`` are names of models, ``tags`` mean all models that have one; ``everyone`` means every person and team."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "Code models for research", "effect": "allow", "tags": ["code"], "groups": ["research"]
            }
        }
    )  # fmt: skip

    name: Annotated[str, Field(min_length=1, max_length=255)]
    description: Annotated[str, Field(max_length=1000)] = ""
    effect: EffectField
    all_models: bool = False
    models: Names = []
    tags: Names = []
    everyone: bool = False
    groups: Names = []
    teams: Names = []
    users: Names = []

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if not (self.all_models or self.models or self.tags):
            raise ValueError("name models or tags, or set all_models")
        if not (self.everyone or self.groups or self.teams or self.users):
            raise ValueError("name groups, teams or users, or set everyone")
        return self


class PolicyPatch(Body):
    """Absent = unchanged."""

    name: Annotated[str, Field(min_length=1, max_length=255)] = ""
    description: Annotated[str, Field(max_length=1000)] = ""
    effect: EffectField = Effect.DENY
    all_models: bool = False
    models: Names = []
    tags: Names = []
    everyone: bool = False
    groups: Names = []
    teams: Names = []
    users: Names = []


class PolicyOut(BaseModel):
    id: str
    name: str
    description: str
    effect: Effect
    all_models: bool
    models: list[str]
    tags: list[str]
    everyone: bool
    groups: list[str]
    teams: list[str]
    users: list[str]
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class PolicyQuery(PageQuery):
    search: str | None = None
    effect: Effect | None = None


class PolicyReference(BaseModel):
    id: str
    name: str
    effect: Effect


class Evaluation(BaseModel):
    """``policy``: the one that decided; null: the model's own restriction did, or nothing."""

    permitted: bool
    needs_approval: bool
    blocked_by: Block | None
    policy: PolicyReference | None
    matching: list[PolicyReference]
    """All that cover the model and meet the payer."""
