"""Is what a call says kept only where an administrator has named its key or team, and does that never cost a call?"""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.patience import in_time

from litemaas.core.errors import ServiceUnavailable
from litemaas.core.keys import hash_key, payload_purpose
from litemaas.gateway.captures import MOST_BYTES, MOST_WAITING, Captures, Payload
from litemaas.kit.crypto import Vault

from .harness import ENCRYPTION_KEY, Platform, answer, scripted, until

CREDENTIAL = "sk-" + "a1B2" * 8


async def capture(platform: Platform, *, secret: str | None = None, team: str | None = None, **columns: Any) -> str:
    """A capture as the control plane begins it."""
    now = datetime.now(UTC)
    values = {"id": secrets.token_hex(8), "key_hash": hash_key(secret) if secret else None, "team_id": team, "reason": "test",
              "until": now + timedelta(hours=1), "created_at": now, "created_by": "admin"} | columns  # fmt: skip
    await platform.ledger._insert("payload_captures", values)
    await (platform.ledger.announce("key", [hash_key(secret)]) if secret
           else platform.ledger.announce("budget", [f"team:{team}"]))  # fmt: skip
    await platform.catch_up()
    return str(values["id"])


async def captured(platform: Platform, capture_id: str, count: int = 1) -> list[dict[str, Any]]:
    """What is stored of a capture, opened, once there is that much."""

    async def enough() -> Any:
        found = await platform.ledger.connection.fetch(
            "select * from captured_payloads where capture_id = $1 order by at", capture_id
        )
        return found if len(found) >= count else None

    vault = Vault(ENCRYPTION_KEY)
    rows = [dict(row) for row in await until(enough)]
    for row in rows:
        purpose = payload_purpose(capture_id, row["request_id"])
        row["request"] = vault.open(row.pop("request_sealed"), purpose)
        row["answer"] = vault.open(row.pop("answer_sealed"), purpose)
    return rows


async def count_all(platform: Platform) -> int:
    await platform.gateway.captures.empty()
    return int(await platform.ledger.connection.fetchval("select count(*) from captured_payloads"))


async def test_nothing_is_kept_of_keys_that_nobody_named(platform: Platform):
    named, other = await platform.ledger.add_key(), await platform.ledger.add_key()
    capture_id = await capture(platform, secret=named)
    before = await count_all(platform)
    assert (await platform.chat(other)).status_code == 200
    assert (await platform.chat(named)).status_code == 200
    await captured(platform, capture_id)
    assert await count_all(platform) == before + 1


async def test_a_call_of_a_named_key_is_kept_as_its_client_knew_it(platform: Platform):
    secret = await platform.ledger.add_key()
    capture_id = await capture(platform, secret=secret)
    reply = await platform.chat(secret, max_tokens=5)
    (row,) = await captured(platform, capture_id)
    assert json.loads(row["request"])["messages"][0]["content"] == "How does a bill of lading work?"
    assert row["answer"] == reply.text
    assert (row["model"], row["endpoint"], row["status_code"]) == ("granite", "/chat/completions", 200)
    assert (row["key_hash"], row["answer_bytes"]) == (hash_key(secret), len(reply.content))
    assert row["request_id"] == (await platform.record(secret))["request_id"]


async def test_a_stream_is_kept_with_its_end(platform: Platform):
    secret = await platform.ledger.add_key()
    capture_id = await capture(platform, secret=secret)
    reply = await platform.chat(secret, stream=True, max_tokens=8)
    (row,) = await captured(platform, capture_id)
    assert row["answer"] == reply.text
    assert row["answer"].endswith("data: [DONE]\n\n")


async def test_a_refused_call_is_kept_with_what_its_client_was_told(platform: Platform):
    secret = await platform.ledger.add_key(max_budget_nano=0)
    capture_id = await capture(platform, secret=secret)
    reply = await platform.chat(secret)
    (row,) = await captured(platform, capture_id)
    assert (reply.status_code, row["status_code"], row["answer"]) == (400, 400, reply.text)


async def test_what_a_client_saw_that_hung_up_is_kept(platform: Platform):
    secret = await platform.ledger.add_key()
    capture_id = await capture(platform, secret=secret)
    platform.sim.chat.behave(token_s=0.02)
    body = {
        "model": "granite",
        "messages": [{"role": "user", "content": "On and on"}],
        "stream": True,
        "max_tokens": 400,
    }
    headers = {"Authorization": f"Bearer {secret}"}
    async with platform.http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as reply:
        first = await anext(reply.aiter_bytes())
    (row,) = await captured(platform, capture_id)
    assert row["answer"].encode().startswith(first)
    assert "[DONE]" not in row["answer"]


async def test_a_named_team_covers_all_its_keys_and_no_other(platform: Platform):
    team = f"team-{secrets.token_hex(4)}"
    inside, outside = await platform.ledger.add_key(team_id=team), await platform.ledger.add_key(team_id="another")
    assert (await platform.chat(inside)).status_code == 200  # cached before the capture begins
    capture_id = await capture(platform, team=team)
    assert (await platform.chat(inside)).status_code == 200
    assert (await platform.chat(outside)).status_code == 200
    (row,) = await captured(platform, capture_id)
    assert row["key_hash"] == hash_key(inside)


