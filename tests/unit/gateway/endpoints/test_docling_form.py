"""Does a form reach the engine with its files untouched, its fields in v1's form and nothing hidden in it?"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gateway.endpoints.docling_calls import (
    FILE,
    OURS,
    THEIRS,
    ask_form,
    endpoint,
    fields,
    file_head,
    form,
    target,
)
from tests.unit.gateway.http.dialogue import examples

from litemaas.core.errors import BodyTooLarge, ClientCredentialsRefused, InvalidField, MalformedBody, MissingField
from litemaas.gateway.endpoints.docling import random_boundary
from litemaas.gateway.endpoints.docling_form import read_form_request
from litemaas.gateway.endpoints.multipart import boundary_of, field, renamed, render_parts, split_parts

A_FILE = (file_head(), b"%PDF-1\r\n\x00\xff")
JSON = ("to_formats", b"json")


def arrived(payload: bytes) -> list[tuple[str, bytes]]:
    """Name and content of each part."""
    return [(part.name, bytes(part.content)) for part in split_parts(payload, OURS, 1000)]


async def test_file_arrives_untouched_under_our_boundary() -> None:
    ask = await ask_form(form(("model", b"docling"), A_FILE, JSON))
    assert ask.payload == form(A_FILE, JSON, boundary=OURS)
    assert ask.content_type == b"multipart/form-data; boundary=" + OURS
    assert (ask.model, ask.documents, ask.pages_bound) == ("docling", 1, 100)
    assert endpoint(FILE).path(target().deployment) == "/v1/convert/file"


def test_boundaries_cannot_be_foreseen() -> None:
    assert random_boundary() != random_boundary()
    assert boundary_of(b"multipart/form-data; boundary=" + random_boundary())


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        (fields(("to_formats", "json"), ("model", "m"), ("user", "u"), ("tags", "https://x")), fields(("to_formats", "json"))),
        (fields(("to_formats", "md"), ("to_formats", "json")), fields(("to_formats", "md"), ("to_formats", "json"))),
        (fields(("output_format", "json")), fields(("to_formats", "json"))),
        (fields(("output_format", "markdown"), ("target_type", "zip")), fields(("target_type", "zip"), ("to_formats", "md"))),
        (fields(("output_format", "markdown"), ("to_formats", "json")), fields(("to_formats", "json"))),
        (fields(("return_as_file", "True")), fields(("target_type", "zip"))),
        (fields(("return_as_file", "false"), ("to_formats", "json")), fields(("to_formats", "json"))),
        (fields(("return_as_file", "1"), ("target_type", "inbody"), ("to_formats", "json")),
         fields(("target_type", "inbody"), ("to_formats", "json"))),
        (fields(("options", '{"to_formats":["md","json"],"do_ocr":false,"images_scale":2.50,"ocr_lang":[],"x":null}')),
         fields(("to_formats", "md"), ("to_formats", "json"), ("do_ocr", "false"), ("images_scale", "2.50"))),
        (fields(("options", '{"page_range":[1,2],"to_formats":["json"]}')),
         fields(("page_range", "1"), ("page_range", "2"), ("to_formats", "json"))),
        (fields(("options", '{"a":{"b":"c d"},"d":[[1]],"e":"f","output_format":"json"}')),
         fields(("a", '{"b":"c d"}'), ("d", "[[1]]"), ("e", "f"), ("to_formats", "json"))),
        (fields(("options", '{"do_ocr":false,"to_formats":["md"]}'), ("do_ocr", "true"), ("to_formats", "json")),
         fields(("do_ocr", "true"), ("to_formats", "json"))),
        (fields(("options", '{"return_as_file":true,"model":"x","user":"y"}')), fields(("target_type", "zip"))),
        (fields(("options", '{"target_type":"zip"}')), fields(("target_type", "zip"))),
        (fields(("md_page_break_placeholder", "[page] <!-- 1: 2 -->"), ("n", "12"), ("to_formats", "json")),
         fields(("md_page_break_placeholder", "[page] <!-- 1: 2 -->"), ("n", "12"), ("to_formats", "json"))),
    ],
)  # fmt: skip
async def test_fields_are_brought_to_the_form_of_v1(
    sent: list[tuple[str, bytes]], arrives: list[tuple[str, bytes]]
) -> None:
    ask = await ask_form(form(*sent, A_FILE))
    found = arrived(ask.payload)
    assert [part for part in found if part[0] != "files"] == arrives
    assert ("files", A_FILE[1]) in found
    assert not ask.hides_json


@pytest.mark.parametrize(
    ("sent", "formats"),
    [
        ([], [b"md", b"json"]),
        (fields(("to_formats", "html")), [b"html", b"json"]),
        (fields(("output_format", "markdown")), [b"md", b"json"]),
        (fields(("options", '{"to_formats":["text","html"]}')), [b"text", b"html", b"json"]),
        (fields(("options", '{"to_formats":[]}')), [b"md", b"json"]),
        (fields(("target_type", "inbody")), [b"md", b"json"]),
    ],
)
async def test_json_output_is_added_where_the_answer_can_hold_it(
    sent: list[tuple[str, bytes]], formats: list[bytes]
) -> None:
    ask = await ask_form(form(*sent, A_FILE))
    assert ask.hides_json
    assert [content for name, content in arrived(ask.payload) if name == "to_formats"] == formats


async def test_several_files_are_counted_and_get_no_added_output() -> None:
    ask = await ask_form(form(A_FILE, (file_head("file", "b.pdf"), b""), ("page_range", b"2"), ("page_range", b"3")))
    assert (ask.documents, ask.pages_bound) == (2, 4)
    assert [name for name, _ in arrived(ask.payload)] == ["files", "files", "page_range", "page_range"]


async def test_older_name_of_the_file_field_is_renamed_and_nothing_else() -> None:
    quoted = 'content-disposition: form-data; filename="a \\"é\\".pdf"; name="file"\r\nX-Kept: 1'
    plain = "Content-Disposition: form-data; name=file; filename=a.pdf; filename*=utf-8''a.pdf"
    ask = await ask_form(form((quoted, b"1"), (plain, b"2"), JSON))
    assert ask.payload == form(
        (quoted.replace('"file"', '"files"'), b"1"), (plain.replace("=file;", '="files";'), b"2"), JSON, boundary=OURS
    )


@pytest.mark.parametrize(
    "content_type",
    [b'multipart/form-data; boundary="----theirs"', b"Multipart/Form-Data;boundary=----theirs",
     b"multipart/form-data ; charset=UTF-8 ; Boundary=----theirs "],
)  # fmt: skip
async def test_boundary_is_found_in_every_valid_spelling(content_type: bytes) -> None:
    assert (await ask_form(form(A_FILE), content_type)).documents == 1


@pytest.mark.parametrize(
    "content_type",
    [
        b"", b"application/json", b"multipart/form-data", b"multipart/form-data; boundary=",
        b'multipart/form-data; boundary=""',
        b"multipart/mixed; boundary=----theirs", b"multipart/form-data; boundary=a; boundary=----theirs",
        b"multipart/form-data; boundary=" + b"a" * 71, b"multipart/form-data; boundary=----theirs; charset=utf-16",
        b"multipart/form-data; boundary=----theirs; x=y", b"multipart/form-data; boundary=----theirs,multipart/form-data",
        b'multipart/form-data; boundary="a ', b"multipart/form-data; boundary=\xe4", b'multipart/form-data; boundary="a "',
    ],
)  # fmt: skip
async def test_content_type_without_one_clear_boundary_is_refused(content_type: bytes) -> None:
    with pytest.raises(MalformedBody):
        await ask_form(form(A_FILE), content_type)


def raw_part(head: bytes, end: bytes = b"\r\n------theirs--\r\n") -> bytes:
    return b"------theirs\r\n" + head + b"\r\n\r\nx" + end


GOOD_HEAD = b'Content-Disposition: form-data; name="files"; filename="a"'


@pytest.mark.parametrize(
    "body",
    [
        b"", b"------theirs--\r\n", b"preamble\r\n" + raw_part(GOOD_HEAD), b"\r\n" + raw_part(GOOD_HEAD),
        b"------theirs \r\n" + raw_part(GOOD_HEAD)[14:], raw_part(GOOD_HEAD).replace(b"\r\n", b"\n"),
        raw_part(GOOD_HEAD, b""), raw_part(GOOD_HEAD, b"\r\n------theirs\r\n"), raw_part(GOOD_HEAD, b"\r\n------theirs"),
        raw_part(GOOD_HEAD, b"\r\n------theirs--\r\nepilogue"), raw_part(GOOD_HEAD, b"\r\n------theirs--x"),
        raw_part(b""), raw_part(b"X: 1"), raw_part(b"Content-Disposition: attachment; name=files; filename=a"),
        raw_part(b"Content-Disposition: ;name=files"), raw_part(b"Content-Disposition: form-data"),
        raw_part(b'Content-Disposition: form-data; filename="a"'), raw_part(b'Content-Disposition: form-data; name=""'),
        raw_part(GOOD_HEAD + b'; name="model"'), raw_part(GOOD_HEAD + b'; filename="b"'), raw_part(GOOD_HEAD + b"; size=1"),
        raw_part(GOOD_HEAD + b'; name*=utf-8\'\'model'), raw_part(GOOD_HEAD + b'; name*0="mo"; name*1="del"'),
        raw_part(GOOD_HEAD + b'; filename="b'), raw_part(GOOD_HEAD + b";"), raw_part(GOOD_HEAD + b" x"),
        raw_part(b'Content-Disposition: form-data; name="fi les"; filename="a"'),
        raw_part(b'Content-Disposition: form-data; name="fil\\es"; filename="a"'),
        raw_part(GOOD_HEAD + b"\r\n" + GOOD_HEAD), raw_part(GOOD_HEAD + b"\r\ncontent-Disposition: form-data; name=model"),
        raw_part(GOOD_HEAD + b"\r\nContent-Type: a\r\nContent-type: b"), raw_part(GOOD_HEAD + b"\r\n folded"),
        raw_part(GOOD_HEAD + b"\r\nno colon"), raw_part(GOOD_HEAD + b"\r\nX : 1"), raw_part(GOOD_HEAD + b"\nX: 1"),
        raw_part(GOOD_HEAD + b"\rX: 1"), raw_part(GOOD_HEAD + b"\r\nX: \x00"),
        raw_part(GOOD_HEAD + b"".join(b"\r\nX%d: 1" % n for n in range(8))), raw_part(GOOD_HEAD + b"\r\nX: " + b"a" * 9000),
        form(*fields(*[("a", "b")] * 257)),
    ],
)  # fmt: skip
async def test_malformed_form_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody) as refused:
        await ask_form(body)
    assert refused.value.field == "request_body"


@pytest.mark.parametrize("parts", [[("model", b"m")], fields(("to_formats", "md"))])
async def test_form_without_a_file_is_refused(parts: list[tuple[str, bytes]]) -> None:
    with pytest.raises(MissingField) as refused:
        await ask_form(form(*parts))
    assert refused.value.field == "files"


@pytest.mark.parametrize(
    ("part", "field_name"),
    [
        (("files", b"not a file"), "files"),
        (("file", b"not a file"), "files"),
        ((file_head("files", ""), b""), "files"),
        ((file_head("attachment"), b""), "attachment"),
        ((file_head("model"), b""), "model"),
        (("to_formats", b"\xff"), "to_formats"),
        (("to_formats", b"a" * 70_000), "to_formats"),
        (("target_type", b"put"), "target_type"),
        (("target_type", b"s3"), "target_type"),
        (("return_as_file", b"maybe"), "return_as_file"),
        (("options", b"[]"), "options"),
        (("options", b"{"), "options"),
        (("options", b'{"a b":1}'), "options"),
        (("options", b'{"files":"x"}'), "options"),
        (("options", b'{"file":"x"}'), "options"),
        (("options", json.dumps({"ocr_lang": ["a"] * 300}).encode()), "options"),
        (("options", b'{"target_type":"s3"}'), "target_type"),
        (("options", b'{"output_format":["a","b"]}'), "output_format"),
        (("options", b'{"picture_description_api":{"url":"llm"}}'), "options.picture_description_api.url"),
        (("options", b'{"a":"\\u0068ttp:x"}'), "options.a"),
        (("callbacks", b'[{"url":"x"}]'), "callbacks"),
        (("picture_description_api", b'{"url":"http:\\/\\/x"}'), "picture_description_api.url"),
        (("picture_description_api", b'{"timeout":NaN,"url":"llm"}'), "picture_description_api.url"),
        (("vlm_pipeline_model_api", b' {"a":{"base_url":"llm"}}'), "vlm_pipeline_model_api.a.base_url"),
        (("a", b'"\\u0068ttp:x"'), "a"),
        (("a", b"see https://x"), "a"),
        (("a", b"[" * 60_000), "a"),
        (("a", b"[" * 40 + b"]" * 40), "a"),
        (("a", b"9" * 5000), "a"),
        (("guardrails", b"x"), "guardrails"),
    ],
)  # fmt: skip
async def test_what_may_not_be_asked_for_is_refused_by_name(part: tuple[str, bytes], field_name: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await ask_form(form(A_FILE, part))
    assert refused.value.field == field_name


@pytest.mark.parametrize("name", ["model", "options", "return_as_file", "output_format"])
async def test_field_that_can_mean_two_things_is_refused(name: str) -> None:
    value = b"{}" if name == "options" else b"true"
    with pytest.raises(InvalidField) as refused:
        await ask_form(form((name, value), (name, value), A_FILE))
    assert refused.value.field == name


async def test_empty_model_field_is_no_model() -> None:
    ask = await ask_form(form(("model", b""), ("user", b"u1"), A_FILE))
    assert (ask.model, ask.end_user) == (None, "u1")


async def test_client_may_not_say_where_the_engine_is() -> None:
    with pytest.raises(ClientCredentialsRefused):
        await ask_form(form(("api_key", b"x"), A_FILE))


async def test_body_is_bounded() -> None:
    with pytest.raises(BodyTooLarge):
        await ask_form(form(A_FILE), max_body=10)


# -- whatever a file holds ----------------------------------------------------------------------------------------------

LOOK_ALIKES = (
    b"--" + THEIRS, b"\r\n--" + THEIRS, b"\r\n--" + THEIRS + b"x", b"\r\n--" + THEIRS + b"-x", b"\r\n--" + THEIRS + b" \r\n",
    b"\r\n--" + THEIRS + b"\r", b"\r\n--" + THEIRS[:-1], b"\n--" + THEIRS + b"\n", b"\r\n--" + OURS[:-1] + b"\r\n", b"\r\n\r\n",
    b"\r\n--\r\n", b"\r", b"\n", b"--", b"-", b'Content-Disposition: form-data; name="model"\r\n\r\n',
)  # fmt: skip
CONTENT = st.lists(st.one_of(st.binary(max_size=20), st.sampled_from(LOOK_ALIKES)), max_size=8).map(b"".join)


def is_delimiter_free(content: bytes) -> bool:
    """A file with a line that is its form's own boundary is no file of that form."""
    lines = b"\r\n" + content + b"\r\n"
    return b"\r\n--" + THEIRS + b"\r\n" not in lines and b"\r\n--" + THEIRS + b"--" not in lines


