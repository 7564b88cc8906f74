"""What became of the documents? Pages are counted where the engine tells them: in the JSON output of a single document."""

from __future__ import annotations

from typing import Any

import msgspec

from litemaas.core.errors import UpstreamGarbage
from litemaas.core.usage import UsageSource
from litemaas.gateway.bodies import Members, render

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_some_members = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_NULL = msgspec.Raw(b"null")


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """``is_paid``: whether anything was converted. ``body``: the answer as the client is to see it."""

    pages: int
    source: UsageSource
    is_paid: bool
    body: bytes


def read_archive(body: bytes, documents: int) -> Outcome:
    """An archive tells no pages: each document counts as one."""
    return Outcome(documents, UsageSource.ESTIMATE, is_paid=True, body=body)


def read_answer(body: bytes, documents: int, hides_json: bool) -> Outcome:
    """``hides_json``: the client did not ask for the JSON output.

    Errors: UpstreamGarbage.
    """
    try:
        answer: Members = _members.decode(body)
        status = msgspec.json.decode(answer.get("status", _NULL))
        document: Members = _some_members.decode(answer.get("document", _NULL)) or {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamGarbage("the model server's answer is not the JSON that was expected") from None
    output = document.get("json_content", _NULL)
    pages = _count_pages(output)
    if hides_json and bytes(output) != b"null":
        document["json_content"] = _NULL
        answer["document"] = render(document)
        body = render(answer)
    if status == "failure":
        # The engine itself says so: nobody has to count or estimate afterwards.
        return Outcome(0, UsageSource.ENGINE, is_paid=False, body=body)
    if status == "skipped":
        return Outcome(pages or 0, UsageSource.ENGINE, is_paid=bool(pages), body=body)
    if pages is None:
        return Outcome(documents, UsageSource.ESTIMATE, is_paid=True, body=body)
    return Outcome(pages, UsageSource.ENGINE, is_paid=True, body=body)


class _Structure(msgspec.Struct, gc=False):
    """What is read of a DoclingDocument; formats without pages, such as Markdown, have none."""

    pages: dict[str, msgspec.Raw] | list[msgspec.Raw] | None = None


_structure: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Structure | None)


def _count_pages(output: msgspec.Raw) -> int | None:
    """None when the engine does not tell."""
    try:
        structure = _structure.decode(output)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if structure is None or structure.pages is None else len(structure.pages)
