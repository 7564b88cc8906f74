"""How does discovery read and change the catalogue? By the control plane's API, with a service token; never by SQL.

Every change carries the ETag of what it is based on: an edit that happens in between is never overwritten.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2

_TIMEOUT_S = 5.0
_PAGE = 100
MEMORY = "discovery"
"""The member of ``info`` that says what discovery wrote last."""


class CatalogueChanged(Exception):
    """Somebody changed the model since it was read."""


class CatalogueUnavailable(Exception):
    """The control plane cannot be reached or cannot answer now."""


class CatalogueRefused(Exception):
    """The control plane refuses the change; the message is its own."""


class Seen(dict[str, Any]):
    """A model as administrators see it, and the ETag of that."""

    etag: str = ""


class Catalogue:
    def __init__(self, control_url: str, token: str) -> None:
        self._client = httpx2.AsyncClient(
            base_url=f"{control_url.rstrip('/')}/api/v1/admin/", timeout=_TIMEOUT_S, follow_redirects=False,
            headers={"Authorization": f"Bearer {token}", "User-Agent": "litemaas-discovery"}, trust_env=False,
        )  # fmt: skip

    async def close(self) -> None:
        await self._client.aclose()

    async def find(self, name: str) -> Seen | None:
        """The model of exactly that name. Errors: CatalogueUnavailable, CatalogueRefused."""
        found = (await self._call("GET", "models", params={"name": name})).json()["data"]
        return await self._seen(found[0]["id"]) if found else None

    async def every_model(self) -> AsyncIterator[dict[str, Any]]:
        page = 1
        while True:
            answer = (await self._call("GET", "models", params={"page": page, "limit": _PAGE})).json()
            for model in answer["data"]:
                yield model
            if page >= answer["pagination"]["total_pages"]:
                return
            page += 1

    async def create(self, body: dict[str, Any]) -> None:
        """Errors: CatalogueChanged when somebody else has just taken the name."""
        await self._call("POST", "models", json=body)

    async def change(self, model: Seen, body: dict[str, Any]) -> None:
        await self._call("PATCH", f"models/{model['id']}", json=body, headers={"If-Match": model.etag})

    async def change_deployment(self, model: Seen, deployment_id: str, body: dict[str, Any]) -> None:
        path = f"models/{model['id']}/endpoints/{deployment_id}"
        await self._call("PATCH", path, json=body, headers={"If-Match": model.etag})

    async def add_deployment(self, model: Seen, body: dict[str, Any]) -> None:
        await self._call("POST", f"models/{model['id']}/endpoints", json=body)

    async def publish(self, model: Seen) -> None:
        await self._call("POST", f"models/{model['id']}/publish")

    async def report(self, cluster: str, namespaces: tuple[str, ...], servers: dict[str, dict[str, Any]]) -> None:
        """Tells what became of each annotated server, by source."""
        body = {"namespaces": list(namespaces), "servers": servers}
        await self._call("PUT", f"discovery/{cluster}", json=body)

    async def _seen(self, model_id: str) -> Seen | None:
        try:
            answer = await self._call("GET", f"models/{model_id}")
        except CatalogueRefused:
            return None  # deleted between the two questions
        seen = Seen(answer.json())
        seen.etag = answer.headers["etag"]
        return seen

    async def _call(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        try:
            answer = await self._client.request(method, path, **arguments)
        except httpx2.HTTPError as error:
            raise CatalogueUnavailable(type(error).__name__) from None
        if answer.is_success:
            return answer
        if answer.status_code in (409, 412):
            raise CatalogueChanged(_reason(answer))
        if answer.status_code == 429 or answer.status_code >= 500:
            raise CatalogueUnavailable(f"status {answer.status_code}")
        raise CatalogueRefused(_reason(answer))


def _reason(answer: httpx2.Response) -> str:
    try:
        problem = answer.json()
        return f"{problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


def memory_of(thing: dict[str, Any]) -> dict[str, Any]:
    """What is remembered beside a model or a deployment; whatever somebody made of it, it has the right shape."""
    kept = (thing.get("info") or {}).get(MEMORY)
    return kept if isinstance(kept, dict) else {}
