"""Do administrators look after people without ever locking everybody out, and do people see only what is theirs?"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx2
import pytest

from .people import add_user

People = dict[str, httpx2.AsyncClient]


async def test_people_are_found_and_shown(people: People, database: asyncpg.Connection):
    await add_user(database, "zoe", ["readonly"], groups=["a,b {c}"], derived_roles=["user"], cost_centre="4711",
                   full_name="Zoë \"Z\" %")  # fmt: skip
    admin = people["admin"]

    async def names(**query: Any) -> list[str]:
        answer = await admin.get("/api/v1/admin/users", params={"sort": "username", "order": "asc"} | query)
        return [row["username"] for row in answer.json()["data"]]

    assert await names() == ["admin", "ann", "bob", "overseer", "reader", "zoe"]
    assert await names(search="ZOë") == ["zoe"]
    assert await names(search="%") == ["zoe"]
    assert await names(role="user") == ["admin", "ann", "bob", "zoe"]
    assert await names(group="a,b {c}") == ["zoe"]
    assert await names(cost_centre="4711") == ["zoe"]
    assert await names(is_active=False) == []
    assert (await admin.get("/api/v1/admin/users?role=root")).status_code == 400
    assert (await admin.get("/api/v1/admin/users?sort=id;drop")).status_code == 400
    page = (await admin.get("/api/v1/admin/users?limit=2&page=2&brief=true")).json()
    assert (page["pagination"]["total_pages"], len(page["data"]), page["data"][0]["limits"]) == (3, 2, None)
    zoe = (await admin.get("/api/v1/admin/users/zoe")).json()
    assert (zoe["roles"], zoe["groups"], zoe["keys"]) == (["user", "readonly"], ["a,b {c}"], {"total": 0, "active": 0})
    assert (await admin.get("/api/v1/admin/users/nobody")).status_code == 404
    exported = await people["overseer"].get("/api/v1/admin/users/export?search=zo")
    assert exported.text.splitlines()[1].startswith('zoe,zoe,zoe@example.org,"Zoë ""Z"" %",')


async def test_limits_roles_and_activity_are_changed_one_by_one(people: People, database: asyncpg.Connection):
    admin = people["admin"]
    first = await admin.get("/api/v1/admin/users/ann")
    patch = {"max_budget_nano": 5, "budget_duration": "monthly", "cost_centre": "7", "granted_roles": ["user", "admin"]}
    changed = await admin.patch("/api/v1/admin/users/ann", json=patch, headers={"If-Match": first.headers["ETag"]})
    assert changed.json()["limits"] == {
        "max_budget_nano": 5, "budget_duration": "monthly", "tpm_limit": None, "rpm_limit": None,
    }  # fmt: skip
    again = await admin.patch("/api/v1/admin/users/ann", json=patch, headers={"If-Match": first.headers["ETag"]})
    assert again.status_code == 412
    assert (await people["ann"].get("/api/v1/admin/users")).status_code == 200
    cleared = await admin.patch("/api/v1/admin/users/ann", json={"max_budget_nano": None, "rpm_limit": 0})
    assert (cleared.json()["limits"]["max_budget_nano"], cleared.json()["limits"]["rpm_limit"]) == (None, 0)
    assert cleared.json()["limits"]["budget_duration"] == "monthly"
    for wrong in (
        {"granted_roles": ["root"]},
        {"granted_roles": None},
        {"rpm_limit": -1},
        {"color": "red"},
        {"is_active": 1},
    ):
        assert (await admin.patch("/api/v1/admin/users/ann", json=wrong)).status_code == 400, wrong
    assert (await people["overseer"].patch("/api/v1/admin/users/ann", json={"rpm_limit": 1})).status_code == 403
    actions = [row["action"] for row in await database.fetch("select action from audit where success order by id")]
    assert actions == ["user.roles_granted", "user.cost_centre_changed", "user.limits_changed", "user.limits_changed"]


async def test_deactivation_ends_sessions_and_tokens_and_can_be_undone(
    people: People, database: asyncpg.Connection, app: Any
):
    ann, admin = people["ann"], people["admin"]
    made = (await ann.post("/api/v1/me/tokens", json={"name": "t", "permissions": ["models:read"]})).json()
    await admin.patch("/api/v1/admin/users/ann", json={"is_active": False})
    assert (await ann.get("/api/v1/me")).status_code == 401
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {made['secret']}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://control", headers=headers) as script:
        assert (await script.get("/api/v1/me")).json()["code"] == "ACCOUNT_DISABLED"
        await admin.patch("/api/v1/admin/users/ann", json={"is_active": True})
        assert (await script.get("/api/v1/me")).status_code == 200
    assert (await ann.get("/api/v1/me")).status_code == 401
    refs = await database.fetch("select refs from changes where kind = 'budget' order by seq")
    assert [row["refs"] for row in refs] == [["user:ann"], ["user:ann"]]


@pytest.mark.parametrize("way", ["demote", "deactivate", "anonymise", "bulk"])
async def test_the_last_administrator_stays(people: People, database: asyncpg.Connection, way: str):
    admin, other = people["admin"], "second"
    await add_user(database, other, [], derived_roles=["admin"])

    async def end(user_id: str) -> int:
        base = f"/api/v1/admin/users/{user_id}"
        calls = {
            "demote": lambda: admin.patch(base, json={"granted_roles": ["user"]}),
            "deactivate": lambda: admin.patch(base, json={"is_active": False}),
            "anonymise": lambda: admin.post(f"{base}/anonymise", json={"reason": "left"}),
            "bulk": lambda: admin.post(
                "/api/v1/admin/users/bulk", json={"action": "deactivate", "user_ids": [user_id]}
            ),
        }
        return (await calls[way]()).status_code

    if way == "demote":
        await database.execute("update users set derived_roles = '{}', granted_roles = '{admin}' where id = $1", other)
    assert await end(other) == 200
    assert await end("admin") == 409
    assert await database.fetchval("select is_active and 'admin' = any(granted_roles) from users where id = 'admin'")


async def test_two_administrators_cannot_remove_one_another_at_once(people: People, client: httpx2.AsyncClient,
                                                                   database: asyncpg.Connection):  # fmt: skip
    await add_user(database, "second", ["admin"])
    answers = await asyncio.gather(*(client.patch(f"/api/v1/admin/users/{who}", json={"is_active": False})
                                     for who in ("admin", "second")))  # fmt: skip
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_bulk_limits_are_few_statements_for_ten_thousand(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await database.execute(
        "insert into users (id, username, created_by, updated_by, is_active) "
        "select 'u' || n, 'u' || n, 't', 't', n <> 1 from generate_series(1, 10000) n"
    )
    limits = {"rpm_limit": 0, "max_budget_nano": 7, "budget_duration": "daily"}
    answer = await client.post("/api/v1/admin/users/bulk", json={"action": "limits", "limits": limits})
    assert answer.json() == {"matched": 9999, "updated": 9999}
    again = await client.post(
        "/api/v1/admin/users/bulk", json={"action": "limits", "limits": limits, "user_ids": ["u2", "x"]}
    )
    assert again.json() == {"matched": 1, "updated": 0}
    part = {"action": "limits", "limits": {"rpm_limit": None}, "filter": {"search": "u777"}}
    assert (await client.post("/api/v1/admin/users/bulk", json=part)).json() == {"matched": 11, "updated": 11}
    row = await database.fetchrow("select rpm_limit, max_budget_nano from budgets where scope = 'user:u7770'")
    assert (row["rpm_limit"], row["max_budget_nano"]) == (None, 7)
    for wrong in (
        {"action": "limits"},
        {"action": "limits", "limits": {}},
        {"action": "deactivate"},
        {"action": "grant"},
    ):
        assert (await client.post("/api/v1/admin/users/bulk", json=wrong)).status_code == 400, wrong
    some = {"action": "grant", "roles": ["readonly", "user"], "user_ids": ["u2", "u3"]}
    assert (await client.post("/api/v1/admin/users/bulk", json=some)).json() == {"matched": 2, "updated": 2}
    assert (await client.post("/api/v1/admin/users/bulk", json=some)).json() == {"matched": 2, "updated": 0}
    assert await database.fetchval("select granted_roles from users where id = 'u2'") == ["readonly", "user"]


async def test_a_new_duration_keeps_what_was_spent_and_a_reset_does_not(client: httpx2.AsyncClient,
                                                                        database: asyncpg.Connection):  # fmt: skip
    await add_user(database, "ann", ["user"])
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano) values ('user:ann', 'epoch', 42)"
    )
    shown = await client.patch("/api/v1/admin/users/ann", json={"budget_duration": "monthly"})
    assert shown.json()["spent_nano"] == 42
    bulk = {"action": "limits", "limits": {"budget_duration": "daily"}}
    await client.post("/api/v1/admin/users/bulk", json=bulk)
    assert (await client.get("/api/v1/admin/users/ann")).json()["spent_nano"] == 42
    reset = await client.post("/api/v1/admin/users/ann/reset-spend", json={"reason": "test"})
    assert reset.json() == {"cleared_nano": 42}
    assert (await client.get("/api/v1/admin/users/ann")).json()["spent_nano"] == 0
    assert (await client.post("/api/v1/admin/users/ann/reset-spend", json={})).status_code == 400


async def test_anonymising_removes_the_person_and_keeps_the_id(people: People, database: asyncpg.Connection):
    await people["ann"].patch("/api/v1/me", json={"full_name": "Ann"})
    answer = await people["admin"].post("/api/v1/admin/users/ann/anonymise", json={"reason": "asked for it"})
    assert (answer.json()["id"], answer.json()["email"], answer.json()["is_active"]) == ("ann", None, False)
    row = await database.fetchrow("select * from users where id = 'ann'")
    assert not [
        name for name, value in row.items() if name != "id" and "ann" in str(value).replace("anonymised-ann", "")
    ]
    assert await database.fetchval("select count(*) from sessions where user_id = 'ann'") == 0
    again = await people["admin"].patch("/api/v1/admin/users/ann", json={"is_active": True})
    assert again.status_code == 409


async def test_people_see_and_change_what_is_theirs(people: People, database: asyncpg.Connection):
    ann = people["ann"]
    changed = await ann.patch("/api/v1/me", json={"full_name": 'Ann, "the" {first}', "language": "de"})
    assert (changed.json()["full_name"], changed.json()["language"]) == ('Ann, "the" {first}', "de")
    assert (await ann.patch("/api/v1/me", json={"granted_roles": ["admin"]})).status_code == 400
    assert (await ann.patch("/api/v1/me", json={"full_name": ""})).status_code == 400
    assert [row["action"] for row in (await ann.get("/api/v1/me/activity?limit=1")).json()["data"]] == [
        "user.profile_changed"
    ]
    assert (await people["bob"].get("/api/v1/me/activity")).json() == {"data": [], "next_cursor": None}
    for state, columns in (("active", "false, null"), ("disabled", "true, null"), ("expired", "false, now()")):
        await database.execute(
            "insert into virtual_keys (key_hash, key_name, user_id, created_by, updated_by, blocked, expires_at) "  # noqa: S608
            f"values ('{state}', 'k', 'ann', 't', 't', {columns})"
        )
    stats = (await ann.get("/api/v1/me/stats")).json()
    assert stats["keys"] == {"active": 1, "disabled": 1, "expired": 1}
    assert stats["total"] == {"requests": 0, "total_tokens": 0, "cost_nano": 0}
    assert (await people["overseer"].patch("/api/v1/me", json={"language": "fr"})).status_code == 200
    checked = await ann.post("/api/v1/permissions/check", json={"permissions": ["models:read", "admin:audit:read"]})
    assert checked.json() == {"allowed": False, "missing": ["admin:audit:read"]}
    assert (await people["overseer"].get("/api/v1/roles")).json()["data"][1]["name"] == "adminReadonly"


async def test_reading_changes_no_account_and_no_audit(people: People, database: asyncpg.Connection):
    async def state() -> tuple[Any, Any]:
        return (await database.fetch("select u::text from users u order by id"),
                await database.fetchval("select count(*) from audit"))  # fmt: skip

    before = await state()
    for path in (
        "me",
        "me/stats",
        "me/activity",
        "me/sessions",
        "me/tokens",
        "auth/session",
        "teams",
        "me/permissions",
    ):
        assert (await people["ann"].get(f"/api/v1/{path}")).status_code == 200, path
    assert await state() == before


async def test_a_reason_for_deactivating_is_kept_shown_and_audited_until_access_is_given_back(
    people: People, database: asyncpg.Connection
):
    admin, path = people["admin"], "/api/v1/admin/users/ann"
    gone = (await admin.patch(path, json={"is_active": False, "reason": "left the company"})).json()
    assert gone["deactivation"] | {"at": ""} == {"at": "", "by": "admin", "reason": "left the company"}
    assert (await people["overseer"].get(path)).json()["deactivation"] == gone["deactivation"]
    back = (await admin.patch(path, json={"is_active": True, "reason": "came back"})).json()
    assert back["deactivation"] is None
    audited = await database.fetch(
        "select action, detail->>'reason' as reason from audit where object_id = 'ann' order by id"
    )
    assert [tuple(row) for row in audited] == [
        ("user.deactivated", "left the company"), ("user.reactivated", "came back"),
    ]  # fmt: skip
    assert (await admin.patch(path, json={"reason": "of nothing"})).status_code == 400
    assert (await admin.patch(path, json={"is_active": False})).json()["deactivation"]["reason"] is None


async def test_many_are_deactivated_for_one_reason_and_anonymising_forgets_it(
    people: People, database: asyncpg.Connection
):
    admin = people["admin"]
    await database.execute("""update users set extras = '{"models": ["m"]}' where id = 'bob'""")
    many = {"action": "deactivate", "user_ids": ["ann", "bob"], "reason": "end of the course"}
    assert (await admin.post("/api/v1/admin/users/bulk", json=many)).json() == {"matched": 2, "updated": 2}
    for name in ("ann", "bob"):
        shown = (await admin.get(f"/api/v1/admin/users/{name}")).json()
        assert (shown["is_active"], shown["deactivation"]["reason"]) == (False, "end of the course")
    assert await database.fetchval("select extras->'models'->>0 from users where id = 'bob'") == "m"
    told = "select detail->>'reason' from audit where action = 'user.bulk_deactivated'"
    assert await database.fetchval(told) == "end of the course"
    assert (await admin.post("/api/v1/admin/users/bob/anonymise", json={"reason": "asked for it"})).status_code == 200
    assert "course" not in await database.fetchval("select extras::text from users where id = 'bob'")
    wrong = {"action": "limits", "limits": {"rpm_limit": 1}, "reason": "x"}
    assert (await admin.post("/api/v1/admin/users/bulk", json=wrong)).status_code == 400


async def test_of_two_administrators_who_change_roles_over_the_same_version_one_is_refused(people: People):
    admin, path = people["admin"], "/api/v1/admin/users/ann"
    read = {"If-Match": (await admin.get(path)).headers["ETag"]}
    roles = (["user", "readonly"], ["user", "adminReadonly"])
    both = await asyncio.gather(*(admin.patch(path, json={"granted_roles": one}, headers=read) for one in roles))
    assert sorted(answer.status_code for answer in both) == [200, 412]
    kept = next(wanted for wanted, answer in zip(roles, both, strict=True) if answer.status_code == 200)
    now = await admin.get(path)
    assert now.json()["granted_roles"] == kept
    again = await admin.patch(path, json={"granted_roles": ["user"]}, headers={"If-Match": now.headers["ETag"]})
    assert again.status_code == 200
