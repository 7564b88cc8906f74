"""Does a JSON body reach the engine in its v1 form, with all that it may not ask for refused?"""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.gateway.endpoints.docling_calls import PDF, SOURCE, Resolver, ask_source, endpoint, sent_source, target

from litemaas.core.catalog import Mode
from litemaas.core.errors import BodyTooLarge, ClientCredentialsRefused, InvalidField, MalformedBody, MissingField
from litemaas.gateway.endpoints.docling import docling_endpoints

PAGE = {"kind": "http", "url": "https://docs.example.org/a.pdf"}

WITH_OPTION = b'{"sources":[{"kind":"file","base64_string":"QUJD","filename":"a"}],"options":{"a":'


def body(*sources: object, **members: object) -> dict[str, object]:
    return {"sources": list(sources) or [PDF], **members}


def test_older_and_newer_paths_are_the_same_endpoints() -> None:
    endpoints = docling_endpoints(1024)
    ways = ("source", "file", "source/async", "file/async")
    assert set(endpoints) == {f"/docling/{version}/convert/{last}" for version in ("v1", "v1alpha") for last in ways}
    for last in ways:
        assert endpoints[f"/docling/v1alpha/convert/{last}"] is endpoints[f"/docling/v1/convert/{last}"]
        found = endpoints[f"/docling/v1/convert/{last}"]
        assert (found.is_free, found.modes) == (False, frozenset({Mode.CONVERSION}))
        assert found.defers is last.endswith("/async")


@pytest.mark.parametrize("base", ["http://docling:5001", "http://docling:5001/", "http://docling:5001/v1"])
def test_calls_go_to_the_root_of_the_engine(base: str) -> None:
    assert endpoint(SOURCE).path(target(api_base=base).deployment) == "/v1/convert/source"


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        (body(model="docling"), body()),
        (body(user="me", metadata={"tags": ["https://tag"]}, num_retries=1), body()),
        ({"http_sources": [{"url": "https://docs.example.org/"}]},
         body({"kind": "http", "url": "https://docs.example.org/"})),
        ({"file_sources": [{"base64_string": "QUJD", "filename": "a"}], "http_sources": None},
         body({"kind": "file", "base64_string": "QUJD", "filename": "a"})),
        ({"http_sources": [{"url": "https://docs.example.org/"}], "file_sources": [{"kind": "s3", **PDF}], "sources": [PDF]},
         body(PDF, {"kind": "http", "url": "https://docs.example.org/"}, PDF)),
        (body(options={"return_as_file": True}), body(target={"kind": "zip"})),
        (body(options={"return_as_file": False}), body()),
        (body(options={"return_as_file": True}, target={"kind": "inbody"}), body(target={"kind": "inbody"})),
        (body(options={"output_format": "markdown"}), body(options={"to_formats": ["md"]})),
        (body(options={"output_format": "html"}), body(options={"to_formats": ["html"]})),
        (body(options={"output_format": "markdown", "to_formats": ["text"]}), body(options={"to_formats": ["text"]})),
        (body(options=None, target=None, callbacks=[]), body(callbacks=[])),
        (body(options={"prompt": "a: b", "picture_description_api": None}, kept={"a": [1]}),
         body(options={"prompt": "a: b", "picture_description_api": None}, kept={"a": [1]})),
        (body(PAGE | {"headers": {"Referer": "https://x"}}), body(PAGE | {"headers": {"Referer": "https://x"}})),
    ],
)  # fmt: skip
async def test_body_is_brought_to_the_form_of_v1(sent: dict[str, object], arrives: dict[str, Any]) -> None:
    ask = await ask_source(sent)
    found = await sent_source(sent)
    if ask.hides_json:
        formats = found["options"].pop("to_formats")
        assert formats[-1] == "json"
        asked = arrives.get("options", {}).pop("to_formats", ["md"])
        assert formats[:-1] == asked
        if not found["options"]:
            found.pop("options")
        if not arrives.get("options"):
            arrives.pop("options", None)
    assert found == arrives


