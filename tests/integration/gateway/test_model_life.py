"""Can only those models be called that are published and not retired, whichever key asks?"""

from __future__ import annotations

import pytest

from .harness import MASTER_KEY, Platform


async def set_status(platform: Platform, name: str, status: str) -> None:
    await platform.ledger.connection.execute("update models set status = $1 where name = $2", status, name)
    await platform.ledger.announce("catalog", [name])
    await platform.catch_up()


@pytest.mark.parametrize(("status", "callable_"), [("draft", False), ("deprecated", True), ("retired", False)])
async def test_drafts_and_retired_models_answer_to_no_key(platform: Platform, key: str, status: str, callable_: bool):
    name = f"life-{status}"
    await platform.add_model(name, platform.sim.chat.url + "/v1")
    await set_status(platform, name, status)
    for secret in (key, MASTER_KEY):
        assert (await platform.chat(secret, model=name)).status_code == (200 if callable_ else 400)
    listed = await platform.http.get("/v1/models", headers={"Authorization": f"Bearer {MASTER_KEY}"})
    assert (name in {model["id"] for model in listed.json()["data"]}) is callable_
    await set_status(platform, name, "available")
    assert (await platform.chat(key, model=name)).status_code == 200
