"""Are pages counted where the engine tells them, paid as the contract says, and hidden from who did not ask?"""

from __future__ import annotations

import json

import pytest
from tests.unit.gateway.endpoints.docling_calls import PDF, SOURCE, ask_source, endpoint, measured, request, target

from litemaas.core.errors import UpstreamGarbage
from litemaas.core.pricing import Price
from litemaas.core.usage import NOTHING, UsageSource
from litemaas.gateway.call import Ask, Call

PAGE = Price(page_per_million=3_000_000)
REQUEST = Price(request_per_million=500_000_000)
BOTH = Price(page_per_million=3_000_000, request_per_million=500_000_000)
ANSWER = (
    b'{"document":{"filename":"a.pdf","md_content":"# \\u00e9 \xc3\xa9","json_content":%b,"html_content":null,"more":1.50},'
    b'"status":"%b","errors":[],"processing_time":0.40,"timings":{},"later":{"x":[ 1, 2 ]}}'
)


def answer(pages: int | None = 2, status: bytes = b"success") -> bytes:
    structure = {"name": "a", "pages": {str(number): {"page_no": number} for number in range(1, (pages or 0) + 1)}}
    return ANSWER % (b"null" if pages is None else json.dumps(structure).encode(), status)


def asked(documents: int = 1, hides_json: bool = True) -> Ask:
    ask = Ask("docling")
    ask.documents, ask.hides_json = documents, hides_json
    return ask


def test_output_that_nobody_asked_for_is_hidden_and_nothing_else() -> None:
    usage, body, _ = measured(asked(), answer(2))
    assert (usage.pages, usage.source, usage.total_tokens) == (2, UsageSource.ENGINE, 0)
    assert body == answer(None)


@pytest.mark.parametrize("ask", [asked(hides_json=False), Ask("docling")])
def test_output_that_was_asked_for_stays(ask: Ask) -> None:
    usage, body, _ = measured(ask, answer(2))
    assert usage.pages == 2
    assert body == answer(2)


@pytest.mark.parametrize(
    ("price", "cost"), [(PAGE, 6), (REQUEST, 500), (BOTH, 6), (Price(), 0), (Price(input_per_million=10**9), 0)]
)
def test_pages_are_paid_else_documents(price: Price, cost: int) -> None:
    assert measured(asked(), answer(2), price=price)[2] == cost


@pytest.mark.parametrize("price", [PAGE, REQUEST, BOTH])
@pytest.mark.parametrize("pages", [2, None])
def test_failure_costs_nothing_and_is_not_estimated_afterwards(price: Price, pages: int | None) -> None:
    usage, body, cost = measured(asked(), answer(pages, b"failure"), price=price)
    assert (usage.pages, usage.source, cost) == (0, UsageSource.ENGINE, 0)
    assert usage is not NOTHING
    assert body == answer(None, b"failure")


@pytest.mark.parametrize(
    ("status", "pages", "counted", "source", "cost"),
    [
        (b"partial_success", 1, 1, UsageSource.ENGINE, 3),
        (b"partial_success", None, 1, UsageSource.ESTIMATE, 3),
        (b"skipped", 2, 2, UsageSource.ENGINE, 6),
        (b"skipped", 0, 0, UsageSource.ENGINE, 0),
        (b"skipped", None, 0, UsageSource.ENGINE, 0),
        (b"success", None, 1, UsageSource.ESTIMATE, 3),
        (b"success", 0, 0, UsageSource.ENGINE, 500),
        (b"something_new", 3, 3, UsageSource.ENGINE, 9),
    ],
)
def test_only_what_was_really_converted_counts(
    status: bytes, pages: int | None, counted: int, source: UsageSource, cost: int
) -> None:
    usage, _, found = measured(asked(), answer(pages, status), price=BOTH)
    assert (usage.pages, usage.source, found) == (counted, source, cost)


@pytest.mark.parametrize("kind", [b"application/zip", b"application/x-zip-compressed", b"application/octet-stream"])
def test_archive_passes_and_counts_a_page_a_document(kind: bytes) -> None:
    usage, body, cost = measured(asked(3, hides_json=False), b"PK\x03\x04\xff", kind, PAGE)
    assert (usage.pages, usage.source, body, cost) == (3, UsageSource.ESTIMATE, b"PK\x03\x04\xff", 9)
    assert measured(asked(3), b"PK", kind, REQUEST)[2] == 1500


@pytest.mark.parametrize(
    ("structure", "pages", "source"),
    [
        (b'{"pages":[{},{},{}]}', 3, UsageSource.ENGINE),
        (b'{"pages":null}', 1, UsageSource.ESTIMATE),
        (b"{}", 1, UsageSource.ESTIMATE),
        (b'{"pages":7}', 1, UsageSource.ESTIMATE),
        (b'"text"', 1, UsageSource.ESTIMATE),
    ],
)
def test_engine_that_tells_no_pages_gets_an_estimate(structure: bytes, pages: int, source: UsageSource) -> None:
    usage, body, _ = measured(asked(), ANSWER % (structure, b"success"))
    assert (usage.pages, usage.source) == (pages, source)
    assert body == answer(None)


@pytest.mark.parametrize("body", [b"{}", b'{"document":null,"status":null}', b'{"num_converted":1}'])
def test_answer_without_a_document_is_one_document(body: bytes) -> None:
    usage, seen, _ = measured(asked(), body)
    assert (usage.pages, usage.source, seen) == (1, UsageSource.ESTIMATE, body)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"document":', b'{"document":7}', b'{"status":"\xff"}', b'{"document":' + b"[" * 10**5],
)
def test_garbage_is_told_as_such(body: bytes) -> None:
    with pytest.raises(UpstreamGarbage):
        measured(asked(), body)


async def test_body_goes_upstream_as_it_was_read_for_every_attempt() -> None:
    ask = await ask_source({"sources": [PDF], "model": "docling"})
    conversion = endpoint(SOURCE)
    call = Call("c1", request(b"{}"), conversion, 0.0)
    assert conversion.payload(call, ask, target()) == conversion.payload(call, ask, target()) == ask.payload
