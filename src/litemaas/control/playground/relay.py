"""How does a call of the playground reach the gateway? As the key's own call; the answer is handed on as it comes.

The gateway is told where it comes from, sealed with what only the planes know: the request log tells it apart.

Fails: a gateway that is away or refuses becomes a problem of this plane. Who hangs up ends the call at the gateway.
"""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import httpx2
import msgspec
from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from litemaas.core.errors import ClientGone, ServiceUnavailable
from litemaas.core.keys import hash_key
from litemaas.core.sources import HEADER, Source, seal_purpose
from litemaas.kit.crypto import Vault

_CONNECT_S = 5.0
_FIRST_BYTE_S = 300.0
_LOOK_EVERY_S = 0.5
_MAX_ERROR = 65_536
_PASSED = ("content-type", "retry-after")


class Relay:
    """One pool of connections to the gateway. ``url``: None = this plane does not know where the gateway is."""

    def __init__(self, url: str | None, vault: Vault) -> None:
        self._vault = vault
        self._url = url.rstrip("/") if url else None
        timeout = httpx2.Timeout(_FIRST_BYTE_S, connect=_CONNECT_S)
        self._client = httpx2.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def hand_on(self, request: Request, path: str, secret: str, body: Mapping[str, Any]) -> Response:
        """The gateway's answer, piece by piece. Errors: ServiceUnavailable, ClientGone."""
        answer = await self._while_listening(request, self._open(path, secret, body, request.state.request_id))
        if answer.status_code >= 400:
            return await _as_problem(answer, request.state.request_id)
        headers = {name: value for name in _PASSED if (value := answer.headers.get(name))}
        headers["Cache-Control"] = "no-store"
        headers["X-Accel-Buffering"] = "no"  # nginx in front sends each piece at once
        return StreamingResponse(_pieces(answer), answer.status_code, headers=headers)

    async def ask(self, path: str, secret: str, body: Mapping[str, Any]) -> Any:
        """A small JSON answer, or None when there is none to be had."""
        try:
            answer = await self._open(path, secret, body, None)
            try:
                content = await answer.aread()
            finally:
                await answer.aclose()
            return msgspec.json.decode(content) if answer.status_code == 200 else None
        except (ServiceUnavailable, httpx2.HTTPError, msgspec.DecodeError):
            return None

    async def complaint(self, path: str, secret: str, body: Mapping[str, Any], request_id: str) -> str | None:
        """None when the gateway answers the call; else why not, in its words."""
        try:
            answer = await self._open(path, secret, body, request_id)
        except ServiceUnavailable as error:
            return error.message
        if answer.status_code >= 400:
            problem = msgspec.json.decode((await _as_problem(answer, request_id)).body)
            return str(problem["detail"])
        try:
            await answer.aread()
        except httpx2.HTTPError:
            return "The answer was cut off."
        finally:
            await answer.aclose()
        return None

    async def _open(self, path: str, secret: str, body: Mapping[str, Any], request_id: str | None) -> httpx2.Response:
        if self._url is None:
            raise ServiceUnavailable(
                "This control plane does not know where the gateway is (LITEMAAS_GATEWAY_PUBLIC_URL)."
            )
        headers = {
            "Authorization": f"Bearer {secret}",
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            HEADER: urlsafe_b64encode(self._vault.seal(Source.PLAYGROUND, seal_purpose(hash_key(secret)))).decode(),
        }
        if request_id is not None:
            headers["X-Request-Id"] = request_id
        call = self._client.build_request("POST", self._url + path, content=json.dumps(body), headers=headers)
        try:
            return await self._client.send(call, stream=True)
        except httpx2.HTTPError:
            raise ServiceUnavailable("The gateway cannot be reached. Try again in a moment.") from None

    async def _while_listening(self, request: Request, opening: Any) -> httpx2.Response:
        """Whoever leaves before the first byte does not leave a call behind."""
        task: asyncio.Task[httpx2.Response] = asyncio.ensure_future(opening)
        try:
            while not (await asyncio.wait({task}, timeout=_LOOK_EVERY_S))[0]:
                if await request.is_disconnected():
                    raise ClientGone("The browser hung up.")
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def _pieces(answer: httpx2.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    except httpx2.HTTPError:
        return  # cut off: without its final marker the page says "interrupted"
    finally:
        with anyio.CancelScope(shield=True):  # who hung up cancelled this, too; the gateway must hear of it
            await answer.aclose()


async def _as_problem(answer: httpx2.Response, request_id: str) -> JSONResponse:
    """The gateway's refusal in this plane's words: status, code and message stay."""
    try:
        content = (await answer.aread())[:_MAX_ERROR]
    except httpx2.HTTPError:
        content = b""
    finally:
        await answer.aclose()
    try:
        said = msgspec.json.decode(content)["error"]
        code, message = str(said.get("type") or said.get("code") or "UPSTREAM_ERROR"), str(said["message"])
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        code, message = "UPSTREAM_ERROR", "The gateway refused the call."
    # 401 would look like the end of the session in the browser
    status = 409 if answer.status_code == 401 else answer.status_code
    problem = {
        "type": "urn:litemaas:problem:playground", "title": "The call was refused", "status": status, "detail": message,
        "code": code, "request_id": answer.headers.get("x-request-id", request_id),
    }  # fmt: skip
    headers = {"Retry-After": after} if (after := answer.headers.get("retry-after")) else {}
    return JSONResponse(problem, status, headers=headers, media_type="application/problem+json")
