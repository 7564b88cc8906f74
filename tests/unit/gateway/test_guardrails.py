"""Is every kind of stream masked across the borders of its events?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from litemaas.gateway.guardrails import Guard, Guardrails, StreamGuard
from litemaas.gateway.judged_texts import is_media
from litemaas.gateway.metrics import Metrics

PIECES = ["mail ann@ex", "ample.org or pay with 4111 11", "11 1111 1111", " now"]
MASKED = "mail [EMAIL] or pay with [VISA] now"


def event(name: str, **members: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps({"type": name, **members}).encode())


def shown(events: list[bytes]) -> list[dict[str, Any]]:
    guard = StreamGuard(Guard(("pii", "cards")), Guardrails((), Metrics()))
    out = b"".join(guard.feed(one) for one in events) + guard.finish()
    found = []
    for one in out.split(b"\n\n")[:-1]:
        name, _, data = one.partition(b"\ndata: ")
        found.append(json.loads(data))
        assert name == b"event: " + found[-1]["type"].encode()
    return found


@pytest.mark.parametrize("ends", [True, False])
def test_a_block_of_messages_is_complete_before_it_stops(ends: bool):
    events = [
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece}) for piece in PIECES),
    ]
    if ends:
        events += [event("content_block_stop", index=0), event("message_stop")]
    found = shown(events)
    assert "".join(one["delta"]["text"] for one in found if one["type"] == "content_block_delta") == MASKED
    if ends:
        assert [one["type"] for one in found[-2:]] == ["content_block_stop", "message_stop"]


def test_two_blocks_do_not_mix():
    events = [
        event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
        for piece in PIECES
        for index in (0, 1)
    ]
    found = shown([*events, event("content_block_stop", index=1), event("content_block_stop", index=0)])
    for index in (0, 1):
        texts = [one["delta"]["text"] for one in found if one.get("index") == index and "delta" in one]
        assert "".join(texts) == MASKED


def test_a_text_of_responses_is_complete_before_it_is_done():
    place = {"item_id": "m1", "content_index": 0}
    events = [
        *(event("response.output_text.delta", delta=piece, **place) for piece in PIECES),
        event("response.output_text.done", text="".join(PIECES), **place),
        event("response.completed", response={"output": [{"content": [{"text": "".join(PIECES)}]}]}),
    ]
    found = shown(events)
    assert "".join(one["delta"] for one in found if "delta" in one) == MASKED
    assert found[-2]["text"] == MASKED
    assert found[-1]["response"]["output"][0]["content"][0]["text"] == MASKED


def test_what_is_no_json_passes():
    guard = StreamGuard(Guard(("pii",)), Guardrails((), Metrics()))
    for other in (b": ping\n\n", b"data: [DONE]\n\n", b"event: x\ndata: {broken\n\n"):
        assert guard.feed(other) == other
    assert guard.finish() == b""


@pytest.mark.parametrize(("text", "is_seen"), [
    ("data: my number is 536-90-4399", True), ("data:text/plain;base64,not that! 536-90-4399", True),
    ("data:image/png;base64,iVBORw0KGgo=", False), ("data:audio/wav;codecs=1;base64,UklGRg==", False),
])  # fmt: skip
def test_only_what_is_a_picture_or_sound_is_no_text(text: str, is_seen: bool):
    assert is_media(text) is not is_seen
