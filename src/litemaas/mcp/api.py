"""How do tools ask the control plane? With the token of whoever called the tool, so that permissions and audit are theirs."""

from __future__ import annotations

from typing import Any

import httpx2

_TIMEOUT_S = 20.0
_PAGE = 100


class ApiRefused(Exception):
    """The control plane does not do that; the message is for people."""


class Api:
    """One client for all callers; a token goes with each call and is kept nowhere."""

    def __init__(self, control_url: str) -> None:
        self._client = httpx2.AsyncClient(
            base_url=control_url.rstrip("/"), timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False,
            headers={"User-Agent": "litemaas-mcp"},
        )  # fmt: skip

    async def close(self) -> None:
        await self._client.aclose()

    async def knows(self, token: str) -> bool:
        """Whether the control plane takes this token. Errors: ApiRefused when it cannot say."""
        try:
            answer = await self._client.get("/api/v1/me/permissions", headers=_bearer(token))
        except httpx2.HTTPError:
            raise ApiRefused("The control plane cannot be reached.") from None
        if answer.status_code >= 500 or answer.status_code == 429:
            raise ApiRefused("The control plane cannot answer now. Try again in a moment.")
        return answer.is_success

    async def is_ready(self) -> tuple[bool, bool]:
        """Whether the control plane answers, and whether it has its database."""
        try:
            live = (await self._client.get("/health/live", timeout=3)).is_success
            return live, (await self._client.get("/health/ready", timeout=5)).is_success
        except httpx2.HTTPError:
            return False, False

    async def get(self, token: str, path: str, **query: Any) -> Any:
        """Errors: ApiRefused."""
        named = {name: value for name, value in query.items() if value is not None}
        return await self._call("GET", token, path, params=named)

    async def patch(self, token: str, path: str, body: dict[str, Any]) -> Any:
        """Errors: ApiRefused."""
        return await self._call("PATCH", token, path, json=body)

    async def pages(self, token: str, path: str, most: int, **query: Any) -> list[Any]:
        """At most ``most`` of a list. Errors: ApiRefused."""
        found: list[Any] = []
        page = 1
        while len(found) < most:
            answer = await self.get(token, path, page=page, limit=min(_PAGE, most), **query)
            found += answer["data"]
            if page >= answer["pagination"]["total_pages"]:
                break
            page += 1
        return found[:most]

    async def _call(self, method: str, token: str, path: str, **arguments: Any) -> Any:
        try:
            answer = await self._client.request(method, f"/api/v1{path}", headers=_bearer(token), **arguments)
        except httpx2.HTTPError:
            raise ApiRefused("The control plane cannot be reached.") from None
        if answer.is_success:
            return answer.json()
        try:
            problem = answer.json()
            reason = f"{problem['code']}: {problem['detail']}"
        except (ValueError, KeyError, TypeError):
            reason = f"the control plane answered with status {answer.status_code}"
        raise ApiRefused(reason)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