async def test_a_capture_ends_at_its_instant_without_news(platform: Platform):
    secret = await platform.ledger.add_key()

    async def call_before(end: datetime) -> tuple[datetime, str]:
        capture_id = await capture(platform, secret=secret, until=end)
        assert (await platform.chat(secret)).status_code == 200
        return end, capture_id

    end, capture_id = await in_time(call_before)
    await captured(platform, capture_id)

    async def over() -> bool:
        return datetime.now(UTC) > end

    await until(over)
    assert (await platform.chat(secret)).status_code == 200
    await platform.gateway.captures.empty()
    assert len(await captured(platform, capture_id)) == 1


async def test_a_capture_that_was_ended_stores_nothing_more(platform: Platform):
    secret = await platform.ledger.add_key()
    capture_id = await capture(platform, secret=secret)
    await platform.ledger.connection.execute("delete from payload_captures where id = $1", capture_id)
    assert (await platform.chat(secret)).status_code == 200  # the gateway has not heard yet
    before = await count_all(platform)
    await platform.ledger.announce("key", [hash_key(secret)])
    await platform.catch_up()
    assert (await platform.chat(secret)).status_code == 200
    assert await count_all(platform) == before


async def test_credentials_are_not_kept(platform: Platform):
    secret = await platform.ledger.add_key()
    capture_id = await capture(platform, secret=secret)
    await platform.chat(secret, messages=[{"role": "user", "content": f"Why is {CREDENTIAL} refused?"}])
    (row,) = await captured(platform, capture_id)
    assert CREDENTIAL not in row["request"]
    assert "[API_KEY]" in row["request"]
    assert secret not in row["request"] + row["answer"]  # headers are not captured at all


async def test_what_is_stored_is_sealed(platform: Platform):
    secret = await platform.ledger.add_key()
    capture_id = await capture(platform, secret=secret)
    await platform.chat(secret)
    await captured(platform, capture_id)
    stored = await platform.ledger.connection.fetchval(
        "select request_sealed || answer_sealed from captured_payloads where capture_id = $1", capture_id
    )
    assert b"lading" not in stored
    assert b"granite" not in stored


async def test_long_bodies_and_answers_are_cut_and_their_sizes_noted(platform: Platform):
    long = json.dumps({"choices": [{"message": {"content": "x" * MOST_BYTES}}], "usage":
                       {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}).encode()  # fmt: skip
    async with scripted(answer(long)) as engine:
        await platform.add_model("long-winded", engine.url)
        secret = await platform.ledger.add_key()
        capture_id = await capture(platform, secret=secret)
        messages = [{"role": "user", "content": "y" * (2 * MOST_BYTES)}]
        reply = await platform.chat(secret, model="long-winded", messages=messages)
    assert reply.status_code == 200, reply.text
    (row,) = await captured(platform, capture_id)
    assert (len(row["request"]), len(row["answer"])) == (MOST_BYTES, MOST_BYTES)
    assert row["request_bytes"] > 2 * MOST_BYTES
    assert row["answer_bytes"] == len(reply.content)


class _Away:
    """A store that cannot be reached, or takes nothing."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error
        self.stored = 0

    async def store(self, payloads: Any) -> None:
        if self.error is not None:
            raise self.error
        self.stored += len(payloads)


def _payload() -> Payload:
    payload = Payload.__new__(Payload)
    payload.capture_id, payload.call_id = "c", "r"
    return payload


async def test_copies_wait_for_the_database_up_to_a_bound_and_then_are_lost():
    store = _Away(ServiceUnavailable("away"))
    captures = Captures(store)
    for _ in range(MOST_WAITING + 5):
        captures.keep(_payload())
    with pytest.raises(ServiceUnavailable):
        await captures.empty()
    assert captures.lost == 5
    store.error = None
    await captures.empty()
    assert (store.stored, captures.stored) == (MOST_WAITING, MOST_WAITING)


async def test_what_can_never_be_stored_holds_up_nothing():
    store = _Away(ValueError("never"))
    captures = Captures(store)
    captures.keep(_payload())
    await captures.empty()
    assert captures.lost == 1
    store.error = None
    captures.keep(_payload())
    await captures.empty()
    assert store.stored == 1
    counted = {family.name: family.samples[0].value for family in captures.collect()}
    assert counted == {"litemaas_gateway_captured_payloads": 1, "litemaas_gateway_lost_payloads": 1}


async def test_the_work_goes_on_while_the_database_is_away():
    store = _Away(ServiceUnavailable("away"))
    captures = Captures(store)
    captures.keep(_payload())
    work = asyncio.create_task(captures.work())
    await asyncio.sleep(0.6)
    store.error = None

    async def stored() -> bool:
        return store.stored == 1

    await until(stored)
    work.cancel()
