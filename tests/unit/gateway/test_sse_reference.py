"""Does the scanner of bytes say what a plain reader of JSON would say, of whatever an engine may send?"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from litemaas.gateway.sse import EventScanner

ENGINE, PUBLIC = "engine/model-1", 'public "name" é'
TRICKY = st.sampled_from([
    ',"usage":', '"usage":null}', '{"usage":{"prompt_tokens":9}}', ',"model":"engine/model-1"',
    '"choices":[]', "\\", '"', "}", "{",
    "\u2028", "😀", "data: [DONE]", "\\n\\n", '{"error":1}',
])  # fmt: skip
words = st.lists(TRICKY | st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=3).map("".join)
counts = st.integers(0, 50)
usages = st.none() | st.fixed_dictionaries(
    {"prompt_tokens": counts, "completion_tokens": counts},
    optional={
        "total_tokens": counts,
        "prompt_tokens_details": st.none() | st.fixed_dictionaries({"cached_tokens": counts}),
        "x": words,
    },
)
odd_names = st.sampled_from(["usage", "model", "choices", "x", "error"])
extras = st.recursive(
    st.none() | counts | words | usages,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(odd_names, inner, max_size=2),
    max_leaves=4,
)
choices = st.lists(
    st.fixed_dictionaries(
        {"index": counts, "delta": st.dictionaries(st.sampled_from(["content", "usage", "x"]), extras)}
    ),
    min_size=1,
    max_size=2,
)


@st.composite
def chunks(draw: st.DrawFn) -> dict[str, Any]:
    """A chunk of an answer, its members in any order."""
    members: dict[str, Any] = {"id": "c-1", "object": "chat.completion.chunk"}
    if draw(st.booleans()):
        members["model"] = draw(st.sampled_from([ENGINE, ENGINE, "another"]))
    members["choices"] = draw(choices | st.just([]))
    if draw(st.booleans()):
        members["usage"] = draw(usages)
    if draw(st.booleans()):
        members["extra"] = draw(extras)
    names = draw(st.permutations(list(members)))
    return {name: members[name] for name in names}


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[dict[str, Any]], bytes]:
    """Chunks, and one of the ways to write them; the whole stream is written in one way, as one engine does."""
    values = draw(st.lists(chunks(), min_size=1, max_size=6))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    prefix = draw(st.sampled_from(["data: ", "data:", ": ping\ndata: "]))
    end = draw(st.sampled_from(["\n\n", "\r\n\r\n"]))
    ascii_only = draw(st.booleans())
    written = "".join(prefix + json.dumps(v, separators=separators, ensure_ascii=ascii_only) + end for v in values)
    if "\r" in end:
        written = written.replace(": ping\n", ": ping\r\n")
    return values, written.encode()


def shown(values: list[dict[str, Any]], strip: bool, drop: bool) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """What the client should get, and the usage that was reported last: a plain reader's view."""
    usage, seen = None, []
    for value in values:
        told = dict(value)
        is_usage_chunk = told.get("usage") is not None and told["choices"] == []
        usage = told.get("usage") or usage
        if is_usage_chunk and drop:
            continue
        if strip and not is_usage_chunk:
            told.pop("usage", None)
        if "model" in told:
            told["model"] = PUBLIC
        seen.append(told)
    return seen, usage


NESTED = {
    "id": "c-1", "choices": [{"index": 0, "delta": {"content": "Hi"}}], "x": {"choices": []},
    "usage": {"prompt_tokens": 1, "completion_tokens": 2},
}  # fmt: skip
BLANK = {"id": "c-1", "choices": [{"index": 0, "delta": {}}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}


def compact(*values: dict[str, Any], end: str = "\n\n") -> tuple[list[dict[str, Any]], bytes]:
    return list(values), "".join("data: " + json.dumps(v, separators=(",", ":")) + end for v in values).encode()


def agrees(stream: tuple[list[dict[str, Any]], bytes], options: tuple[bool, bool], cuts: list[int]) -> None:
    """Fails where the scanner and the plain reader differ."""
    values, written = stream
    strip, drop = options
    scanner = EventScanner(strip_usage=strip, drop_usage_chunk=drop, rename=(ENGINE, PUBLIC))
    edges = [0, *sorted(cut for cut in cuts if cut < len(written)), len(written)]
    told = b"".join(scanner.feed(written[a:b]) for a, b in pairwise(edges))
    lines = [line for line in told.split(b"\n") if line.startswith(b"data:")]
    expected, usage = shown(values, strip, drop)
    assert [json.loads(line[5:]) for line in lines] == expected
    assert [list(json.loads(line[5:])) for line in lines] == [list(value) for value in expected]
    reported = scanner.usage
    assert (reported is None) == (usage is None)
    if reported is not None and usage is not None:
        assert (reported.prompt_tokens, reported.completion_tokens) == (
            usage["prompt_tokens"],
            usage["completion_tokens"],
        )
    assert scanner.chunks == sum(1 for v in values if not (v.get("usage") is not None and v["choices"] == []))
    assert not told or told.endswith(b"\n\n")


@settings(max_examples=400)
@given(
    streams(),
    st.sampled_from([(True, True), (True, False), (False, False)]),
    st.lists(st.integers(0, 3000), max_size=5),
)
def test_the_scanner_agrees_with_a_plain_reader(
    stream: tuple[list[dict[str, Any]], bytes], options: tuple[bool, bool], cuts: list[int]
) -> None:
    agrees(stream, options, cuts)


def test_an_empty_list_of_choices_deep_in_a_chunk_is_not_the_chunks_own() -> None:
    agrees(compact(NESTED), (True, True), [])


def test_one_blank_line_too_many_changes_nothing() -> None:
    agrees(compact(BLANK, BLANK, end="\n\n\n"), (True, True), [])
