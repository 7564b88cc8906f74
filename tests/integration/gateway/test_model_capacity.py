"""Does a model take no more of all its callers together than its capacity, and may it go unnamed where it is the only one?"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from litemaas.sim.testing import SimulatedServers

from .harness import MASTER_KEY, QUESTION, Platform, answer, gateway_settings, running, scripted

VERDICT = answer(b'{"id":"m-1","model":"judge-7b","results":[{"flagged":false}]}')


async def with_capacity(platform: Platform, model: str, rpm: int | None, tpm: int | None) -> None:
    await platform.ledger.connection.execute(
        "update models set rpm_limit = $2, tpm_limit = $3 where name = $1", model, rpm, tpm
    )
    await platform.ledger.announce("catalog", [model])
    await platform.catch_up()


async def test_all_callers_together_never_get_more_requests_than_the_model_takes(platform: Platform):
    await platform.add_model("wanted", platform.sim.chat.url + "/v1")
    await with_capacity(platform, "wanted", 7, None)
    keys = [await platform.ledger.add_key() for _ in range(4)] + [MASTER_KEY]
    replies = await asyncio.gather(*(platform.chat(key, model="wanted") for key in keys for _ in range(4)))
    assert Counter(reply.status_code for reply in replies) == {200: 7, 429: 13}
    refused = next(reply for reply in replies if reply.status_code == 429 and "refusal" in reply.json()["error"])
    told = refused.json()["error"]["refusal"]
    assert (told["code"], told["level"], told["subject"]) == ("model_capacity", "model", "wanted")
    assert (told["limit"], told["unit"]) == (7, "requests")
    assert told["frees_at"]
    assert int(refused.headers["retry-after"]) >= 1
    assert (await platform.chat(keys[0])).status_code == 200  # other models have their own

    await with_capacity(platform, "wanted", None, None)
    reply = await platform.chat(keys[0], model="wanted")
    assert reply.status_code == 200
    assert not [name for name in reply.headers if name.startswith("x-ratelimit-")]


async def test_tokens_of_all_callers_are_counted_together(platform: Platform):
    await platform.add_model("narrow", platform.sim.chat.url + "/v1")
    await with_capacity(platform, "narrow", None, 1000)
    first, second = [await platform.ledger.add_key() for _ in range(2)]
    platform.sim.chat.behave(answer_tokens=600)
    taken = await platform.chat(first, model="narrow", max_tokens=600)
    assert taken.status_code == 200
    refused = await platform.chat(second, model="narrow", max_tokens=600)
    assert refused.status_code == 429
    assert refused.json()["error"]["refusal"]["code"] == "model_capacity"
    assert refused.headers["rate_limit_type"] == "tokens"


async def test_replicas_share_the_capacity(
    platform: Platform, module_database: str, module_sim: SimulatedServers, tmp_path: Path, redis_url: str
):
    await platform.add_model("shared", platform.sim.chat.url + "/v1")
    await with_capacity(platform, "shared", 9, None)
    key = await platform.ledger.add_key()
    first = gateway_settings(module_database, tmp_path / "a", redis_url, worker_id="a")
    second = gateway_settings(module_database, tmp_path / "b", redis_url, worker_id="b")
    async with running(first, module_sim) as one, running(second, module_sim) as other:
        replies = await asyncio.gather(*(p.chat(key, model="shared") for p in (one, other) for _ in range(12)))
    assert Counter(reply.status_code for reply in replies) == {200: 9, 429: 15}


async def test_a_moderation_may_leave_its_model_out_where_only_one_can_be_meant(platform: Platform, key: str):
    text = {"input": "Is this fine?"}
    missing = await platform.post("/v1/moderations", key, text)
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "model")
    async with scripted(VERDICT) as engine:
        await platform.add_model("judge", engine.url, "judge-7b", mode="moderation")
        reply = await platform.post("/v1/moderations", key, text)
        assert (reply.status_code, reply.json()["model"]) == (200, "judge")
        assert b'"model":"judge-7b"' in engine.body.replace(b": ", b":")
        await platform.add_model("jury", engine.url, "jury-7b", mode="moderation")
        several = await platform.post("/v1/moderations", key, text)
        assert several.status_code == 400
        assert "judge, jury" in several.json()["error"]["message"]
        only = await platform.ledger.add_key(models=["jury"])
        assert (await platform.post("/v1/moderations", only, text)).status_code == 200
    assert (await platform.post("/v1/chat/completions", key, {**QUESTION, "model": None})).status_code == 400
