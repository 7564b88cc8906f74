"""How are the platform's pods? Read from the cluster that this server runs in, in its own namespace only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.resources.core_v1 import Pod

_MOST = 500


class PodStatus:
    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def close(self) -> None:
        await self._client.aclose()

    async def read(self) -> list[dict[str, Any]] | dict[str, str]:
        """``{error}`` where the cluster does not say."""
        found = self._client.list(Pod, labels={"app.kubernetes.io/part-of": "litemaas"}, chunk_size=_MOST)
        try:
            return [_shown(pod) async for pod in found]
        except ApiError as error:
            return {"error": f"the cluster refuses: status {error.status.code}"}
        except httpx2.HTTPError as error:
            return {"error": f"the cluster cannot be reached: {type(error).__name__}"}


def _shown(pod: Pod) -> dict[str, Any]:
    status, meta = pod.status, pod.metadata
    containers = (status.containerStatuses if status else None) or []
    began = meta.creationTimestamp if meta else None
    return {
        "name": meta.name if meta else None,
        "phase": status.phase if status else None,
        "ready": bool(containers) and all(one.ready for one in containers),
        "restarts": sum(one.restartCount for one in containers),
        "age_h": round((datetime.now(UTC) - began).total_seconds() / 3600, 1) if began is not None else None,
    }
