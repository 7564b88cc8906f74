"""How do calls pass that neither converse nor embed? Rerank, speech, images and moderations as JSON; files as forms.

Bodies and answers go through as they came but for the model's name. What is billed is the price per request, prompt and
completion tokens where the engine reports them, and what the endpoint is about: seconds that were heard, characters that are
spoken, images that were made. These are noted in the usage record, too.
"""

from __future__ import annotations

import re
import secrets
from math import isfinite
from typing import Any

import msgspec

from litemaas.core.catalog import Deployment, Mode
from litemaas.core.errors import InvalidField, MissingField
from litemaas.core.usage import MOST_TOKENS, NOTHING, Media, Usage, UsageSource, usage_of
from litemaas.gateway.bodies import NOT_JSON, Members, count_of, encode, read_request, render, text_of
from litemaas.gateway.call import Ask, Call, Reply
from litemaas.gateway.endpoints.base import Endpoint, base_path
from litemaas.gateway.endpoints.form_arrival import MAX_FIELD, arriving_parts
from litemaas.gateway.endpoints.multipart import (
    Part,
    beginning_of,
    boundary_of,
    field,
    pieces_of,
    split_parts,
    text_of_part,
    whole_of,
)
from litemaas.gateway.endpoints.openai import (
    SPECIAL_MEMBERS,
    refuse_guardrails,
    refuse_special_members,
)
from litemaas.gateway.endpoints.sound import HEAD_BYTES, sound_bound_ms, sound_estimate_ms, sound_ms
from litemaas.gateway.http.messages import Request
from litemaas.gateway.providers.dialects import openai_path
from litemaas.gateway.providers.native import native_usage
from litemaas.gateway.spool import Room, Sending, Spooled, close_files
from litemaas.gateway.targets import Target

