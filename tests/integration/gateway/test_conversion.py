"""Is a document converted, measured in pages and paid, and is its model found where nobody names it?"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from .harness import Platform

PAGE = 5_000_000
"""What a page costs. Units: nano-USD."""
SOURCE = {"kind": "file", "filename": "bill.txt", "base64_string": b64encode(b"cargo " * 1500).decode()}


@pytest.fixture
async def converter(platform: Platform) -> str:
    """The name of the only conversion model."""
    await platform.ledger.connection.execute("delete from deployments where provider = 'docling'")
    identity = await platform.ledger.add_model(
        "documents", platform.sim.documents.url, "docling", mode="conversion", provider="docling", price=(0, 0)
    )
    await platform.ledger.connection.execute(
        "update prices set page_per_million = $2 where deployment_id = $1", identity, PAGE * 1_000_000
    )
    await platform.ledger.announce("catalog", ["documents"])
    await platform.catch_up()
    return "documents"


async def convert(platform: Platform, key: str, **members: Any) -> Any:
    return await platform.post("/docling/v1/convert/source", key, {"sources": [SOURCE], **members})


@pytest.mark.parametrize("named", [True, False])
async def test_a_document_is_converted_and_paid_by_its_pages(platform: Platform, converter: str, key: str, named: bool):
    reply = await convert(platform, key, **({"model": converter} if named else {}))
    assert reply.status_code == 200, reply.text
    assert reply.json()["document"]["md_content"]
    row = await platform.record(key)
    served = platform.sim.counters.of("documents")
    assert row["pages"] == served.pages >= 2
    assert row["cost_nano"] == served.pages * PAGE == await platform.ledger.settled(key)
    assert (row["model"], row["status"]) == (converter, "success")


async def test_a_failed_conversion_costs_nothing(platform: Platform, converter: str, key: str):
    platform.sim.documents.behave(document_status="failure")
    await convert(platform, key)
    assert (await platform.record(key))["cost_nano"] == 0


async def test_a_budget_that_no_page_fits_into_refuses_and_one_that_fits_pays(platform: Platform, converter: str):
    poor = await platform.ledger.add_key(max_budget_nano=PAGE - 1)
    assert (await convert(platform, poor)).status_code == 400
    assert platform.sim.counters.of("documents").requests == 0
    rich = await platform.ledger.add_key(max_budget_nano=PAGE * 1000)
    assert (await convert(platform, rich)).status_code == 200
    await platform.record(rich)
    await platform.no_room_is_held(rich)


async def test_who_may_call_several_converters_must_name_one_and_who_may_call_none_is_denied(
    platform: Platform, converter: str, key: str
):
    await platform.add_model(
        "other-documents", platform.sim.documents.url, "docling", mode="conversion", provider="docling"
    )
    reply = await convert(platform, key)
    assert reply.status_code == 400
    assert "documents, other-documents" in reply.json()["error"]["message"]
    stranger = await platform.ledger.add_key(models=["granite"])
    assert (await convert(platform, stranger)).json()["error"]["type"] == "key_model_access_denied"


async def test_a_document_inside_the_network_is_not_fetched(platform: Platform, converter: str, key: str):
    for url in ("http://127.0.0.1/x", "http://169.254.169.254/latest", "file:///etc/passwd", "http://[::1]/"):
        reply = await convert(platform, key, sources=[{"kind": "http", "url": url}])
        assert reply.status_code == 400, url
    assert platform.sim.counters.of("documents").requests == 0
