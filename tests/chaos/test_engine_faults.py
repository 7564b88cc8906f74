"""Is every call accounted for, and does work go on at once, after engines were away, cut off, slow or frozen?"""

from __future__ import annotations

import pytest
from tests.integration.gateway.harness import until

from .audit import all_is_well, nobody_pays_for_what_no_engine_counted
from .load import TIGHT_CALLS, Load
from .outages import KINDS, PLENTY, TIGHT, failing
from .stage import LONG_S, Stage

TOLD = {"away": {"ok", "broken", "500", "503"}, "cut": {"ok", "broken", "500"}, "slow": {"ok"},
        "frozen": {"ok", "broken", "408", "500", "503"}}  # fmt: skip


async def outage(stage: Stage, kind: str, seconds: float) -> None:
    keys = [await stage.known_key(max_budget_nano=PLENTY, max_parallel_requests=4) for _ in range(3)]
    tight = await stage.known_key("tight", max_budget_nano=TIGHT)
    load = Load(stage, 0.3 if seconds > 10 else 0.05)
    for key in keys:
        load.add(key, 2)
    load.add(tight, 2, TIGHT_CALLS)
    async with load.running():
        await load.more(40)
        async with failing(stage.chat, kind), failing(stage.embeddings, kind):
            await stage.lasts(seconds)

    told = set().union(*(load.outcomes(key) for key in keys))
    assert told <= TOLD[kind], load.outcomes()
    assert all(b'"error"' in answer.text.encode() for answer in load.answers if answer.outcome != "ok")

    async def works() -> bool:
        reply = await stage.platform.chat(keys[0], max_tokens=5)
        again.append(reply.headers["x-litellm-call-id"])
        return reply.status_code == 200

    again: list[str] = []
    await until(works, LONG_S)
    afterwards = Load(stage, 0.0)
    for key in keys:
        afterwards.add(key, 2)
    async with afterwards.running():
        await afterwards.more(60)
    assert set(afterwards.outcomes()) == {"ok"}

    load.answers += afterwards.answers
    await all_is_well(stage, load, before=4 + len(again), exact=kind == "slow")
    await nobody_pays_for_what_no_engine_counted(stage)


@pytest.mark.parametrize("kind", KINDS)
async def test_work_goes_on_and_every_call_is_accounted_for_whatever_happens_to_the_engines(stage: Stage, kind: str):
    await outage(stage, kind, 4.0 if kind == "frozen" else 2.0)  # longer than the calls' time-out


@pytest.mark.nightly
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
async def test_work_goes_on_after_a_minute_without_the_engines(stage: Stage, kind: str):
    await outage(stage, kind, LONG_S)
