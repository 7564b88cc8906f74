"""How is the cluster asked? Lists, watches and single objects, through lightkube, with a time-out on everything."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.core.exceptions import ConfigError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.core_v1 import Secret

from litemaas.discovery.declared import SecretKey
from litemaas.kit.settings import SettingsError

KINDS = {
    "InferenceService": create_namespaced_resource(
        "serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices"
    ),
    "LLMInferenceService": create_namespaced_resource(
        "serving.kserve.io", "v1alpha1", "LLMInferenceService", "llminferenceservices"
    ),
}
_TIMEOUT_S = 10.0
WATCH_S = 20
"""A watch is begun anew so often, so that a connection that died silently is noticed."""
_SLACK_S = 10.0
Thing = dict[str, Any]


class ClusterUnavailable(Exception):
    """The cluster's API cannot be reached, or does not answer as it should."""


class KindUnknown(Exception):
    """The cluster does not have this kind."""


class WatchOutdated(Exception):
    """What happened since is no longer known: it must be listed again."""


def connect() -> AsyncClient:
    """By the pod's service account, else by ``KUBECONFIG``. Errors: SettingsError."""
    try:
        return AsyncClient(timeout=httpx2.Timeout(_TIMEOUT_S))
    except (ConfigError, OSError, KeyError, AttributeError) as error:
        raise SettingsError(f"no cluster is configured (KUBECONFIG): {type(error).__name__}") from None


class Cluster:
    def __init__(self, client: AsyncClient, namespaces: tuple[str, ...]) -> None:
        """``namespaces``: ``*`` = all."""
        self._client = client
        self.namespaces = namespaces

    async def list(self, kind: str, namespace: str) -> tuple[list[Thing], str]:
        """All objects, and the version up to which they are known. Errors: ClusterUnavailable, KindUnknown."""
        found = self._client.list(KINDS[kind], namespace=namespace, chunk_size=500)
        try:
            things = [_plain(kind, one) async for one in found]
        except ApiError as error:
            if error.status.code == 404:
                raise KindUnknown(kind) from None
            raise ClusterUnavailable(f"status {error.status.code}") from None
        except (httpx2.HTTPError, ValueError) as error:
            raise ClusterUnavailable(type(error).__name__) from None
        return things, found.resourceVersion

    async def watch(self, kind: str, namespace: str, since: str) -> AsyncIterator[tuple[str, Thing]]:
        """What happens after ``since``, until the connection is no good. Errors: ClusterUnavailable, WatchOutdated."""
        events = self._client.watch(
            KINDS[kind], namespace=namespace, resource_version=since, server_timeout=WATCH_S
        ).__aiter__()
        while True:
            try:
                async with asyncio.timeout(WATCH_S + _SLACK_S):
                    event, thing = await anext(events)
            except TimeoutError:
                # Nothing happened for a while: the client has begun the watch anew, or the line is dead. Listing tells.
                raise WatchOutdated from None
            except ApiError as error:
                raise (WatchOutdated if error.status.code == 410 else ClusterUnavailable)(
                    f"status {error.status.code}"
                ) from None
            except (httpx2.HTTPError, ValueError, StopAsyncIteration) as error:
                raise ClusterUnavailable(type(error).__name__) from None
            yield event, _plain(kind, thing)

    async def is_gone(self, kind: str, namespace: str, name: str) -> bool:
        """Whether the cluster itself says that this object is not there. Errors: ClusterUnavailable."""
        try:
            await self._client.get(KINDS[kind], name, namespace=namespace)
        except ApiError as error:
            if error.status.code == 404 and error.status.reason == "NotFound":
                return True
            raise ClusterUnavailable(f"status {error.status.code}") from None
        except (httpx2.HTTPError, ValueError) as error:
            raise ClusterUnavailable(type(error).__name__) from None
        return False

    async def secret(self, namespace: str, wanted: SecretKey) -> tuple[str, str] | None:
        """The credential and which version of it; None: it is not there, or may not be read. Errors: ClusterUnavailable."""
        try:
            found = await self._client.get(Secret, wanted.name, namespace=namespace)
        except ApiError as error:
            if error.status.code in (403, 404):
                return None
            raise ClusterUnavailable(f"status {error.status.code}") from None
        except (httpx2.HTTPError, ValueError) as error:
            raise ClusterUnavailable(type(error).__name__) from None
        encoded = (found.data or {}).get(wanted.key)
        if encoded is None:
            return None
        try:
            value = base64.b64decode(encoded, validate=True).decode().strip()
        except ValueError:
            return None
        version = found.metadata.resourceVersion if found.metadata else None
        return value, f"{wanted.name}/{wanted.key}@{version}"


def _plain(kind: str, thing: Any) -> Thing:
    """Items of a list do not say their kind."""
    return {**thing, "kind": kind, "metadata": dict(thing["metadata"])}
