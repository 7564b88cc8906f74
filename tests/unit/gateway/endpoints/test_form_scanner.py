"""Has a form that arrives in pieces the very parts that it has as a whole?"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from litemaas.core.errors import MalformedBody
from litemaas.gateway.endpoints.form_scanner import Began, Ended, FormScanner
from litemaas.gateway.endpoints.multipart import MAX_HEAD, Part, part_of, split_parts

BOUNDARY = b"b0undary"
MOST = 3
Found = list[tuple[bytes, bytes]] | None
"""Header lines and content of each part; None = refused."""


def as_a_whole(form: bytes) -> Found:
    try:
        return [(part.head, bytes(part.content)) for part in split_parts(form, BOUNDARY, MOST)]  # type: ignore[arg-type]
    except MalformedBody:
        return None


def in_pieces(pieces: list[bytes]) -> Found:
    scanner = FormScanner(BOUNDARY, MOST)
    parts: list[Part] = []
    contents: list[bytes] = []
    complete = 0
    try:
        for piece in pieces:
            for event in scanner.feed(piece):
                if isinstance(event, Began):
                    parts.append(part_of(event.head, memoryview(b"")))
                    contents.append(b"")
                elif isinstance(event, Ended):
                    complete += 1
                else:
                    assert event
                    contents[-1] += event
        scanner.finish()
    except MalformedBody:
        return None
    assert complete == len(parts)
    return [(part.head, content) for part, content in zip(parts, contents, strict=True)]


def cut(form: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(form) + 1) for place in places} | {0, len(form)})
    return [form[start:end] for start, end in pairwise(ends)]


tokens = st.sampled_from(
    [b"--b0undary", b"\r\n", b"--", b"\r\n--b0undary\r\n", b"\r\n--b0undary--", b"x", b"\r", b"\n", b"-", b"\r\n\r\n",
     b"--b0undary\r\n", b'Content-Disposition: form-data; name="a"\r\n\r\n', b"Content-Type: text/plain\r\n", b"\r\n--b0und"]
)  # fmt: skip
head = b'Content-Disposition: form-data; name="a"\r\n\r\n'
contents = st.lists(
    st.sampled_from([b"\r\n", b"--b0undary", b"--", b"-", b"\r", b"\n", b"ab", b"\r\n--b0undar"]), max_size=6
)


@st.composite
def forms(draw: st.DrawFn) -> bytes:
    if draw(st.booleans()):
        return b"".join(draw(st.lists(tokens, max_size=12)))
    parts = [head + b"".join(draw(contents)) for _ in range(draw(st.integers(1, 4)))]
    ending = draw(st.sampled_from([b"--", b"--\r\n", b"--\r\nx", b"", b"--x"]))
    return b"--b0undary\r\n" + b"\r\n--b0undary\r\n".join(parts) + b"\r\n--b0undary" + ending


@given(forms(), st.lists(st.integers(0, 10_000), max_size=8))
@example(b"--b0undary\r\n" + head + b"\r\n--b0undary--", [])
@example(b"--b0undary\r\n" + head + b"\r\n--b0undaryX\r\n--b0undary--\r\n", [60])
def test_pieces_and_whole_agree(form: bytes, places: list[int]) -> None:
    assert in_pieces(cut(form, places)) == as_a_whole(form)


@given(forms())
def test_single_bytes_and_whole_agree(form: bytes) -> None:
    assert in_pieces([form[at : at + 1] for at in range(len(form))]) == as_a_whole(form)


def test_no_more_is_kept_than_a_boundary_may_take() -> None:
    scanner = FormScanner(BOUNDARY, MOST)
    scanner.feed(b"--b0undary\r\n" + head)
    for _ in range(100):
        scanner.feed(b"\r\n-" * 10_000)
        assert len(scanner._buffer) <= len(BOUNDARY) + 6


@pytest.mark.parametrize("size", [MAX_HEAD, 10 * MAX_HEAD])
def test_header_lines_without_an_end_are_refused_before_they_fill_memory(size: int) -> None:
    scanner = FormScanner(BOUNDARY, MOST)
    with pytest.raises(MalformedBody, match="no end to its header lines"):
        scanner.feed(b"--b0undary\r\n" + b"x" * size)
