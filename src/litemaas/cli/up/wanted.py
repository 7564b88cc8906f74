"""What shall stand in the catalogue when the platform is ready?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class WantedDeployment:
    """Units of ``price``: nano-USD per million tokens, pages or requests"""

    provider: str
    engine_model: str
    api_base: str
    price: Mapping[str, int] = field(default_factory=dict)

    def serves(self, deployment: Mapping[str, Any]) -> bool:
        return bool((self.engine_model, self.api_base) == (deployment["engine_model"], deployment["api_base"]))

    @property
    def place(self) -> dict[str, Any]:
        return {"provider": self.provider, "engine_model": self.engine_model, "api_base": self.api_base}


@dataclass(frozen=True)
class WantedModel:
    name: str
    deployments: tuple[WantedDeployment, ...]
    mode: str = "chat"
    description: str = ""
    simulated: bool = False
