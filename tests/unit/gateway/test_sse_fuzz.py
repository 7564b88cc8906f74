"""Does any split of any bytes, sane or not, give what the unsplit bytes give: the same output, usage and end?"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.gateway.http.dialogue import examples
from tests.unit.gateway.http.test_properties import mutations
from tests.unit.gateway.test_sse import COMMENT, DONE, LAST, NESTED, PLAIN, SPACED, TRICKY

from litemaas.gateway.sse import EventScanner, StreamGarbled

ERROR = b'data: {"error":{"message":"out of memory"}}'
PIECES = [
    PLAIN, TRICKY, NESTED, SPACED, LAST, COMMENT, DONE, ERROR, b"event: ping", b"data:", b"data: {", b"id: 7\ndata: {}",
    b'data: {"id":"c","choices":[1],"usage":3}', b'data: {"id":"c","usage":{"prompt_tokens":1},"choices":[]}',
]  # fmt: skip
ENDS = [b"\n\n", b"\n\n", b"\r\n\r\n", b"\n\n\n", b"\n", b"\r\n", b"\r", b"\r\r\n", b"\n\r\n", b""]
options = st.tuples(st.booleans(), st.booleans(), st.sampled_from([None, ("engine", "public")]))


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Events that engines send, ended in ways that some never would, and perhaps spoiled."""
    parts = draw(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(ENDS)), min_size=1, max_size=8))
    stream = b"".join(event + end for event, end in [(PLAIN, b"\n\n")] * draw(st.booleans()) + parts)
    return draw(mutations(stream)) if draw(st.booleans()) else stream


def scanned(pieces: list[bytes], choice: tuple[bool, bool, Any]) -> tuple[bytes, dict[str, Any] | None]:
    """What the client is shown, and what is known of the stream then; None when it is garbled."""
    scanner = EventScanner(strip_usage=choice[0], drop_usage_chunk=choice[1], rename=choice[2])
    shown = b""
    try:
        for piece in pieces:
            shown += scanner.feed(piece)
    except StreamGarbled:
        return shown, None
    names = ("usage", "chunks", "done", "error", "engine_id", "is_finished")
    return shown, {name: getattr(scanner, name) for name in names}


@examples(400)
@example(PLAIN + b"\r\r\n\r\n", [len(PLAIN) + 3], (False, False, None))
@given(streams(), st.lists(st.integers(0, 1500), max_size=10), options)
def test_any_split_of_any_stream_gives_the_same(stream: bytes, cuts: list[int], choice: tuple[bool, bool, Any]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    shown, known = scanned([stream], choice)
    shown_in_pieces, known_in_pieces = scanned([stream[a:b] for a, b in pairwise(edges)], choice)
    assert known_in_pieces == known
    if known is None:
        assert shown_in_pieces.startswith(shown)  # what came before the garbage may have left already
    else:
        assert shown_in_pieces == shown


@examples(200)
@given(streams(), options)
def test_byte_by_byte_is_the_same_as_at_once(stream: bytes, choice: tuple[bool, bool, Any]) -> None:
    shown, known = scanned([stream], choice)
    shown_in_pieces, known_in_pieces = scanned([stream[at : at + 1] for at in range(len(stream))], choice)
    assert known_in_pieces == known
    assert shown_in_pieces.startswith(shown)
    assert known is None or shown_in_pieces == shown


@examples(200)
@given(st.binary(max_size=300), options)
def test_no_bytes_are_a_defect(stream: bytes, choice: tuple[bool, bool, Any]) -> None:
    shown, _ = scanned([PLAIN + b"\n\n" + stream], choice)
    assert not shown or shown.endswith(b"\n\n")