_MOST_IMAGES = 100
_MOST_PARTS = 64
_WINDOW_MS = 30_000
"""What a speech model hears at a time: Whisper's encoder makes 1500 positions of 30 s (Radford et al. 2022, 2.2)."""
_TOKENS_PER_SECOND = 20
"""More than anybody says: fast speech has five words a second."""
_SUBTITLE_END = re.compile(rb"-->[ \t]*(?:(\d{1,3}):)?(\d{2}):(\d{2})[.,](\d{3})")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class MediaEndpoint(Endpoint):
    """What both kinds of body have in common."""

    __slots__ = ("_units",)

    def __init__(self, route: str, mode: Mode, max_body: int, units: str) -> None:
        super().__init__(route, frozenset({mode}), max_body)
        self._units = units

    def path(self, deployment: Deployment) -> str:
        return openai_path(base_path(deployment), self.route, deployment)

    def measure(self, call: Call, ask: Ask, target: Target, reply: Reply) -> Usage:
        answer = _answer(reply)
        if answer is None:
            return self._with_media(ask, {}, reply, Usage())
        if isinstance(answer.get("id"), str):
            call.engine_request_id = answer["id"]
        asked = ask.model or target.deployment.model
        if answer.get("model") == target.deployment.engine_model != asked:
            reply.body = target.name.replaced(reply.body, asked)
        usage = answer.get("usage")
        counts: dict[str, Any] = usage if isinstance(usage, dict) else {}
        return self._with_media(ask, answer | counts, reply, _tokens_of(counts))

    def _with_media(self, ask: Ask, said: dict[str, Any], reply: Reply, usage: Usage) -> Usage:
        """The usage with what has no tokens; ``said``: what the model server told of it."""
        if self._units == "images":
            asked = ask.media_bound.images if ask.media_bound is not None else 0
            made = said.get("data")
            images = min(len(made), asked) if isinstance(made, list) else asked
            note(ask, "images", images)
            return usage.with_media(Media(images=images), UsageSource.ENGINE)
        if self._units == "seconds":
            heard_ms, is_known = _heard_ms(ask.foreign, said, reply)
            note(ask, "seconds", heard_ms // 1000 if heard_ms % 1000 == 0 else heard_ms / 1000)
            source = UsageSource.ENGINE if is_known else UsageSource.ESTIMATE
            audio_input = usage.media.audio_input if usage.media is not None else 0
            return usage.with_media(Media(sound_ms=heard_ms, audio_input=audio_input), source)
        return usage


def _answer(reply: Reply) -> dict[str, Any] | None:
    if not reply.content_type.startswith(b"application/json"):
        return None
    try:
        return _decode(reply.body)
    except NOT_JSON:
        return None


def _heard_ms(form: _Form, said: dict[str, Any], reply: Reply) -> tuple[int, bool]:
    """How long the sound was that a model server heard, and whether that is known: it says so, or the file does, or the last
    subtitle. Units: milliseconds.
    """
    seconds = said.get("seconds", said.get("duration"))
    try:
        told = float(seconds) if seconds is not None else 0.0
    except (TypeError, ValueError):
        told = 0.0
    if told > 0 and isfinite(told):
        return min(round(told * 1000), MOST_TOKENS), True
    known = sound_ms(form.head, form.size)
    if known is not None:
        return min(known, MOST_TOKENS), True
    ends = _SUBTITLE_END.findall(reply.body) if not reply.content_type.startswith(b"application/json") else []
    if ends:
        hours, minutes, whole, thousandths = (int(part or 0) for part in ends[-1])
        return ((hours * 60 + minutes) * 60 + whole) * 1000 + thousandths, True
    return min(sound_estimate_ms(form.head, form.size), MOST_TOKENS), False


def _tokens_of(usage: dict[str, Any]) -> Usage:
    """Tokens in whichever words; never ``NOTHING``, which would have them counted from the answer's text."""
    if isinstance(usage.get("input_tokens"), int):
        return usage_of(native_usage(usage))
    prompt = usage.get("prompt_tokens", usage.get("total_tokens"))
    completion = usage.get("completion_tokens")
    prompt = prompt if isinstance(prompt, int) and prompt > 0 else 0
    completion = completion if isinstance(completion, int) and completion > 0 else 0
    if not prompt and not completion:
        return Usage()
    counted = usage_of(native_usage({"input_tokens": prompt, "output_tokens": completion}))
    return counted if counted is not NOTHING else Usage(source=UsageSource.ENGINE)


def note(ask: Ask, unit: str, count: float) -> None:
    """Leaves a quantity that has no column in the record's notes."""
    ask.spend_metadata = {**(ask.spend_metadata or {}), "units": {unit: count}}


class MediaJson(MediaEndpoint):
    """A JSON body; ``required`` must be in it."""

    __slots__ = ("_required",)

    def __init__(self, route: str, mode: Mode, required: tuple[str, ...], max_body: int, units: str = "") -> None:
        super().__init__(route, mode, max_body, units)
        self._required = required
        self.relays_bytes = units == "characters"

    def read(self, request: Request, body: bytes) -> Ask:  # noqa: ARG002 - Endpoint
        members = read_request(body)
        refuse_special_members(members)
        for name in self._required:
            if name not in members:
                raise MissingField(f"the member {name!r} is missing", name)
        ask = Ask(text_of(members, "model"))
        ask.members = members
        ask.payload = body
        ask.prompt_bytes = len(body)
        ask.end_user = text_of(members, "user")
        if self._units == "images":
            images = count_of(members, "n") or 1
            if images > _MOST_IMAGES:
                raise InvalidField(f"n must not be more than {_MOST_IMAGES}", "n")
            ask.media_bound = Media(images=images)
        elif self._units == "characters":
            ask.stream = True
            characters = len(text_of(members, "input") or "")
            ask.media_bound = Media(characters=characters)
            note(ask, "characters", characters)
        return ask

    def payload(self, call: Call, ask: Ask, target: Target) -> bytes:  # noqa: ARG002 - Endpoint
        members: Members = {name: raw for name, raw in (ask.members or {}).items() if name not in SPECIAL_MEMBERS}
        for name, value in target.deployment.defaults.items():
            members.setdefault(name, value)
        members["model"] = target.engine_model
        return render(members)


class MediaForm(MediaEndpoint):
    """A form; its file is in the field ``file``. ``room``: where files wait that are large."""

    __slots__ = ("_file", "_room")

    def __init__(self, route: str, mode: Mode, file: str, max_body: int, room: Room, units: str) -> None:
        super().__init__(route, mode, max_body, units)
        self._file = file
        self._room = room
        self.uploads = True

    def read(self, request: Request, body: bytes) -> Ask:
        return self._ask(split_parts(body, boundary_of(request.headers.get(b"content-type", b"")), _MOST_PARTS))

    async def receive(self, request: Request) -> Ask:
        return self._ask(await arriving_parts(request, self.max_body, _MOST_PARTS, self._room))

    def _ask(self, parts: list[Part]) -> Ask:
        fields: dict[str, str] = {}
        for part in parts:
            if part.filename is None:
                if part.name in fields and not part.name.endswith("[]"):
                    raise InvalidField(f"the form names {part.name} more than once", part.name)
                fields[part.name] = text_of_part(part, MAX_FIELD)
        written: Members = {name: encode(value) for name, value in fields.items()}
        refuse_special_members(written)
        refuse_guardrails(written)
        files = [part for part in parts if part.filename is not None]
        if not any(part.name.removesuffix("[]") == self._file for part in files):
            raise MissingField(f"the form needs a file in its field {self._file!r}", self._file)
        ask = Ask(fields.get("model"))
        ask.members = {"prompt": encode(fields["prompt"])} if "prompt" in fields else {}
        ask.end_user = fields.get("user")
        ask.prompt_bytes = sum(len(value) for value in fields.values())
        ask.media_parts = len(files)
        file = files[0]
        head, size = beginning_of(file.content, HEAD_BYTES), len(file.content)
        if self._units == "seconds":
            bound_ms = sound_bound_ms(head, size)
            ask.media_bound = Media(sound_ms=bound_ms, is_vague=sound_ms(head, size) is None)
            ask.media_parts = -(-bound_ms // _WINDOW_MS)
            ask.generates = True
            ask.output_default = -(-bound_ms // 1000) * _TOKENS_PER_SECOND
        if self._units == "images":
            told = fields.get("n", "1")
            if (
                not told.isascii()
                or not told.isdigit()
                or not 1 <= len(told) <= 3
                or not 1 <= int(told) <= _MOST_IMAGES
            ):
                raise InvalidField(f"n must be a whole number from 1 to {_MOST_IMAGES}", "n")
            ask.media_bound = Media(images=int(told))
        boundary = secrets.token_hex(16).encode()
        ask.content_type = b"multipart/form-data; boundary=" + boundary
        kept = [part for part in parts if part.name != "model" and part.name not in SPECIAL_MEMBERS]
        ask.foreign = _Form(kept, boundary, head, size)
        return ask

    def payload(self, call: Call, ask: Ask, target: Target) -> bytes:  # noqa: ARG002 - Endpoint
        return whole_of(self._pieces(ask, target))

    def upload(self, call: Call, ask: Ask, target: Target) -> Sending | None:  # noqa: ARG002 - Endpoint
        pieces = self._pieces(ask, target)
        return Sending(pieces) if len(pieces) > 1 else None

    def forget(self, ask: Ask) -> None:
        form: _Form = ask.foreign
        close_files(part.content for part in form.parts)

    def _pieces(self, ask: Ask, target: Target) -> list[bytes | Spooled]:
        """One piece, unless something lies in a file."""
        form: _Form = ask.foreign
        return pieces_of([field("model", target.deployment.engine_model), *form.parts], form.boundary)


class _Form:
    """``head``, ``size``: of its file."""

    __slots__ = ("boundary", "head", "parts", "size")

    def __init__(self, parts: list[Part], boundary: bytes, head: bytes, size: int) -> None:
        self.parts = parts
        self.boundary = boundary
        self.head = head
        self.size = size


def media_endpoints(max_body: int, room: Room) -> dict[str, Endpoint]:
    """Path without ``/v1`` → endpoint."""
    heard, drawn = Mode.TRANSCRIPTION, Mode.IMAGE
    return {
        "/rerank": MediaJson("/rerank", Mode.RERANK, ("query", "documents"), max_body),
        "/moderations": MediaJson("/moderations", Mode.MODERATION, ("input",), max_body),
        "/audio/speech": MediaJson("/audio/speech", Mode.SPEECH, ("input",), max_body, "characters"),
        "/images/generations": MediaJson("/images/generations", drawn, ("prompt",), max_body, "images"),
        "/images/edits": MediaForm("/images/edits", drawn, "image", max_body, room, "images"),
        "/audio/transcriptions": MediaForm("/audio/transcriptions", heard, "file", max_body, room, "seconds"),
        "/audio/translations": MediaForm("/audio/translations", heard, "file", max_body, room, "seconds"),
    }
