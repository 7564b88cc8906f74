"""What may a client ask of Docling Serve, as JSON or as a form, and how is a bad request refused?

Source: Docling Serve 1.x, read 2026-11; refusals are FastAPI's 422.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any, Literal

import msgspec
from msgspec import Struct

from litemaas.sim.docling.documents import Source, source_from_url
from litemaas.sim.exchange import Exchange

Format = Literal["md", "json", "yaml", "html", "html_split_page", "text", "doctags"]


class ConvertOptions(Struct):
    """The options that change the answer; the many others are accepted."""

    to_formats: list[Format] = msgspec.field(default_factory=lambda: ["md"])
    page_range: tuple[int, int] | None = None
    md_page_break_placeholder: str = ""


class HttpSource(Struct, tag_field="kind", tag="http"):
    """A document at an address."""

    url: str
    headers: dict[str, str] = {}


class FileSource(Struct, tag_field="kind", tag="file"):
    """A document in the request."""

    base64_string: str
    filename: str


class Target(Struct):
    """How the result comes back."""

    kind: Literal["inbody", "zip"] = "inbody"


class ConvertRequest(Struct, kw_only=True):
    """``POST /v1/convert/source``."""

    sources: list[HttpSource | FileSource]
    options: ConvertOptions = msgspec.field(default_factory=ConvertOptions)
    target: Target = msgspec.field(default_factory=Target)


class Conversion(Struct):
    """What is to be converted, from either kind of request."""

    sources: list[Source]
    options: ConvertOptions
    target: Literal["inbody", "zip"]


class Unprocessable(Exception):
    """The request does not say what to convert."""

    def __init__(self, message: str, place: str = "body") -> None:
        super().__init__(message)
        self.body: dict[str, Any] = {"detail": [{"type": "value_error", "loc": [place], "msg": message, "input": None}]}


_DECODER = msgspec.json.Decoder(ConvertRequest)


def read_source_request(exchange: Exchange) -> Conversion:
    """The conversion that a JSON body asks for.

    Errors: Unprocessable.
    """
    try:
        request = _DECODER.decode(exchange.body)
        sources = [
            source_from_url(source.url)
            if isinstance(source, HttpSource)
            else Source(source.filename, b64decode(source.base64_string, validate=True))
            for source in request.sources
        ]
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise Unprocessable(str(error)) from error
    if not sources:
        raise Unprocessable("sources must hold at least one source")
    return Conversion(sources, request.options, request.target.kind)


async def read_file_request(exchange: Exchange) -> Conversion:
    """The conversion that a multipart form asks for.

    Errors: Unprocessable.
    """
    # Only forms need Starlette, and it doubles the time to import this package.
    from starlette.datastructures import Headers, UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    async def body() -> Any:
        yield exchange.body

    headers = Headers(raw=exchange.headers)
    if not headers.get("content-type", "").startswith("multipart/form-data"):
        raise Unprocessable("Field required", "files")
    try:
        form = await MultiPartParser(headers, body(), max_files=1000, max_fields=1000).parse()
    except (MultiPartException, KeyError) as error:
        raise Unprocessable(f"Bad form: {error}") from error
    try:
        files = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
        sources = [Source(file.filename or "file", await file.read()) for file in files]
    finally:
        await form.close()
    if not sources:
        raise Unprocessable("Field required", "files")
    fields: dict[str, Any] = {"target": form.get("target_type", "inbody")}
    for name in ("to_formats", "page_range"):
        if name in form:
            fields[name] = form.getlist(name)
    if "md_page_break_placeholder" in form:
        fields["md_page_break_placeholder"] = form["md_page_break_placeholder"]
    try:
        target = msgspec.convert({"kind": fields.pop("target")}, Target).kind
        return Conversion(sources, msgspec.convert(fields, ConvertOptions, strict=False), target)
    except msgspec.ValidationError as error:
        raise Unprocessable(str(error)) from error
