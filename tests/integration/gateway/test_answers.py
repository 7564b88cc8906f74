"""Does an ordinary call come back as it should, and is it in the ledger?"""

from __future__ import annotations

from .harness import PRICE_IN, PRICE_OUT, Platform


async def test_a_chat_is_answered_billed_and_in_the_ledger_to_the_token(platform: Platform, key: str):
    reply = await platform.chat(key)
    assert reply.status_code == 200, reply.text
    usage = reply.json()["usage"]
    counted = platform.sim.counters.of("chat")
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (counted.prompt_tokens, counted.completion_tokens)
    record = await platform.record(key)
    assert (record["prompt_tokens"], record["completion_tokens"]) == (counted.prompt_tokens, counted.completion_tokens)
    assert record["cost_nano"] == counted.prompt_tokens * PRICE_IN + counted.completion_tokens * PRICE_OUT
    assert (record["status"], record["http_status"], record["usage_source"]) == ("success", 200, "engine")
    assert await platform.ledger.settled(key) == record["cost_nano"]
    await platform.no_room_is_held(key)
