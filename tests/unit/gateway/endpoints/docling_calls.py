"""How does a test ask for a conversion? With real requests, calls and replies; only resolver and connection are made up."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from litemaas.core.catalog import Deployment
from litemaas.core.pricing import Price, cost_of
from litemaas.core.usage import Usage
from litemaas.gateway.call import Ask, Call, Reply
from litemaas.gateway.cooling import Condition
from litemaas.gateway.endpoints.base import Endpoint
from litemaas.gateway.endpoints.docling import docling_endpoints
from litemaas.gateway.http.messages import Request
from litemaas.gateway.http.stepping import stepped
from litemaas.gateway.settings import RoutingSettings
from litemaas.gateway.targets import Target

SOURCE = "/docling/v1/convert/source"
FILE = "/docling/v1/convert/file"
PDF = {"kind": "file", "base64_string": "JVBERi0x", "filename": "a.pdf"}
THEIRS = b"----theirs"
OURS = b"ours0123456789"
FREE = Price()


class Resolver:
    """Knows a few names; everything else does not exist."""

    def __init__(self, **names: list[str]) -> None:
        self.names = {"docs.example.org": ["93.184.215.14"]} | {
            name.replace("__", "."): at for name, at in names.items()
        }
        self.asked: list[str] = []

    async def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        if host not in self.names:
            raise OSError("no such name")
        return self.names[host]


def endpoint(path: str, **settings: Any) -> Endpoint:
    settings = {"resolve": Resolver(), "new_boundary": lambda: OURS} | settings
    return docling_endpoints(settings.pop("max_body", 1024 * 1024), **settings)[path]


def request(body: bytes, content_type: bytes = b"application/json") -> Request:
    received = Request(cast("Any", SimpleNamespace(wants_body=lambda request: None)), "192.0.2.1", 0.0)
    received.method = "POST"
    received.headers = {b"content-type": content_type}
    received.length = len(body)
    received.add(body)
    received.complete = True
    return received


async def _read(conversion: Endpoint, received: Request) -> Ask:
    ask = conversion.read(received, await stepped(received.body(conversion.max_body)))
    any_call = any_lane = cast("Any", None)  # conversions look at the body alone
    await stepped(conversion.check(any_call, ask, any_lane))
    return ask


async def ask_source(body: object, **settings: Any) -> Ask:
    written = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return await _read(endpoint(SOURCE, **settings), request(written))


async def sent_source(body: object, **settings: Any) -> Any:
    """What a JSON body becomes on its way to the engine."""
    return msgspec.json.decode((await ask_source(body, **settings)).payload)


def form(*parts: tuple[str, bytes], boundary: bytes = THEIRS) -> bytes:
    """A form of parts, each of them its header lines (``name`` alone stands for a plain field) and its content."""
    return b"".join(b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, _head(head), content) for head, content in parts) + (
        b"--%b--\r\n" % boundary
    )


def _head(head: str) -> bytes:
    return head.encode() if ":" in head else f'Content-Disposition: form-data; name="{head}"'.encode()


def file_head(name: str = "files", filename: str = "a.pdf") -> str:
    return f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: application/pdf'


def fields(*pairs: tuple[str, str]) -> Iterable[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in pairs]


async def ask_form(body: bytes, content_type: bytes | None = None, **settings: Any) -> Ask:
    kind = content_type if content_type is not None else b"multipart/form-data; boundary=" + THEIRS
    return await _read(endpoint(FILE, **settings), request(body, kind))


def target(price: Price = FREE, api_base: str = "http://docling:5001/v1") -> Target:
    deployment = Deployment(
        id="d1", model="docling", provider="docling", engine_model="docling", api_base=api_base, price=price
    )
    return Target(deployment, 600.0, Condition(deployment, RoutingSettings()))


def measured(
    ask: Ask, body: bytes, content_type: bytes = b"application/json", price: Price = FREE
) -> tuple[Usage, bytes, int]:
    """Usage, the body that the client sees, and the cost in nano-USD."""
    conversion = endpoint(SOURCE)
    call = Call("c1", request(b"{}"), conversion, 0.0)
    reply = Reply(200, content_type, body)
    usage = conversion.measure(call, ask, target(price), reply)
    return usage, reply.body, cost_of(usage, price, ask.documents).total
