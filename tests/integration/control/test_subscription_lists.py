"""Are lists of subscriptions searched, sorted and filtered on the server, and do they say which keys get the model?"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from .test_subscriptions import WHY, Browsers, add_key, make_model, set_status, subscribe


async def test_own_subscriptions_are_searched_and_sorted_on_the_server(people: Browsers):
    models = [await make_model(people["admin"], name=name) for name in ("zebra", "apple", "zither")]
    for model in models:
        await subscribe(people["ann"], model)
    await subscribe(people["bob"], models[0])

    async def names(**query: Any) -> list[str]:
        answer = await people["ann"].get("/api/v1/subscriptions", params=query)
        assert answer.status_code == 200, answer.text
        return [one["model"]["name"] for one in answer.json()["data"]]

    assert await names() == ["zither", "apple", "zebra"]
    assert await names(sort="model_name", order="asc") == ["apple", "zebra", "zither"]
    assert await names(search="Z", sort="model_name", order="asc") == ["zebra", "zither"]
    assert await names(search="z", sort="model_name", order="asc", limit=1, page=2) == ["zither"]


async def test_queue_names_the_keys_that_get_the_model_and_is_sorted_and_filtered_by_when_it_was_asked_for(
    people: Browsers, database: asyncpg.Connection
):
    admin, ann, bob = (people[name] for name in ("admin", "ann", "bob"))
    models = [await make_model(admin, name=name, restricted_access=True) for name in ("first", "second", "third")]
    for key in ("laptop", "ci", "other"):
        await add_key(database, key, [], user_id="ann", alias=f"{key} of ann")
    await add_key(database, "ended", ["first"], user_id="ann", expires_at=datetime.now(UTC) - timedelta(days=1))
    await add_key(database, "hers", ["first"], user_id="bob")
    asked = [await subscribe(ann, models[0], key_ids=["laptop", "ci"], **WHY)]
    asked += [await subscribe(person, model, **WHY) for person, model in ((ann, models[1]), (bob, models[2]))]
    for days, one in enumerate(asked):
        at = datetime.now(UTC) - timedelta(days=3 - days)
        await database.execute("update subscription_history set at = $1 where subscription_id = $2", at, one["id"])

    async def queue(**query: Any) -> list[dict[str, Any]]:
        answer = await admin.get("/api/v1/admin/subscriptions", params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"])

    def names(rows: list[dict[str, Any]]) -> list[str]:
        return [row["model"]["name"] for row in rows]

    assert names(shown := await queue(sort="asked_at")) == ["first", "second", "third"]
    assert [key["name"] for key in shown[0]["keys"]] == ["ci of ann", "laptop of ann"]
    assert [(row["key_count"], row["keys"]) for row in shown[1:]] == [(0, []), (0, [])]
    await set_status(admin, asked[0], "denied")
    assert (await ann.post(f"/api/v1/subscriptions/{asked[0]['id']}/request-review")).status_code == 200
    assert names(await queue(sort="asked_at", order="desc")) == ["first", "third", "second"]
    today = datetime.now(UTC) - timedelta(hours=1)
    assert names(await queue(asked_from=today.isoformat())) == ["first"]
    assert names(await queue(asked_until=today.isoformat(), sort="asked_at", order="desc")) == ["third", "second"]
    exported = await admin.get("/api/v1/admin/subscriptions/export", params={"asked_from": today.isoformat()})
    assert [row["model_name"] for row in csv.DictReader(io.StringIO(exported.text))] == ["first"]


async def test_keys_of_a_team_are_named_for_the_request_of_the_team(people: Browsers, database: asyncpg.Connection):
    """At most twenty of them, and how many there are."""
    model = await make_model(people["admin"], restricted_access=True)
    await database.execute("insert into teams (id, name, created_by, updated_by) values ('lab', 'Lab', 't', 't')")
    await database.execute(
        "insert into team_members (team_id, user_id, role, added_by) values ('lab', 'ann', 'admin', 't')"
    )
    for place in range(25):
        await add_key(database, f"key-{place:02}", [model["name"]], user_id="ann", team_id="lab")
    await add_key(database, "personal", [model["name"]], user_id="ann")
    await subscribe(people["ann"], model, team_id="lab", **WHY)
    (shown,) = (await people["admin"].get("/api/v1/admin/subscriptions")).json()["data"]
    assert shown["key_count"] == 25
    assert [key["id"] for key in shown["keys"]] == [f"key-{place:02}" for place in range(20)]
