"""Is a half-planned workshop kept for whoever plans it, and for nobody else?"""

from __future__ import annotations

import asyncpg
import httpx2

from .people import add_user, browser, start_session

PATH = "/api/v1/workshop-drafts"
People = dict[str, httpx2.AsyncClient]


async def test_a_draft_is_kept_listed_continued_and_deleted(people: People, database: asyncpg.Connection):
    admin = people["admin"]
    content = {"seats": 20, "roster": "Mia, mia@example.org\nNoa", "pot_nano": None, "models": ["granite"]}
    made = await admin.post(PATH, json={"title": "Prompting", "content": content})
    assert made.status_code == 201, made.text
    draft = made.json()
    assert draft["content"] == content
    (await admin.post(PATH, json={"title": "", "content": {}})).raise_for_status()
    assert [one["title"] for one in (await admin.get(PATH)).json()["data"]] == ["", "Prompting"]
    path = f"{PATH}/{draft['id']}"
    read = await admin.get(path)
    assert read.json() == draft
    changed = await admin.put(
        path, json={"title": "Prompting II", "content": {"seats": 5}}, headers={"If-Match": read.headers["ETag"]}
    )
    assert (changed.json()["title"], changed.json()["content"]) == ("Prompting II", {"seats": 5})
    assert [one["title"] for one in (await admin.get(PATH)).json()["data"]] == ["Prompting II", ""]
    late = await admin.put(path, json={"title": "x", "content": {}}, headers={"If-Match": read.headers["ETag"]})
    assert late.status_code == 412
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.delete(path)).status_code == 404
    assert (await admin.get(path)).status_code == 404


async def test_nobody_reaches_drafts_of_others(
    people: People, app: object, database: asyncpg.Connection, client: httpx2.AsyncClient
):
    admin = people["admin"]
    path = f"{PATH}/{(await admin.post(PATH, json={'title': 'Mine', 'content': {}})).json()['id']}"
    async with browser(app, await start_session(database, await add_user(database, "second", ["admin"]))) as second:
        assert (await second.get(PATH)).json() == {"data": []}
        assert (await second.get(path)).status_code == 404
        assert (await second.put(path, json={"title": "x", "content": {}})).status_code == 404
        assert (await second.delete(path)).status_code == 404
    assert (await people["overseer"].get(PATH)).status_code == 403
    assert (await people["ann"].post(PATH, json={"title": "x", "content": {}})).status_code == 403
    assert (await client.get(PATH)).status_code == 403
    assert (await admin.get(path)).json()["title"] == "Mine"


async def test_drafts_are_bounded_in_size_and_number(people: People, database: asyncpg.Connection):
    admin = people["admin"]
    large = await admin.post(PATH, json={"title": "x", "content": {"roster": "x" * 300_000}})
    assert (large.status_code, large.json()["errors"][0]["field"]) == (400, "content")
    await database.execute(
        "insert into workshop_drafts (id, user_id) select 'd' || n, 'admin' from generate_series(1, 50) n"
    )
    assert len((await admin.get(PATH)).json()["data"]) == 50
    assert (await admin.post(PATH, json={"title": "x", "content": {}})).status_code == 409


async def test_drafts_go_with_their_anonymised_author(people: People, app: object, database: asyncpg.Connection):
    async with browser(app, await start_session(database, await add_user(database, "leaver", ["admin"]))) as leaver:
        (await leaver.post(PATH, json={"title": "For Mia", "content": {"roster": "Mia"}})).raise_for_status()
    gone = await people["admin"].post("/api/v1/admin/users/leaver/anonymise", json={"reason": "left"})
    assert gone.status_code == 200, gone.text
    assert await database.fetchval("select count(*) from workshop_drafts") == 0
