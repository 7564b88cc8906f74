"""Is a conversion that its client asks for later its owner's alone, known to every worker, and billed exactly once?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from litemaas.gateway.settings import ConversionSettings
from litemaas.sim.faults import FaultProxy
from litemaas.sim.testing import SimulatedServers

from .harness import MASTER_KEY, Platform, gateway_settings, running, until
from .test_conversion import PAGE, SOURCE

FILE = {"files": ("bill.txt", b"cargo " * 1500, "text/plain")}


@pytest.fixture
async def converter(platform: Platform) -> AsyncIterator[str]:
    identity = await platform.ledger.add_model(
        "documents", platform.sim.documents.url, "docling", mode="conversion", provider="docling", price=(0, 0)
    )
    connection = platform.ledger.connection
    await connection.execute(
        "update prices set page_per_million = $2 where deployment_id = $1", identity, PAGE * 1_000_000
    )
    await platform.ledger.announce("catalog", ["documents"])
    await platform.catch_up()
    yield "documents"
    await connection.execute("delete from deployments where provider = 'docling'")
    await platform.ledger.announce("catalog", ["documents"])
    await platform.catch_up()


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def submit(platform: Platform, secret: str, version: str = "v1") -> str:
    reply = await platform.post(f"/docling/{version}/convert/source/async", secret, {"sources": [SOURCE]})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["task_id"])


async def ask(platform: Platform, secret: str, place: str) -> Any:
    return await platform.http.get(f"/docling/v1/{place}", headers=bearer(secret))


async def ended(platform: Platform, secret: str, task_id: str) -> str:
    async def status() -> str | None:
        reply = await ask(platform, secret, f"status/poll/{task_id}?wait=1")
        assert (reply.status_code, reply.json()["task_id"]) == (200, task_id), reply.text
        told = str(reply.json()["task_status"])
        return told if told in ("success", "failure") else None

    return str(await until(status))


async def test_a_task_is_polled_fetched_by_several_and_billed_once(platform: Platform, converter: str):
    key = await platform.ledger.add_key(max_budget_nano=PAGE * 1000)
    task_id = await submit(platform, key)
    assert await ended(platform, key, task_id) == "success"
    assert await platform.ledger.records(key) == []  # not billed before anybody knows its pages
    replies = await asyncio.gather(*(ask(platform, key, f"result/{task_id}") for _ in range(5)))
    for reply in replies:
        assert reply.json()["document"]["md_content"], reply.text
        assert reply.json()["document"].get("json_content") is None  # it was asked for on our behalf
    row = await platform.record(key)
    pages = platform.sim.counters.of("documents").pages
    assert (row["request_id"], row["pages"], row["cost_nano"]) == (task_id, pages, pages * PAGE)
    assert (row["status"], row["endpoint"], row["model"]) == ("success", "/docling/v1/convert/source/async", converter)
    await platform.no_room_is_held(key)
    assert (await ask(platform, key, f"result/{task_id}")).status_code == 200
    assert await platform.ledger.settled(key) == pages * PAGE


async def test_a_form_and_the_older_path_begin_tasks_too(platform: Platform, converter: str, key: str):
    first = await submit(platform, key, "v1alpha")
    reply = await platform.http.post("/docling/v1/convert/file/async", files=FILE, headers=bearer(key))
    assert reply.status_code == 200, reply.text
    for task_id in (first, reply.json()["task_id"]):
        assert await ended(platform, key, task_id) == "success"
        old = await platform.http.get(f"/docling/v1alpha/result/{task_id}", headers=bearer(key))
        assert old.status_code == 200, old.text
    assert all(row["cost_nano"] > 0 for row in await platform.records(key, 2))


async def test_a_task_is_its_owners_alone(platform: Platform, converter: str, key: str):
    task_id = await submit(platform, key)
    stranger = await platform.ledger.add_key()
    for secret in (stranger, MASTER_KEY):
        for place in (f"status/poll/{task_id}", f"result/{task_id}"):
            reply = await ask(platform, secret, place)
            assert (reply.status_code, reply.json()["detail"]) == (404, "Task not found.")
            assert reply.json()["error"]["code"] == "404"
    for nonsense in ("x", "%00", "a" * 5000, "../../health"):
        assert (await ask(platform, key, f"status/poll/{nonsense}")).status_code in (400, 404)
    assert (await ask(platform, key, f"status/poll/{task_id}?wait=soon")).status_code == 400
    assert (await platform.http.get(f"/docling/v1/result/{task_id}")).status_code == 401
    assert (await platform.post(f"/docling/v1/result/{task_id}", key, {})).status_code == 405


async def test_its_price_is_held_from_the_beginning(platform: Platform, converter: str):
    poor = await platform.ledger.add_key(max_budget_nano=PAGE * 100)
    task_id = await submit(platform, poor)
    second = await platform.post("/docling/v1/convert/source/async", poor, {"sources": [SOURCE]})
    assert (second.status_code, second.json()["error"]["type"]) == (400, "budget_exceeded")
    assert await ended(platform, poor, task_id) == "success"
    assert (await ask(platform, poor, f"result/{task_id}")).status_code == 200
    await platform.record(poor)


async def test_a_failed_task_costs_nothing(platform: Platform, converter: str):
    key = await platform.ledger.add_key(max_budget_nano=PAGE * 1000)
    platform.sim.documents.behave(document_status="failure")
    task_id = await submit(platform, key)
    await ended(platform, key, task_id)
    await ask(platform, key, f"result/{task_id}")
    row = await platform.record(key)
    assert (row["cost_nano"], row["pages"]) == (0, 0)
    await platform.no_room_is_held(key)


async def test_who_hangs_up_while_a_result_is_fetched_has_paid_for_it(platform: Platform, converter: str, key: str):
    async with FaultProxy(platform.sim.documents.url) as proxy:
        await platform.ledger.connection.execute(
            "update deployments set api_base = $1 where provider = 'docling'", proxy.url
        )
        await platform.ledger.announce("catalog", [converter])
        await platform.catch_up()
        task_id = await submit(platform, key)
        await ended(platform, key, task_id)
        proxy.delay(0.5)
        _, writer = await asyncio.open_connection("127.0.0.1", platform.gateway.port)
        head = f"GET /docling/v1/result/{task_id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
        writer.write(head.encode())

        async def is_asked() -> bool:
            return any(connection.busy for connection in platform.gateway.pool._all)

        await until(is_asked)
        writer.close()
        row = await platform.record(key)
        assert (row["request_id"], row["cost_nano"] > 0) == (task_id, True)


async def test_any_worker_answers_and_one_that_is_gone_is_followed(
    platform: Platform, converter: str, module_database: str, module_sim: SimulatedServers, tmp_path: Path, key: str
):
    settings = gateway_settings(module_database, tmp_path, worker_id="elsewhere")
    async with running(settings, module_sim) as other:
        abroad = await submit(other, key)
        assert await ended(platform, key, abroad) == "success"
        assert (await ask(platform, key, f"result/{abroad}")).status_code == 200
        assert (await platform.records(key))[0]["request_id"] == abroad  # billed by the one that holds its price
        orphan = await submit(other, key)
    assert (await ask(platform, key, f"result/{orphan}")).status_code == 200
    await platform.gateway.conversions.adopt()
    await platform.gateway.conversions.look()
    rows = await platform.records(key, 2)
    assert {row["request_id"] for row in rows} == {abroad, orphan}
    assert all(row["cost_nano"] > 0 for row in rows)


async def test_a_result_that_nobody_fetches_is_billed_all_the_same(
    platform: Platform, converter: str, module_database: str, module_sim: SimulatedServers, tmp_path: Path, key: str
):
    patience = ConversionSettings(unfetched_s=0.0)
    settings = gateway_settings(module_database, tmp_path, worker_id="impatient", conversions=patience)
    async with running(settings, module_sim) as other:
        task_id = await submit(other, key)
        await ended(other, key, task_id)
        kept = other.gateway.conversions._kept[task_id]

        async def billed() -> bool:
            kept.asked_at = float("-inf")
            await other.gateway.conversions.look()
            return bool(await platform.ledger.records(key))

        await until(billed)
    (row,) = await platform.ledger.records(key)
    assert (row["request_id"], row["cost_nano"] > 0) == (task_id, True)