@examples(300)
@given(contents=st.lists(CONTENT.filter(is_delimiter_free), min_size=1, max_size=4), value=st.text(max_size=20))
def test_files_of_any_content_survive(contents: list[bytes], value: str) -> None:
    own = [field("model", "m"), field("to_formats", "json")]
    sent = form(("model", b"m"), JSON, *((file_head(), content) for content in contents))
    assert render_parts(split_parts(sent, THEIRS, 9), THEIRS) == sent
    asked = read_form_request(b"multipart/form-data; boundary=" + THEIRS, sent, OURS, 1)
    assert asked.body == form(JSON, *((file_head(), content) for content in contents), boundary=OURS)
    assert [part.head for part in split_parts(sent, THEIRS, 9)[:2]] == [part.head for part in own]


@examples(200)
@given(body=st.lists(st.one_of(st.binary(max_size=10), st.sampled_from((*LOOK_ALIKES, GOOD_HEAD)))).map(b"".join))
def test_any_bytes_are_a_form_or_malformed(body: bytes) -> None:
    for whole in (body, b"--" + THEIRS + b"\r\n" + GOOD_HEAD + body, form((file_head(), body))):
        try:
            parts = split_parts(whole, THEIRS, 9)
        except MalformedBody:
            continue
        assert split_parts(render_parts(parts, THEIRS), THEIRS, 9) == parts


@examples(100)
@given(st.text(max_size=30))
def test_own_field_is_read_as_it_was_written(value: str) -> None:
    written = field("model", value)
    (found,) = split_parts(render_parts([written], OURS), OURS, 1)
    assert found == written
    assert renamed(found, "other") == renamed(written, "other")
    assert renamed(renamed(found, "other"), "model") == found


def test_list_in_options_becomes_a_field_for_each_value() -> None:
    sent = form(("options", b'{"a":["x",1,true,1.50]}'), A_FILE, JSON)
    asked = read_form_request(b"multipart/form-data; boundary=" + THEIRS, sent, OURS, 1)
    assert [content for name, content in arrived(asked.body) if name == "a"] == [b"x", b"1", b"true", b"1.5"]
