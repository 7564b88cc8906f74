"""How does a document conversion pass through? As a v1 call of Docling Serve, measured in pages (gateway-api contract 1.8).

Only the JSON output tells pages. So it is always asked for where the answer can hold it, and hidden again from clients that
did not ask: the ledger then holds what the engine converted, whether pages have a price today or not.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import msgspec

from litemaas.core.catalog import Mode
from litemaas.core.errors import MalformedBody, UpstreamGarbage
from litemaas.core.usage import Usage
from litemaas.gateway.bodies import NOT_JSON, encode, read_members, render
from litemaas.gateway.call import Ask
from litemaas.gateway.endpoints.base import Endpoint, root_path
from litemaas.gateway.endpoints.docling_answer import read_answer, read_archive
from litemaas.gateway.endpoints.docling_form import MAX_PARTS, read_form_parts, read_form_request
from litemaas.gateway.endpoints.docling_source import ConversionRequest, read_source_request
from litemaas.gateway.endpoints.form_arrival import arriving_parts
from litemaas.gateway.endpoints.public_addresses import PublicAddresses, Resolve, resolve_host
from litemaas.gateway.spool import Room, Sending, Spooled, close_files

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment
    from litemaas.gateway.call import Call, Reply
    from litemaas.gateway.http.messages import Request
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.targets import Target

PAGES_PER_DOCUMENT = 100
"""Held for a document whose pages nobody knows yet and whose ``page_range`` says no less."""
_RESOLVE_TIMEOUT_S = 5.0
_JSON = b"application/json"
_MOST_ID = 256
_ARCHIVES = (b"application/zip", b"application/x-zip", b"application/octet-stream")


class DoclingEndpoint(Endpoint):
    """What both ways of sending a document have in common."""

    __slots__ = ("_pages_per_document", "_path")

    def __init__(self, path: str, max_body: int, pages_per_document: int) -> None:
        super().__init__(f"/docling{path}", frozenset({Mode.CONVERSION}), max_body)
        self.defers = path.endswith("/async")
        self._path = path
        self._pages_per_document = pages_per_document

    def path(self, deployment: Deployment) -> str:
        return root_path(deployment) + self._path

    def payload(self, call: Call, ask: Ask, target: Target) -> bytes:  # noqa: ARG002 - Endpoint
        return ask.payload

    def measure(self, call: Call, ask: Ask, target: Target, reply: Reply) -> Usage:
        if self.defers:
            return _begun(call, reply)
        if is_archive(reply.content_type):
            outcome = read_archive(reply.body, ask.documents)
        else:
            outcome = read_answer(reply.body, ask.documents, ask.hides_json)
        reply.body = outcome.body
        is_paid_by_page = outcome.pages > 0 and target.deployment.price.page_per_million > 0
        if is_paid_by_page or not outcome.is_paid:
            ask.documents = 0  # pages × their price, else documents × theirs; what failed costs nothing
        return Usage(pages=outcome.pages, source=outcome.source)


class DoclingSource(DoclingEndpoint):
    """Documents by address or in base64, as JSON."""

    __slots__ = ("_addresses",)

    def __init__(self, path: str, max_body: int, pages_per_document: int, addresses: PublicAddresses) -> None:
        super().__init__(path, max_body, pages_per_document)
        self._addresses = addresses

    def read(self, request: Request, body: bytes) -> Ask:  # noqa: ARG002 - Endpoint
        return _ask(read_source_request(body, self._pages_per_document), _JSON)

    async def check(self, call: Call, ask: Ask, lane: Lane) -> Lane:  # noqa: ARG002 - Endpoint
        await self._addresses.check(ask.references)
        return lane


class DoclingFile(DoclingEndpoint):
    """Documents as the files of a form; ``new_boundary`` gives boundaries that no client can foresee.

    ``room``: where documents wait that are large.
    """

    __slots__ = ("_new_boundary", "_room")

    def __init__(
        self, path: str, max_body: int, pages_per_document: int, new_boundary: Callable[[], bytes], room: Room
    ) -> None:
        super().__init__(path, max_body, pages_per_document)
        self._new_boundary = new_boundary
        self._room = room
        self.uploads = True

    def read(self, request: Request, body: bytes) -> Ask:
        boundary = self._new_boundary()
        asked = read_form_request(request.headers.get(b"content-type", b""), body, boundary, self._pages_per_document)
        return _ask(asked, b"multipart/form-data; boundary=" + boundary)

    async def receive(self, request: Request) -> Ask:
        parts = await arriving_parts(request, self.max_body, MAX_PARTS, self._room)
        boundary = self._new_boundary()
        asked = read_form_parts(parts, boundary, self._pages_per_document)
        return _ask(asked, b"multipart/form-data; boundary=" + boundary)

    def upload(self, call: Call, ask: Ask, target: Target) -> Sending | None:  # noqa: ARG002 - Endpoint
        pieces: list[bytes | Spooled] | None = ask.foreign
        return Sending(pieces) if pieces is not None else None

    def forget(self, ask: Ask) -> None:
        close_files(ask.foreign or ())


def _ask(asked: ConversionRequest, content_type: bytes) -> Ask:
    ask = Ask(asked.model)
    ask.end_user = asked.end_user
    ask.payload = asked.body
    ask.content_type = content_type
    ask.documents = asked.documents
    ask.pages_bound = asked.pages_bound
    ask.hides_json = asked.hides_json
    ask.references = asked.urls
    ask.foreign = asked.pieces
    return ask


def is_archive(content_type: bytes) -> bool:
    """Whether an answer is no JSON."""
    return content_type.startswith(_ARCHIVES)


def _begun(call: Call, reply: Reply) -> Usage:
    """A task has begun. Its client knows it under our id: those of two model servers may be the same.

    Errors: UpstreamGarbage.
    """
    try:
        members = read_members(reply.body)
        task_id = msgspec.json.decode(members.get("task_id", b"null"))
    except (MalformedBody, *NOT_JSON):
        task_id = None
    if not isinstance(task_id, str) or not 0 < len(task_id) <= _MOST_ID:
        raise UpstreamGarbage("the model server's answer names no task")
    call.engine_request_id = task_id
    members["task_id"] = encode(call.id)
    reply.body = render(members)
    return Usage()


def random_boundary() -> bytes:
    return secrets.token_hex(16).encode()


def docling_endpoints(
    max_body: int, *, allowed_hosts: Collection[str] = (), pages_per_document: int = PAGES_PER_DOCUMENT,
    resolve: Resolve = resolve_host, resolve_timeout_s: float = _RESOLVE_TIMEOUT_S,
    new_boundary: Callable[[], bytes] = random_boundary, room: Room | None = None,
) -> dict[str, Endpoint]:  # fmt: skip
    """Whole path → endpoint. ``allowed_hosts`` may be fetched from although they are not public.

    ``room``: where large files wait; None = one of its own. Units: bytes, pages and seconds.
    """
    waiting = room or Room(max_body)
    addresses = PublicAddresses(allowed_hosts, resolve, resolve_timeout_s)
    found: dict[str, Endpoint] = {}
    for ending in ("", "/async"):
        source = DoclingSource(f"/v1/convert/source{ending}", max_body, pages_per_document, addresses)
        file = DoclingFile(f"/v1/convert/file{ending}", max_body, pages_per_document, new_boundary, waiting)
        for version in ("v1", "v1alpha"):
            found[f"/docling/{version}/convert/source{ending}"] = source
            found[f"/docling/{version}/convert/file{ending}"] = file
    return found
