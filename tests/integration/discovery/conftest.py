"""What does discovery run against in tests? A double of a cluster's API and a real control plane, both over real HTTP."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import yaml
from lightkube import AsyncClient, KubeConfig
from tests.deploy.api_server import ApiServer, serving
from tests.integration.control.conftest import ENCRYPTION_KEY, MASTER_KEY
from tests.integration.control.identity import served

from litemaas.control.app import Settings, create_app
from litemaas.discovery.app import create_app as create_discovery
from litemaas.discovery.settings import DiscoverySettings

KSERVE = ("serving.kserve.io/v1beta1", "inferenceservices")
NAMESPACE = "llm-hosting"
WITHIN_S = 30.0
Model = dict[str, Any]


@dataclass
class World:
    """A cluster, and the control plane that administrators use."""

    cluster: ApiServer
    kubeconfig: str
    url: str
    admin: httpx2.AsyncClient
    settings: dict[str, Any] = field(default_factory=dict)

    def server(
        self, name: str = "granite", *, ready: bool = True, address: str | None = None, **annotations: str
    ) -> None:
        """An InferenceService as KServe shows it; ``annotations`` without their prefix."""
        said = {f"litemaas.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
        address = address or f"http://{name}-predictor.{NAMESPACE}.svc.cluster.local"
        self.cluster.put(*KSERVE, {
            "apiVersion": KSERVE[0], "kind": "InferenceService",
            "metadata": {"name": name, "namespace": NAMESPACE,
                         "annotations": {"openshift.io/display-name": "Granite", **said}},
            "spec": {"predictor": {"model": {"modelFormat": {"name": "vLLM"}, "args": ["--max-model-len=32768"]}}},
            "status": {"address": {"url": address},
                       "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
        })  # fmt: skip

    def secret(self, value: str, name: str = "granite-key") -> None:
        data = {"api-key": base64.b64encode(value.encode()).decode()}
        self.cluster.put("v1", "secrets", {"apiVersion": "v1", "kind": "Secret", "data": data,
                                           "metadata": {"name": name, "namespace": NAMESPACE}})  # fmt: skip

    async def models(self) -> dict[str, Model]:
        answer = await self.admin.get("/api/v1/admin/models")
        return {model["name"]: model for model in answer.json()["data"]}

    async def until(self, holds: Callable[[dict[str, Model]], Any]) -> dict[str, Model]:
        """The catalogue, once something holds for it."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                models = await self.models()
                if holds(models):
                    return models
                await asyncio.sleep(0.02)

    async def edit(self, path: str, body: dict[str, Any]) -> None:
        answer = await self.admin.patch(f"/api/v1/admin/{path}", json=body)
        assert answer.is_success, answer.text

    @asynccontextmanager
    async def discovering(self, **settings: Any) -> AsyncIterator[Any]:
        made = DiscoverySettings(
            control_url=self.url, namespaces=NAMESPACE, lease_namespace=NAMESPACE, **(self.settings | settings)
        )
        client = AsyncClient(KubeConfig.from_dict(yaml.safe_load(self.kubeconfig)))
        app = create_discovery(made, client)
        async with app.router.lifespan_context(app):
            yield app


@pytest.fixture
def cluster() -> Iterator[tuple[ApiServer, str]]:
    with serving() as made:
        yield made


@pytest.fixture
async def world(cluster: tuple[ApiServer, str], database_url: str) -> AsyncIterator[World]:
    app = create_app(Settings(database_url=database_url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY))
    async with app.router.lifespan_context(app), served(app) as url:
        headers = {"Authorization": f"Bearer {MASTER_KEY}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False) as admin:
            body = {"name": "discovery", "permissions": ["admin:models:read", "admin:models:write"]}
            answer = await admin.post("/api/v1/admin/service-tokens", json=body)
            assert answer.status_code == 201, answer.text
            settings = {"token": answer.json()["secret"], "resync_s": 0.3, "lease_s": 2.0}
            yield World(*cluster, url, admin, settings)
