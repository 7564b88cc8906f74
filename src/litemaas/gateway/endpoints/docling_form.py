"""What does a form ask to convert, and what of it goes upstream? Its files untouched, its fields in the engine's v1 form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from litemaas.core.errors import InvalidField, MissingField
from litemaas.gateway.bodies import encode
from litemaas.gateway.endpoints.docling_options import (
    DEFAULT_FORMAT,
    format_of,
    pages_in_range,
    refuse_addresses,
    refuse_addresses_in_text,
    target_of,
)
from litemaas.gateway.endpoints.docling_source import ConversionRequest
from litemaas.gateway.endpoints.form_arrival import MAX_FIELD
from litemaas.gateway.endpoints.multipart import (
    Part,
    boundary_of,
    field,
    pieces_of,
    renamed,
    split_parts,
    text_of_part,
    whole_of,
)
from litemaas.gateway.endpoints.openai import GATEWAY_MEMBERS, refuse_guardrails, refuse_special_members

if TYPE_CHECKING:
    from litemaas.gateway.bodies import Members

MAX_PARTS = 256
_FILES = ("files", "file")
_OLDER = frozenset({"return_as_file", "output_format"})
_REMOVED = frozenset({"model", "user", "options", *_OLDER, *GATEWAY_MEMBERS})
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off", ""})
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])

Fields = dict[str, list[str]]


def read_form_request(
    content_type: bytes, payload: bytes, boundary: bytes, pages_per_document: int
) -> ConversionRequest:
    """``boundary``: under which the form goes upstream.

    Errors: InvalidRequest.
    """
    return read_form_parts(split_parts(payload, boundary_of(content_type), MAX_PARTS), boundary, pages_per_document)


def read_form_parts(parts: list[Part], boundary: bytes, pages_per_document: int) -> ConversionRequest:
    """The same for a form whose parts are known already. Errors: InvalidRequest."""
    files = [_file(part) for part in parts if part.filename is not None]
    fields = _fields_of(parts)
    _refuse_special(fields)
    model, end_user = _only(fields, "model"), _only(fields, "user")
    added = _spread_options(fields)
    is_archive = _settle_target(fields, added)
    _settle_format(fields, added)
    if not files:
        raise MissingField("the form needs a file in its field 'files'", "files")
    hides_json = len(files) == 1 and not is_archive and _add_json(fields, added)
    kept = [_file(part) if part.filename is not None else part for part in parts if part.name not in _REMOVED]
    kept += (field(name, value) for name, values in added.items() for value in values)
    pages = pages_in_range(_page_range(fields, added), pages_per_document)
    pieces = pieces_of(kept, boundary)
    is_whole = len(pieces) == 1
    return ConversionRequest(
        model=model, end_user=end_user, body=whole_of(pieces) if is_whole else b"",
        pieces=None if is_whole else pieces, documents=len(files), pages_bound=len(files) * pages, hides_json=hides_json,
    )  # fmt: skip


def _file(part: Part) -> Part:
    if part.name not in _FILES:
        raise InvalidField(f"{part.name} is not a file; files are sent in the field 'files'", part.name)
    if not part.filename:
        raise InvalidField("a file needs a name", "files")
    return part if part.name == "files" else renamed(part, "files")


def _fields_of(parts: list[Part]) -> Fields:
    fields: Fields = {}
    for part in parts:
        if part.filename is None:
            if part.name in _FILES:
                raise InvalidField("files must be sent as files, with a name", "files")
            fields.setdefault(part.name, []).append(text_of_part(part, MAX_FIELD))
    return fields


def _refuse_special(fields: Fields) -> None:
    """What clients may not say in a JSON body they may not say in a form."""
    written: Members = {name: encode(values[-1]) for name, values in fields.items()}
    refuse_special_members(written)
    refuse_guardrails(written)
    for name, values in fields.items():
        if name not in _REMOVED:
            for value in values:
                refuse_addresses_in_text(name, value)


def _only(fields: Fields, name: str) -> str | None:
    values = fields.get(name, [])
    if len(values) > 1:
        raise InvalidField(f"the form names {name} more than once", name)
    return values[0] if values and values[0] else None


def _spread_options(fields: Fields) -> Fields:
    """The members of a JSON field ``options`` as single fields; fields that are there already win."""
    text = _only(fields, "options")
    if text is None:
        return {}
    try:
        options = _object.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidField("options must be a JSON object", "options") from None
    added: Fields = {}
    for name, raw in options.items():
        refuse_addresses(f"options.{name}", bytes(raw))
        if name in fields:
            continue
        if not (name.isascii() and name.isidentifier()) or name in _FILES:
            raise InvalidField(f"options.{name[:64]} is no option of a conversion", "options")
        added[name] = _field_values(bytes(raw))
    if sum(map(len, added.values())) > MAX_PARTS:
        raise InvalidField(f"options hold more than {MAX_PARTS} values", "options")
    return {name: values for name, values in added.items() if name not in _REMOVED or name in _OLDER}


def _field_values(raw: bytes) -> list[str]:
    """A JSON value as the engine reads it from a form: lists by repetition, objects as JSON."""
    value: Any = msgspec.json.decode(raw)
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and not any(isinstance(part, dict | list | None) for part in value):
        return [part if isinstance(part, str) else encode(part).decode() for part in value]
    return [raw.decode()]


def _take(fields: Fields, added: Fields, name: str) -> str | None:
    return _only(fields, name) or _only({name: added.pop(name, [])}, name)


def _settle_target(fields: Fields, added: Fields) -> bool:
    """Checks the target, brings the older ``return_as_file`` into it and tells whether an archive was asked for."""
    as_file = (_take(fields, added, "return_as_file") or "").strip().lower()
    if as_file not in _TRUE | _FALSE:
        raise InvalidField("return_as_file must be true or false", "return_as_file")
    kinds = fields.get("target_type") or added.get("target_type") or []
    if as_file in _TRUE and not kinds:
        kinds = added["target_type"] = ["zip"]
    return "zip" in [target_of(kind, "target_type") for kind in kinds]


def _settle_format(fields: Fields, added: Fields) -> None:
    older = _take(fields, added, "output_format")
    if older is not None and "to_formats" not in fields and not added.get("to_formats"):
        added["to_formats"] = [format_of(older)]


def _add_json(fields: Fields, added: Fields) -> bool:
    """Asks for the output that tells the pages; False when the client did so itself."""
    already = fields.get("to_formats", [])
    own = added.get("to_formats") or ([] if already else [DEFAULT_FORMAT])
    if "json" in already or "json" in own:
        return False
    added["to_formats"] = [*own, "json"]
    return True


def _page_range(fields: Fields, added: Fields) -> list[int]:
    values = fields.get("page_range") or added.get("page_range") or []
    return [int(value) for value in values if value.isascii() and value.isdigit() and len(value) < 10]
