"""Is a body read by its members without touching their bytes, and are wrong members refused by name?"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.errors import InvalidField, MalformedBody
from litemaas.gateway.bodies import count_of, flag_of, object_of, read_members, render, text_of, value_of, with_value

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
objects = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), values, max_size=5)


@given(objects, st.sampled_from([None, 1]), st.booleans())
def test_any_object_says_the_same_after_it_was_taken_apart_and_put_together(
    value: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()

    assert json.loads(render(read_members(body))) == value


def test_members_keep_their_bytes_and_their_order() -> None:
    members = read_members(b' { "z" : 1.0e+2 , "a":[ 1,2 ],"b":"\\u00e9\\/" } ')

    assert render(members) == b'{"z":1.0e+2,"a":[ 1,2 ],"b":"\\u00e9\\/"}'


def test_a_member_that_stands_twice_goes_up_once_with_the_value_that_counts() -> None:
    members = read_members(b'{"max_tokens":1,"n":2,"max_\\u0074okens":400}')

    assert render(members) == b'{"max_tokens":400,"n":2}'
    assert count_of(members, "max_tokens") == 400


spelled = st.sampled_from(['"model"', '"mod\\u0065l"', '"m"', '"\\u006d"', '"n"', '"é"', '""', '"a\\"b"'])
spaces = st.sampled_from(["", "", "", " ", "\n"])
members_as_written = st.lists(
    st.tuples(spelled, spaces, spaces, st.sampled_from(["1", '"x"', '"\\u0041"', "[1, 2]"])), max_size=5
)


@given(members_as_written, spaces)
def test_a_value_is_replaced_where_it_stands_only_if_nothing_else_has_to_be_settled(
    written: list[tuple[str, str, str, str]], end: str
) -> None:
    body = ("{" + ",".join(f"{name}{a}:{b}{value}" for name, a, b, value in written) + "}" + end).encode()
    members = read_members(body)

    replaced = with_value(body, members, "model", b'"engine"')

    if replaced is not None:
        assert render(members) == body
        assert replaced == render({**members, "model": b'"engine"'})
    elif "model" in members and all(name.isascii() and "\\" not in name for name in map(str, [w[0] for w in written])):
        assert render(members) != body


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"text"', b"{'a':1}", b'{"a":1} {}', b'{"a":NaN}', b'{"a":01}',
        b'{"\xff":1}', b'{"a":"\x01"}', b'\xef\xbb\xbf{"a":1}', b"{" * 100_000, b'{"a":' + b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody, match="is not a JSON object") as refusal:
        read_members(body)
    assert refusal.value.field == "request_body"


@pytest.mark.parametrize(
    ("read", "absent", "good", "wrong"),
    [
        (text_of, None, {'"x"': "x", '"\\u00e9"': "é", '""': ""}, ["1", "[]", "{}", "true"]),
        (count_of, None, {"0": 0, "7": 7}, ["-1", '"7"', "1.5", "true", "[1]", "{}"]),
        (flag_of, False, {"true": True, "false": False}, ["1", '"true"', "[]", "0"]),
        (object_of, {}, {"{}": {}, '{"a":[1]}': {"a": [1]}}, ["1", "[]", '"x"', "true"]),
    ],
)
def test_a_member_of_the_wrong_kind_is_refused_by_name(
    read: Callable[[dict[str, Any], str], Any], absent: Any, good: dict[str, Any], wrong: list[str]
) -> None:
    assert read(read_members(b"{}"), "m") == absent
    assert read(read_members(b'{"m":null}'), "m") == absent
    for text, value in good.items():
        assert read(read_members(b'{"m": %b }' % text.encode()), "m") == value
    for text in wrong:
        with pytest.raises(InvalidField) as refusal:
            read(read_members(b'{"m":%b}' % text.encode()), "m")
        assert refusal.value.field == "m"


@given(values)
def test_any_value_is_read_as_json_reads_it(value: Any) -> None:
    assert value_of(read_members(b'{"m":%b}' % json.dumps(value).encode()), "m") == value


def test_absurdly_large_counts_are_refused_or_read_exactly() -> None:
    for text in ("9223372036854775807", "18446744073709551616", "1" + "0" * 400):
        try:
            assert count_of(read_members(b'{"m":%b}' % text.encode()), "m") == int(text)
        except InvalidField as refusal:
            assert refusal.field == "m"  # noqa: PT017 - either outcome is right


def test_names_that_clients_make_up_do_not_fill_the_memory() -> None:
    for number in range(2000):
        name = f"made-up-{number}"
        assert render({name: b"1"}) == f'{{"{name}":1}}'.encode()


def test_a_value_that_cannot_be_read_is_refused_by_its_members_name() -> None:
    with pytest.raises(InvalidField, match="a is not valid JSON"):
        value_of(read_members(b'{"a":1e400}'), "a")
