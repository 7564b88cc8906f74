"""Does a job end as it must: done, failed, cancelled, or found silent when its replica is gone?"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.http.work import Plane
from litemaas.control.jobs import service
from litemaas.control.jobs.service import JobFailed, Kind, Running
from litemaas.control.notices.events import Event
from litemaas.core.permissions import Permission
from litemaas.core.principals import Principal, PrincipalKind

People = dict[str, httpx2.AsyncClient]


@pytest.fixture
def plane(app: Any) -> Plane:
    plane: Plane = app.state.plane
    return plane


async def queued(plane: Plane, kind: str = "try") -> str:
    async with plane.work() as work:
        return await service.start(work, kind, Permission.ADMIN_BACKUP, {}, "try")


async def shown(people: People, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await people["admin"].get(f"/api/v1/admin/jobs/{job_id}")).json()
    return found


async def test_a_job_tells_its_progress_and_result_to_those_with_its_permission(plane: Plane, people: People):
    async def do(running: Running) -> dict[str, Any]:
        await running.tell({"done": 1})
        return {"made": 7}

    job_id = await queued(plane)
    assert await service.work_once(plane, {"try": Kind("try", do)}, "me")
    job = await shown(people, job_id)
    assert (job["state"], job["progress"], job["result"]) == ("succeeded", {"done": 1}, {"made": 7})
    assert (await people["overseer"].get(f"/api/v1/admin/jobs/{job_id}")).status_code == 403
    assert (await people["admin"].post(f"/api/v1/admin/jobs/{job_id}/cancel")).status_code == 409


@pytest.mark.parametrize(("error", "told"), [(JobFailed("no room"), "no room"), (ValueError("secret"), "ValueError")])
async def test_a_failure_is_told_in_words_for_people(plane: Plane, people: People, error: Exception, told: str):
    async def do(_: Running) -> dict[str, Any]:
        raise error

    job_id = await queued(plane)
    await service.work_once(plane, {"try": Kind("try", do)}, "me")
    job = await shown(people, job_id)
    assert job["state"] == "failed"
    assert told in job["error"]
    assert "secret" not in job["error"]


async def test_the_owner_hears_how_a_job_ended_and_of_some_failures_who_must_act(plane: Plane, people: People):
    async def do(running: Running) -> dict[str, Any]:
        if running.payload["fails"]:
            raise JobFailed("no room")
        return {}

    kinds = {"try": Kind("try", do, "The try", (Permission.ADMIN_BACKUP, Event.BACKUP_FAILED))}
    ann = Principal(kind=PrincipalKind.USER, id="ann", name="ann", user_id="ann")
    for fails in (False, True):
        async with plane.work(ann) as work:
            await service.start(work, "try", Permission.ADMIN_BACKUP, {"fails": fails}, "try")
        await service.work_once(plane, kinds, "me")
    told = [notice["title"] for notice in (await people["ann"].get("/api/v1/notifications")).json()["data"]]
    assert sorted(told) == ["The try failed", "The try succeeded"]
    (alarm,) = (await people["admin"].get("/api/v1/notifications")).json()["data"]
    assert (alarm["event"], "no room" in alarm["message"]) == ("backup.failed", True)
    assert (await people["bob"].get("/api/v1/notifications")).json()["data"] == []


async def test_a_job_that_is_cancelled_stops_at_its_next_word(plane: Plane, people: People):
    async def do(running: Running) -> dict[str, Any]:
        assert (await people["admin"].post(f"/api/v1/admin/jobs/{running.id}/cancel")).status_code == 200
        await running.tell({"done": 1})
        return {}

    job_id = await queued(plane)
    await service.work_once(plane, {"try": Kind("try", do)}, "me")
    assert (await shown(people, job_id))["state"] == "cancelled"


async def test_only_one_is_open_at_a_time_and_a_silent_one_is_ended(
    plane: Plane, people: People, database: asyncpg.Connection
):
    job_id = await queued(plane)
    with pytest.raises(Exception, match="running"):
        await queued(plane)
    await database.execute(
        "update jobs set state = 'running', holder = 'gone', heartbeat_at = now() - interval '2 minutes' where id = $1",
        job_id,
    )
    assert not await service.work_once(plane, {"try": Kind("try", lambda _: asyncio.sleep(0, {}))}, "me")
    assert (await shown(people, job_id))["error"] == "the replica that did it is gone"
    await queued(plane)


async def test_a_replica_that_stops_does_not_wait_for_its_job(plane: Plane, people: People):
    begun = asyncio.Event()

    async def do(_: Running) -> dict[str, Any]:
        begun.set()
        await asyncio.sleep(3600)
        return {}

    job_id = await queued(plane)
    working = asyncio.create_task(service.keep_working(plane, {"try": Kind("try", do)}))
    await begun.wait()
    working.cancel()
    async with asyncio.timeout(60):
        await asyncio.gather(working, return_exceptions=True)
    assert (await shown(people, job_id))["state"] == "running"
