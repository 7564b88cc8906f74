"""What does a JSON body ask to convert, and what of it goes upstream? Sources, options and target, in the engine's v1 form."""

from __future__ import annotations

from typing import Any

import msgspec

from litemaas.core.errors import InvalidField, MissingField
from litemaas.gateway.bodies import Members, encode, flag_of, read_members, render, text_of, value_of
from litemaas.gateway.endpoints.docling_options import (
    DEFAULT_FORMAT,
    format_of,
    pages_in_range,
    refuse_addresses,
    target_of,
)
from litemaas.gateway.endpoints.openai import GATEWAY_MEMBERS, refuse_guardrails, refuse_special_members
from litemaas.gateway.spool import Spooled

_MAX_SOURCES = 100
_OLDER_SOURCES = {"http_sources": "http", "file_sources": "file"}
_KNOWN = {"http": ("kind", "url", "headers"), "file": ("kind", "base64_string", "filename")}
_list_of_members = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None)
_some_members = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_base64 = msgspec.json.Decoder(bytes)


class ConversionRequest(msgspec.Struct, kw_only=True, gc=False):
    """What is to be converted. ``body``: for a v1 engine. ``hides_json``: the JSON output was added for its page count.
    ``pieces``: instead of a body, where a part of it lies in a file.

    ``pages_bound``: of all documents together. ``urls``: where they are fetched from, by their place in the body.
    """

    model: str | None
    end_user: str | None
    body: bytes
    documents: int
    pages_bound: int
    hides_json: bool
    urls: dict[str, str] = {}
    pieces: list[bytes | Spooled] | None = None


def read_source_request(payload: bytes, pages_per_document: int) -> ConversionRequest:
    """Errors: InvalidRequest."""
    members = read_members(payload)
    refuse_special_members(members)
    refuse_guardrails(members)
    model, end_user = _optional_text(members, "model", "model"), _optional_text(members, "user", "user")
    for name in ("model", "user", *GATEWAY_MEMBERS):
        members.pop(name, None)
    urls: dict[str, str] = {}
    sources = _take_sources(members, urls)
    options = _take_members(members, "options")
    target = _take_members(members, "target")
    is_archive = _settle_target(target, options)
    for name, raw in members.items():
        refuse_addresses(name, bytes(raw))
    for name, raw in options.items():
        refuse_addresses(f"options.{name}", bytes(raw))
    for name, raw in target.items():
        refuse_addresses(f"target.{name}", bytes(raw))
    _settle_format(options)
    hides_json = len(sources) == 1 and not is_archive and _add_json(options)
    if options:
        members["options"] = render(options)
    if target:
        members["target"] = render(target)
    members["sources"] = b"[%b]" % b",".join(map(render, sources))
    pages = pages_in_range(value_of(options, "page_range"), pages_per_document)
    return ConversionRequest(
        model=model, end_user=end_user, body=render(members), documents=len(sources),
        pages_bound=len(sources) * pages, hides_json=hides_json,
        urls=urls,
    )  # fmt: skip


# -- sources ----------------------------------------------------------------------------------------------------------


def _take_sources(members: Members, urls: dict[str, str]) -> list[Members]:
    """The sources in the engine's spelling; the addresses among them go to ``urls``, by their place."""
    sources: list[Members] = []
    for name in ("sources", *_OLDER_SOURCES):
        try:
            found = _list_of_members.decode(members.pop(name, b"null")) or ()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise InvalidField(f"{name} must be a list of objects", name) from None
        if len(sources) + len(found) > _MAX_SOURCES:
            raise InvalidField(f"at most {_MAX_SOURCES} documents can be converted at once", name)
        sources += (
            _source(source, f"{name}.{index}", _OLDER_SOURCES.get(name), urls) for index, source in enumerate(found)
        )
    if not sources:
        raise MissingField("the member 'sources' must hold at least one document", "sources")
    return sources


def _source(source: Members, place: str, kind: str | None, urls: dict[str, str]) -> Members:
    if kind is not None:
        source = {"kind": encode(kind)} | {name: raw for name, raw in source.items() if name != "kind"}
    else:
        kind = _required_text(source, "kind", place)
    if kind == "http":
        urls[f"{place}.url"] = _required_text(source, "url", place)
    elif kind == "file":
        _required_text(source, "filename", place)
        _check_base64(source, f"{place}.base64_string")
    else:
        raise InvalidField(f"{place}.kind can be http or file here", f"{place}.kind")
    for name, raw in source.items():
        if name not in _KNOWN[kind]:
            refuse_addresses(f"{place}.{name}", bytes(raw))
    return source


def _check_base64(source: Members, place: str) -> None:
    """Whether it can be read; what it holds is the engine's to look at."""
    try:
        content = _base64.decode(source.get("base64_string", b'""'))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidField(f"{place} is not base64", place) from None
    if not content:
        raise MissingField(f"the member {place} is missing", place)


# -- options and target -----------------------------------------------------------------------------------------------


def _settle_target(target: Members, options: Members) -> bool:
    """Checks the target, brings the older ``return_as_file`` into it and tells whether an archive was asked for."""
    as_file = _flag(options, "return_as_file")
    options.pop("return_as_file", None)
    kind = target_of(_optional_text(target, "kind", "target.kind"), "target.kind")
    if as_file and not target:
        kind = "zip"
        target["kind"] = encode(kind)
    return kind == "zip"


def _settle_format(options: Members) -> None:
    older = _optional_text(options, "output_format", "options.output_format")
    options.pop("output_format", None)
    if older is not None and value_of(options, "to_formats") is None:
        options["to_formats"] = encode([format_of(older)])


def _add_json(options: Members) -> bool:
    """Asks for the output that tells the pages; False when the client did so itself."""
    formats: Any = value_of(options, "to_formats")
    if formats is None:
        formats = [DEFAULT_FORMAT]
    elif isinstance(formats, str):
        formats = [formats]
    if not isinstance(formats, list) or "json" in formats:
        return False  # the engine refuses what is not a list
    options["to_formats"] = encode([*formats, "json"])
    return True


# -- members ----------------------------------------------------------------------------------------------------------


def _take_members(members: Members, name: str) -> Members:
    try:
        return _some_members.decode(members.pop(name, b"null")) or {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidField(f"{name} must be an object", name) from None


def _optional_text(members: Members, name: str, place: str) -> str | None:
    try:
        return text_of(members, name)
    except (InvalidField, UnicodeDecodeError):
        raise InvalidField(f"{place} must be a text", place) from None


def _required_text(members: Members, name: str, place: str) -> str:
    text = _optional_text(members, name, f"{place}.{name}")
    if not text:
        raise MissingField(f"the member {place}.{name} is missing", f"{place}.{name}")
    return text


def _flag(members: Members, name: str) -> bool:
    try:
        return flag_of(members, name)
    except InvalidField:
        raise InvalidField(f"options.{name} must be true or false", f"options.{name}") from None
