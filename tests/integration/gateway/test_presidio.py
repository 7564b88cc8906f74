"""Is what Presidio finds masked or refused, as a guardrail says?"""

from __future__ import annotations

import json

import pytest

from .guarding import asks, guard_with, says
from .harness import Platform, answer, scripted


def finds_badges(_: bytes, body: bytes) -> bytes:
    text = json.loads(body)["text"]
    at = text.find("4711")
    found = [] if at < 0 else [{"entity_type": "BADGE", "start": at, "end": at + 4, "score": 0.9}]
    return answer(json.dumps(found).encode())


async def test_what_presidio_finds_is_replaced_by_its_kind(platform: Platform):
    async with scripted(finds_badges) as analyzer, scripted(says("fine")) as engine:
        await platform.add_model("presided", engine.url)
        key = await guard_with(
            platform, "pii-service", analyzer, "pre_call", guardrail="presidio", pii_entities_config={"BADGE": "MASK"},
            presidio_language="de",
        )  # fmt: skip
        messages = [{"role": "system", "content": "be kind"}, *asks("ä €, my badge is 4711!")]
        assert (await platform.chat(key, model="presided", messages=messages)).status_code == 200
    asked = json.loads(analyzer.body)
    assert analyzer.head.startswith(b"POST /analyze HTTP/1.1\r\n")
    assert (asked["language"], asked["entities"], len(analyzer.received)) == ("de", ["BADGE"], 1)
    said = json.loads(engine.body)["messages"]
    assert [one["content"] for one in said] == ["be kind", "ä €, my badge is <BADGE>!"]


async def test_presidios_anonymizer_is_asked_where_there_is_one(platform: Platform):
    async with (
        scripted(finds_badges) as analyzer,
        scripted(answer(b'{"text":"my badge is ****","items":[]}')) as anonymizer,
        scripted(says("fine")) as engine,
    ):
        await platform.add_model("anonymous", engine.url)
        key = await guard_with(
            platform, "pii-service", analyzer, "pre_call", guardrail="presidio",
            presidio_anonymizer_api_base=anonymizer.url.removesuffix("/v1"),
        )  # fmt: skip
        await platform.chat(key, model="anonymous", messages=asks())
    assert json.loads(anonymizer.body)["analyzer_results"][0]["start"] == 12
    assert json.loads(engine.body)["messages"][0]["content"] == "my badge is ****"


@pytest.mark.parametrize(("thresholds", "status"), [({"ALL": 0.95}, 200), ({"BADGE": 0.5, "ALL": 0.95}, 400)])
async def test_presidio_blocks_what_is_sure_enough(platform: Platform, thresholds: dict[str, float], status: int):
    async with scripted(finds_badges) as analyzer:
        key = await guard_with(
            platform, "pii-service", analyzer, "pre_call", guardrail="presidio", pii_entities_config={"BADGE": "BLOCK"},
            presidio_score_thresholds=thresholds,
        )  # fmt: skip
        reply = await platform.chat(key, messages=asks())
    assert reply.status_code == status
    if status == 400:
        assert reply.json()["error"]["message"].endswith("BADGE found")


async def test_places_that_are_none_in_the_text_let_nothing_pass(platform: Platform):
    async with scripted(answer(b'[{"entity_type":"BADGE","start":5,"end":4000}]')) as analyzer:
        key = await guard_with(platform, "pii-service", analyzer, "pre_call", guardrail="presidio")
        assert (await platform.chat(key)).status_code == 503