async def test_what_is_not_read_keeps_its_spelling() -> None:
    sent = (
        b'{"sources":[{"kind":"file","base64_string":"QUJD","filename":"\\u0061"}],'
        b'"options":{"images_scale":2.50e0,"to_formats":["json"]},"x":1.10}'
    )
    assert (await ask_source(sent)).payload == (
        b'{"x":1.10,"options":{"images_scale":2.50e0,"to_formats":["json"]},'
        b'"sources":[{"kind":"file","base64_string":"QUJD","filename":"\\u0061"}]}'
    )


async def test_member_that_stands_twice_goes_upstream_once() -> None:
    twice = b'{"sources":[{"kind":"http","url":"http://10.0.0.1/","url":"https://docs.example.org/"}]}'
    assert (await sent_source(twice))["sources"] == [{"kind": "http", "url": "https://docs.example.org/"}]


@pytest.mark.parametrize(
    ("options", "target", "arrives", "hides"),
    [
        (None, None, ["md", "json"], True),
        ({"to_formats": ["html"]}, None, ["html", "json"], True),
        ({"to_formats": "text"}, {"kind": "inbody"}, ["text", "json"], True),
        ({"to_formats": ["json", "md"]}, None, ["json", "md"], False),
        ({"to_formats": ["md"]}, {"kind": "zip"}, ["md"], False),
        ({"to_formats": {"md": 1}}, None, {"md": 1}, False),
    ],
)
async def test_json_output_is_added_where_the_answer_can_hold_it(
    options: object, target: object, arrives: object, hides: bool
) -> None:
    sent = body(options=options, target=target)
    ask = await ask_source(sent)
    assert ask.hides_json is hides
    assert (await sent_source(sent))["options"]["to_formats"] == arrives


async def test_several_documents_come_back_as_an_archive_without_added_outputs() -> None:
    ask = await ask_source(body(PDF, PDF, PDF))
    assert (ask.documents, ask.pages_bound) == (3, 300)
    assert "options" not in await sent_source(body(PDF, PDF))


@pytest.mark.parametrize(
    ("page_range", "bound"),
    [
        ([2, 4], 3),
        ([1, 9999999], 100),
        ([4, 2], 100),
        ([0, 1], 100),
        ([1], 100),
        ("1-2", 100),
        ([True, 1], 100),
        (None, 100),
    ],
)
async def test_pages_held_are_those_that_can_be_converted(page_range: object, bound: int) -> None:
    assert (await ask_source(body(options={"page_range": page_range}))).pages_bound == bound


async def test_ceiling_of_pages_is_a_setting() -> None:
    assert (await ask_source(body(), pages_per_document=7)).pages_bound == 7


