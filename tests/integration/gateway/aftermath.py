"""What must be true after any call that did not succeed? Plain words for the client, one record, nothing held, nothing told."""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx2

from .harness import MASTER_KEY, Platform

BUDGET_NANO = 10**12
ENGINE_SECRET = "engine-secret-5d41402abc"
"""The credential of every engine in these tests that has one."""
_TELLTALES = ("Traceback", 'File "', "asyncpg", "msgspec", "select ", "SELECT ", "insert into", "site-packages")


def error_of(reply: httpx2.Response, status: int, kind: str | None, param: str | None) -> str:
    """The message of an ordinary error; fails unless all of it is in the contract's form."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-litellm-call-id"]
    body = reply.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) - {"refusal"} == {"message", "type", "param", "code"}
    assert (error["type"], error["param"], error["code"]) == (kind, param, str(status))
    assert error["message"]
    return str(error["message"])


def tells_nothing(key: str | None, *told: Any) -> None:
    """Fails if a credential, SQL or a trace of our code is in any of ``told``."""
    for text in map(str, told):
        for secret in (ENGINE_SECRET, MASTER_KEY, key or MASTER_KEY, *_TELLTALES):
            assert secret not in text


def everything_in(reply: httpx2.Response) -> str:
    return f"{reply.headers!r} {reply.text}"


async def limited_key(platform: Platform, **columns: Any) -> str:
    """A key whose calls must reserve room."""
    return await platform.ledger.add_key(
        max_budget_nano=BUDGET_NANO, rpm_limit=1000, max_parallel_requests=2, **columns
    )


async def only_record(platform: Platform, key: str, reply: httpx2.Response | None = None) -> asyncpg.Record:
    """The one record of the key's one call; nothing is held any more, what it cost is booked, and the next call works."""
    row = await platform.record(key)
    tells_nothing(key, dict(row), *((everything_in(reply),) if reply is not None else ()))
    await platform.no_room_is_held(key)
    assert await platform.ledger.settled(key) == row["cost_nano"]
    platform.sim.chat.reset_behaviour()
    for _ in range(3):  # more than may run in parallel: a place that is not given back would show
        assert (await platform.chat(key, max_tokens=3)).status_code == 200
    await platform.records(key, 4)
    await platform.no_room_is_held(key)
    return row
