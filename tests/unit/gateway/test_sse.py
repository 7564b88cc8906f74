"""Does a stream come out the same however it arrives, with only what we added taken out of it?"""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.gateway.sse import EventScanner, StreamGarbled

PLAIN = b'data: {"id":"c-1","model":"engine","choices":[{"index":0,"delta":{"content":"Hi"}}]}'
TRICKY = (
    b'data: {"id":"c-1","model":"engine","choices":[{"index":0,"delta":{"content":'
    b'"\\",\\"usage\\":{} \\"model\\":\\"engine\\""}}]'
    b',"usage":{"prompt_tokens":3,"completion_tokens":1}}'
)
NESTED = (
    b'data: {"id":"c-1","model":"engine","x":{"a":1,"usage":{"prompt_tokens":99}},"choices":[{"index":0,"delta":{}}]}'
)
SPACED = b'data: {"id": "c-1", "model": "engine", "choices": [{"index": 0, "delta": {}}], "usage": null}'
LAST = b'data: {"id":"c-1","model":"engine","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}'
COMMENT = b": still here"
DONE = b"data: [DONE]"
STREAM = b"".join(event + b"\n\n" for event in (PLAIN, COMMENT, TRICKY, NESTED, SPACED, LAST, DONE))


def scanner(*, asked: bool = False, rename: bool = True) -> EventScanner:
    names = ("engine", "public") if rename else None
    return EventScanner(strip_usage=not asked, drop_usage_chunk=not asked, rename=names)


def chunks_of(shown: bytes) -> list[dict[str, object]]:
    return [json.loads(event[6:]) for event in shown.split(b"\n\n") if event.startswith(b"data: {")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12), st.booleans(), st.booleans())
def test_any_split_of_a_stream_gives_the_same_output_and_usage(cuts: list[int], asked: bool, crlf: bool) -> None:
    stream = STREAM.replace(b"\n", b"\r\n") if crlf else STREAM
    whole, pieces = scanner(asked=asked), scanner(asked=asked)
    expected = whole.feed(STREAM)

    edges = [0, *sorted(cuts), len(stream)]
    shown = b"".join(pieces.feed(stream[a:b]) for a, b in pairwise(edges))

    assert shown == expected
    assert pieces.is_finished
    assert pieces.usage is not None
    assert (pieces.usage.prompt_tokens, pieces.usage.completion_tokens) == (3, 4)


def test_usage_that_the_client_did_not_ask_for_is_taken_out_and_nothing_else() -> None:
    shown = scanner().feed(STREAM)

    chunks = chunks_of(shown)
    assert all("usage" not in chunk for chunk in chunks)
    assert chunks[1]["choices"] == json.loads(TRICKY[6:])["choices"]
    assert chunks[2]["x"] == {"a": 1, "usage": {"prompt_tokens": 99}}
    assert b": still here" in shown
    assert len(chunks) == 4
    assert b"[DONE]" not in shown


def test_a_client_that_asked_sees_the_last_usage_with_empty_choices() -> None:
    last = chunks_of(scanner(asked=True).feed(STREAM))[-1]

    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 4}


def test_the_model_is_named_as_the_client_named_it_and_its_text_is_left_alone() -> None:
    chunks = chunks_of(scanner().feed(STREAM))

    assert {chunk["model"] for chunk in chunks} == {"public"}
    assert '"model":"engine"' in json.dumps(chunks[1]["choices"]).replace("\\", "")


def test_where_nothing_has_to_change_the_bytes_pass_untouched() -> None:
    events = PLAIN + b"\n\n" + NESTED + b"\n\n"

    assert EventScanner(strip_usage=False, drop_usage_chunk=False, rename=None).feed(events) == events


def test_a_stream_that_does_not_begin_with_json_is_garbled() -> None:
    with pytest.raises(StreamGarbled):
        scanner().feed(b'data: {"id": oops\n\n')


def test_an_error_event_is_kept_back_and_told() -> None:
    scan = scanner()

    assert scan.feed(PLAIN + b'\n\ndata: {"error":{"message":"out of memory"}}\n\n').count(b"data:") == 1
    assert scan.error is not None
    assert not scan.is_finished


def test_an_event_that_does_not_end_is_garbled() -> None:
    scan = scanner()
    for _ in range(16):
        assert scan.feed(b"x" * (1 << 20)) == b""
    with pytest.raises(StreamGarbled, match="does not end"):
        scan.feed(b"x")


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"id":"c","model":"engine","choices":[1],"usage":3}',
        b'data: {"id":"c","choices":[1],"usage":"none"}',
        b'data: {"id":"c","choices":[1],"usage":{"prompt_tokens":1,"completion_tokens":1}',
        b'data: {"id":"c","choices":[1],"usage":null,',
        b"data: plain words",
        b"data: [1, 2]",
        b"retry: 1000",
    ],
)
def test_what_cannot_be_read_passes_and_stops_nothing(event: bytes) -> None:
    scan = scanner(rename=False)
    shown = scan.feed(PLAIN + b"\n\n" + event + b"\n\n" + LAST + b"\n\n")
    assert shown.startswith(PLAIN)
    assert scan.usage is not None
    assert scan.usage.completion_tokens == 4
    assert scan.is_finished