async def test_model_and_end_user_are_read() -> None:
    ask = await ask_source(body(model="docling", user="u1"))
    assert (ask.model, ask.end_user, ask.content_type) == ("docling", "u1", b"application/json")
    assert (await ask_source(body())).model is None


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({}, "sources"),
        ({"sources": []}, "sources"),
        (body({"kind": "http"}), "sources.0.url"),
        (body(PDF, {"kind": "file", "base64_string": "QUJD"}), "sources.1.filename"),
        (body({"kind": "file", "filename": "a"}), "sources.0.base64_string"),
        (body({"kind": "file", "filename": "a", "base64_string": ""}), "sources.0.base64_string"),
        (body({"url": "https://docs.example.org/"}), "sources.0.kind"),
        ({"http_sources": [{}]}, "http_sources.0.url"),
    ],
)
async def test_missing_member_is_named(bad: object, field: str) -> None:
    with pytest.raises(MissingField) as refused:
        await ask_source(bad)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (body(model=1), "model"),
        (body(guardrails=["x"]), "guardrails"),
        (body(mock_response="x"), "mock_response"),
        ({"sources": {}}, "sources"),
        ({"sources": ["https://docs.example.org/"]}, "sources"),
        ({"sources": [PDF] * 101}, "sources"),
        ({"sources": [PDF] * 100, "file_sources": [PDF]}, "file_sources"),
        (body({"kind": "s3", "endpoint": "s3.example.org", "bucket": "b"}), "sources.0.kind"),
        (body({"kind": "google_drive", "path_id": "x"}), "sources.0.kind"),
        (body({"kind": "HTTP", "url": "https://docs.example.org/"}), "sources.0.kind"),
        (body({"kind": "http", "url": 7}), "sources.0.url"),
        (body({"kind": "http", "url": "http://10.0.0.1/"}), "sources.0.url"),
        ({"http_sources": [{"url": "http://127.0.0.1/"}]}, "http_sources.0.url"),
        (body(PAGE | {"proxy": "10.0.0.1:3128"}), "sources.0.proxy"),
        (body({"kind": "file", "filename": "a", "base64_string": "QUJ"}), "sources.0.base64_string"),
        (body({"kind": "file", "filename": "a", "base64_string": "QUJ\n"}), "sources.0.base64_string"),
        (body({"kind": "file", "filename": "a", "base64_string": "====" }), "sources.0.base64_string"),
        (body({"kind": "file", "filename": "a", "base64_string": None}), "sources.0.base64_string"),
        (body(target="zip"), "target"),
        (body(target={"kind": "put", "url": "https://docs.example.org/"}), "target.kind"),
        (body(target={"kind": "s3", "bucket": "b"}), "target.kind"),
        (body(target={"kind": 1}), "target.kind"),
        (body(target={"kind": "zip", "url": "https://docs.example.org/"}), "target.url"),
        (body(callbacks=[{"url": "https://docs.example.org/"}]), "callbacks"),
        (body(callback="x"), "callback"),
        (body(other={"deep": [{"a": "https://docs.example.org/"}]}), "other.deep.a"),
        (body(options=[]), "options"),
        (body(options={"return_as_file": "yes"}), "options.return_as_file"),
        (body(options={"output_format": 1}), "options.output_format"),
        (body(options={"picture_description_api": {"url": "http://x"}}), "options.picture_description_api.url"),
        (body(options={"vlm_pipeline_model_api": {"url": "llm:8000"}}), "options.vlm_pipeline_model_api.url"),
        (body(options={"picture_description_local": {"repo_id": "https://x/y"}}), "options.picture_description_local.repo_id"),
        (body(options={"custom": {"base_url": "x"}}), "options.custom.base_url"),
        (body(options={"custom": ["ht\ntp:/\\x"]}), "options.custom"),
        (body(options={"custom": " \u0001http:x"}), "options.custom"),
        (body(options={"custom": {"s3://bucket": 1}}), "options.custom.s3://bucket"),
        (WITH_OPTION + b'{"url":"llm","url":null}}}', "options.a.url"),
        (WITH_OPTION + b'"http\\u003a\\/\\/x"}}', "options.a"),
        (WITH_OPTION + b'"\xff"}}', "options.a"),
        (b'{"sources":[{"kind":"file","base64_string":"QUJD","filename":"\xff"}]}', "sources.0.filename"),
        (WITH_OPTION + b"[" * 900 + b"]" * 900 + b"}}", "options.a"),
        (WITH_OPTION + b"9" * 5000 + b"}}", "options.a"),
    ],
)  # fmt: skip
async def test_what_may_not_be_asked_for_is_refused_by_name(bad: object, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await ask_source(bad)
    assert refused.value.field == field


@pytest.mark.parametrize("bad", [b"", b"[]", b"{", b'{"sources":[}', b"\xff"])
async def test_what_is_not_json_is_refused(bad: bytes) -> None:
    with pytest.raises(MalformedBody):
        await ask_source(bad)


async def test_client_may_not_say_where_the_engine_is() -> None:
    with pytest.raises(ClientCredentialsRefused):
        await ask_source(body(api_base="http://x"))


async def test_body_is_bounded() -> None:
    with pytest.raises(BodyTooLarge):
        await ask_source(body(), max_body=10)


async def test_addresses_are_looked_up_once_each() -> None:
    resolver = Resolver(other__example__org=["2606:2800:21f::1"])
    other = {"kind": "http", "url": "http://other.example.org:8080"}
    assert (await ask_source(body(PAGE, PAGE, other), resolve=resolver)).documents == 3
    assert resolver.asked == ["docs.example.org", "other.example.org"]
