"""Does payload capture have all its safeguards: off by default, narrow, short, told, sealed, audited and soon gone?"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.payloads.jobs import purge
from litemaas.core.keys import payload_purpose
from litemaas.kit.crypto import Vault

from .conftest import ENCRYPTION_KEY
from .people import add_user

PATH = "/api/v1/admin/payload-capture"
People = dict[str, httpx2.AsyncClient]


def ending(**after: float) -> str:
    return (datetime.now(UTC) + timedelta(**after)).isoformat()


async def key_of(people: People, owner: str = "ann", team: str | None = None) -> dict[str, Any]:
    """A key without models, as an administrator makes one."""
    body = {"alias": f"key of {owner} {team}", "user_id": owner, "team_id": team}
    made = await people["admin"].post("/api/v1/admin/keys", json=body)
    assert made.status_code == 201, made.text
    key: dict[str, Any] = made.json()["key"]
    return key


async def team_of(people: People, **members: str) -> str:
    made = await people["admin"].post("/api/v1/teams", json={"name": "blue", "admin_ids": ["ann"]})
    assert made.status_code == 201, made.text
    team_id: str = made.json()["id"]
    for name, role in members.items():
        added = await people["admin"].post(f"/api/v1/teams/{team_id}/members", json={"user_id": name, "role": role})
        assert added.status_code == 201, added.text
    return team_id


async def begun(people: People, **members: Any) -> dict[str, Any]:
    body = {"until": ending(hours=2), "reason": "Ticket 4711"} | members
    answer = await people["admin"].post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    capture: dict[str, Any] = answer.json()
    return capture


async def put_payload(
    database: asyncpg.Connection, capture_id: str, request_id: str, at: datetime | None = None
) -> None:
    """What a gateway stores of a captured call."""
    purpose, vault = payload_purpose(capture_id, request_id), Vault(ENCRYPTION_KEY)
    key_hash = await database.fetchval("select coalesce(key_hash, 'k') from payload_captures where id = $1", capture_id)
    await database.execute(
        "insert into captured_payloads values ($1, $2, $3, $4, 'granite', '/chat/completions', 200, $5, 5, $6, 900000)",
        capture_id, request_id, at or datetime.now(UTC), key_hash,
        vault.seal("What?", purpose), vault.seal(f"That: {request_id}", purpose),
    )  # fmt: skip


async def audited(database: asyncpg.Connection, action: str) -> list[dict[str, Any]]:
    rows = await database.fetch("select actor, detail from audit where action = $1 order by id", action)
    return [{"actor": row["actor"], **json.loads(row["detail"])} for row in rows]


async def test_nothing_is_captured_by_default(people: People):
    shown = await people["admin"].get(PATH)
    assert shown.json()["data"] == []


async def test_who_begins_a_capture_why_and_until_when_is_audited_and_its_owner_is_told(
    people: People, database: asyncpg.Connection
):
    key = await key_of(people)
    capture = await begun(people, key_id=key["id"])
    assert (capture["key_id"], capture["team_id"], capture["active"], capture["payloads"]) == (key["id"], None, True, 0)
    (row,) = await audited(database, "payload_capture.started")
    assert (row["actor"], row["reason"], row["informed"]) == ("admin", "Ticket 4711", 1)
    assert row["subject"] == f"key:{key['id']}"
    (notice,) = (await people["ann"].get("/api/v1/notifications")).json()["data"]
    assert notice["event"] == "payloads.captured"
    assert "Ticket 4711" in notice["message"]


async def test_the_owner_hears_of_it_whatever_was_chosen(people: People):
    wishes = {"events": {"payloads.captured": {"inbox": False, "email": False}}}
    assert (await people["ann"].put("/api/v1/me/notification-preferences", json=wishes)).status_code == 200
    await begun(people, key_id=(await key_of(people))["id"])
    assert (await people["ann"].get("/api/v1/notifications/unread-count")).json() == {"unread": 1}


async def test_all_members_of_a_captured_team_are_told_and_the_gateways_hear(
    people: People, database: asyncpg.Connection
):
    team_id = await team_of(people, bob="member")
    await begun(people, team_id=team_id)
    for name in ("ann", "bob"):
        events = [n["event"] for n in (await people[name].get("/api/v1/notifications")).json()["data"]]
        assert "payloads.captured" in events
    refs = await database.fetch("select refs from changes where kind = 'budget' order by seq desc limit 1")
    assert refs[0]["refs"] == [f"team:{team_id}"]


async def test_of_a_team_key_its_owner_and_the_teams_admins_are_told(people: People):
    team_id = await team_of(people, bob="member", reader="viewer")
    await begun(people, key_id=(await key_of(people, "bob", team_id))["id"])
    heard = {
        name: "payloads.captured"
        in {n["event"] for n in (await people[name].get("/api/v1/notifications")).json()["data"]}
        for name in ("ann", "bob", "reader")
    }
    assert heard == {"ann": True, "bob": True, "reader": False}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"until": ending(days=-1)}, "until"),
        ({"until": ending(days=31)}, "until"),
        ({"until": "2999-01-01"}, "until"),
        ({"reason": "  "}, "reason"),
        ({"reason": None}, "reason"),
        ({"team_id": "both"}, ""),
        ({"key_id": None}, ""),
        ({"everyone": True}, "everyone"),
    ],
)
async def test_a_capture_without_end_reason_or_one_subject_is_refused(
    people: People, members: dict[str, Any], field: str
):
    body = {"key_id": (await key_of(people))["id"], "until": ending(hours=1), "reason": "Ticket 4711"} | members
    answer = await people["admin"].post(PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR"), answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert (await people["admin"].get(PATH)).json()["data"] == []


@pytest.mark.parametrize("subject", [{"key_id": "nowhere"}, {"team_id": "nowhere"}])
async def test_an_unknown_key_or_team_is_not_found(people: People, subject: dict[str, str]):
    answer = await people["admin"].post(PATH, json=subject | {"until": ending(hours=1), "reason": "Ticket 4711"})
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_of_one_key_there_is_one_capture_at_a_time(people: People, database: asyncpg.Connection):
    key = await key_of(people)
    first = await begun(people, key_id=key["id"])
    body = {"key_id": key["id"], "until": ending(hours=1), "reason": "Once more"}
    assert (await people["admin"].post(PATH, json=body)).json()["code"] == "ALREADY_EXISTS"
    await database.execute("update payload_captures set until = now() where id = $1", first["id"])
    assert (await people["admin"].post(PATH, json=body)).status_code == 201


async def test_the_overseer_sees_captures_and_cannot_begin_or_end_one(people: People):
    capture = await begun(people, key_id=(await key_of(people))["id"])
    assert (await people["overseer"].get(f"{PATH}/{capture['id']}")).json() == capture
    body = {"key_id": capture["key_id"], "until": ending(hours=1), "reason": "Curious"}
    assert (await people["overseer"].post(PATH, json=body)).status_code == 403
    assert (await people["overseer"].delete(f"{PATH}/{capture['id']}")).status_code == 403
    assert (await people["ann"].get(f"{PATH}/{capture['id']}/payloads")).status_code == 403


async def test_every_look_at_what_was_captured_is_audited(people: People, database: asyncpg.Connection):
    capture = await begun(people, key_id=(await key_of(people))["id"])
    for number in range(3):
        await put_payload(database, capture["id"], f"r{number}", datetime.now(UTC) - timedelta(minutes=number))
    first = await people["admin"].get(f"{PATH}/{capture['id']}/payloads?limit=2")
    assert first.headers["Cache-Control"] == "no-store"
    assert [row["request_id"] for row in first.json()["data"]] == ["r0", "r1"]
    assert first.json()["data"][0] | {"at": ""} == {
        "request_id": "r0", "at": "", "key_id": capture["key_id"], "model": "granite", "endpoint": "/chat/completions",
        "status_code": 200, "request": "What?", "request_bytes": 5, "answer": "That: r0", "answer_bytes": 900_000,
    }  # fmt: skip
    path = f"{PATH}/{capture['id']}/payloads?limit=2&cursor={first.json()['next_cursor']}"
    second = (await people["overseer"].get(path)).json()
    assert ([row["request_id"] for row in second["data"]], second["next_cursor"]) == (["r2"], None)
    one = (await people["admin"].get(f"{PATH}/{capture['id']}/payloads?request_id=r1")).json()
    assert [row["answer"] for row in one["data"]] == ["That: r1"]
    looks = await audited(database, "payload_capture.read")
    assert looks == [
        {"actor": "admin", "requests": ["r0", "r1"]},
        {"actor": "overseer", "requests": ["r2"]},
        {"actor": "admin", "requests": ["r1"]},
    ]
    said = await database.fetchval("select string_agg(detail::text, '') from audit")
    assert "What?" not in said


async def test_what_another_encryption_key_sealed_is_shown_as_unreadable(people: People, database: asyncpg.Connection):
    capture = await begun(people, key_id=(await key_of(people))["id"])
    await put_payload(database, capture["id"], "r1")
    await database.execute("update captured_payloads set request_sealed = 'xx'")
    (row,) = (await people["admin"].get(f"{PATH}/{capture['id']}/payloads")).json()["data"]
    assert (row["request"], row["answer"]) == (None, "That: r1")


async def test_ending_a_capture_drops_what_it_holds(people: People, database: asyncpg.Connection):
    capture = await begun(people, key_id=(await key_of(people))["id"])
    await put_payload(database, capture["id"], "r1")
    assert (await people["admin"].delete(f"{PATH}/{capture['id']}")).status_code == 204
    assert await database.fetchval("select count(*) from captured_payloads") == 0
    assert (await people["admin"].get(f"{PATH}/{capture['id']}")).status_code == 404
    (row,) = await audited(database, "payload_capture.ended")
    assert (row["actor"], row["payloads_dropped"]) == ("admin", 1)
    assert await database.fetchval("select kind from changes order by seq desc limit 1") == "key"


async def test_captured_calls_go_after_the_days_that_the_settings_say(
    app: Any, people: People, database: asyncpg.Connection
):
    path = "/api/v1/admin/settings/retention"
    assert (await people["admin"].put(path, json={"captured_payload_days": 31})).status_code == 400
    assert (await people["admin"].put(path, json={"captured_payload_days": 2})).status_code == 200
    running = await begun(people, key_id=(await key_of(people))["id"])
    over = await begun(people, key_id=(await key_of(people, "bob"))["id"])
    now = datetime.now(UTC)
    await put_payload(database, running["id"], "old", now - timedelta(days=2, minutes=1))
    await put_payload(database, running["id"], "young", now - timedelta(days=1))
    await database.execute(
        "update payload_captures set created_at = now() - interval '9 days', until = now() - interval '3 days' where id = $1",
        over["id"],
    )
    await purge(app.state.plane)
    assert [row["request_id"] for row in await database.fetch("select * from captured_payloads")] == ["young"]
    assert [c["id"] for c in (await people["admin"].get(PATH)).json()["data"]] == [running["id"]]
    (row,) = await audited(database, "payload_capture.purged")
    assert (row["payloads"], row["captures"]) == (1, 1)


async def test_anonymising_a_person_drops_what_their_calls_said(people: People, database: asyncpg.Connection):
    await add_user(database, "carl", ["user"])
    for owner in ("carl", "bob"):
        capture = await begun(people, key_id=(await key_of(people, owner))["id"])
        await put_payload(database, capture["id"], f"of {owner}")
    answer = await people["admin"].post("/api/v1/admin/users/carl/anonymise", json={"reason": "has left"})
    assert answer.status_code in (200, 204), answer.text
    assert [row["request_id"] for row in await database.fetch("select * from captured_payloads")] == ["of bob"]
