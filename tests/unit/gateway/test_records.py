"""Is what is written for COPY read back as it was?"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from litemaas.gateway.records import (
    JOURNAL_COLUMNS,
    NOTHING_SERVED,
    NULL,
    InstantText,
    agent_text,
    bookings_text,
    json_text,
    served_text,
    text,
    who_text,
)

texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\\\t\n\r\0Nu0"), max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
_READ = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}


def read(column: str) -> str:
    """A column as COPY reads it (PostgreSQL 16 documentation, COPY, "Text Format")."""
    told, rest = "", iter(column)
    for character in rest:
        told += _READ[next(rest)] if character == "\\" else character
    return told


def without_nul(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [without_nul(part) for part in value]
    if isinstance(value, dict):
        return {without_nul(name): without_nul(part) for name, part in value.items()}
    return value


@given(texts)
def test_any_text_is_read_back_and_never_ends_its_column(value: str) -> None:
    column = text(value)
    assert not {"\t", "\n", "\r", "\0"} & set(column)
    assert column != NULL
    assert read(column) == value.replace("\0", "")


@given(st.dictionaries(texts, values, max_size=4) | st.lists(texts, max_size=4))
def test_any_json_is_read_back_without_what_postgresql_refuses(value: dict[str, object] | list[str]) -> None:
    column = json_text(value)
    assert not {"\t", "\n", "\r"} & set(column)
    assert json.loads(read(column)) == without_nul(value)


def test_what_is_very_large_is_left_out_and_says_so() -> None:
    assert json.loads(json_text({"novel": "x" * 70_000})) == {"left_out": "it was larger than 65536 bytes"}
    assert json_text(["x" * 70_000]) == "[]"
    assert len(json.loads(json_text({"novel": "x" * 60_000}))["novel"]) == 60_000


def test_nobody_and_nothing_are_null() -> None:
    assert text(None) == agent_text(None) == NULL
    assert who_text("/embeddings", "h", None, None, None, "m") == f"/embeddings\th\t{NULL}\t{NULL}\t{NULL}\tm"
    assert NOTHING_SERVED.split("\t") == [NULL] * 5
    assert agent_text(b"\xe9" * 300) == "é" * 256


def test_the_fixed_parts_have_as_many_columns_as_the_journal_names() -> None:
    names = [name for name, _ in JOURNAL_COLUMNS]
    who = names.index("endpoint"), names.index("deployment_id")
    assert len(who_text("a", "b", "c", "d", "e", "f").split("\t")) == who[1] - who[0]
    assert len(served_text("a", "b", "c", "d", 1).split("\t")) == names.index("bookings") - who[1]


def test_bookings_name_scope_and_window() -> None:
    start = datetime(2026, 11, 23, tzinfo=UTC)
    assert json.loads(read(bookings_text([("key:a\\b", start)]))) == [["key:a\\b", "2026-11-23T00:00:00Z"]]


@given(st.floats(0, 4e9))
def test_an_instant_is_written_to_the_microsecond(at: float) -> None:
    write = InstantText()
    for moment in (at, at + 0.25, at):
        told = datetime.strptime(write.of(moment) + "00", "%Y-%m-%d %H:%M:%S.%f%z")
        assert abs(told.timestamp() - moment) < 2e-6
