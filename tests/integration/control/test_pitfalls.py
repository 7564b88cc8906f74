"""Pitfalls of the control-plane contract 19 that cut through several features at once; ``tests/architecture/test_pitfalls.py``
says where each of the others is tested."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import msgspec
import pytest

from litemaas.control.app import Settings, create_app
from litemaas.control.http.rates import Rate
from litemaas.core.ledger import COLUMNS
from litemaas.db.rollups import fold

from .conftest import MASTER_KEY
from .people import add_user, browser, start_session
from .test_keys import subscribe
from .test_usage import any_record

People = dict[str, httpx2.AsyncClient]
ODD = "a, \"b\" {c}\n;'d' – ü \\n"


async def model(database: asyncpg.Connection, name: str = "granite") -> None:
    await database.execute("insert into models (name, mode) values ($1, 'chat')", name)
    version = await database.fetchval(
        "insert into prices (deployment_id, created_by) values ($1, 't') returning version", name
    )
    await database.execute(
        "insert into deployments (id, model_name, provider, engine_model, api_base, price_version, created_by, updated_by)"
        " values ($1, $1, 'hosted_vllm', 'm', 'http://engine/v1', $2, 't', 't')", name, version,
    )  # fmt: skip


async def called(database: asyncpg.Connection, *calls: dict[str, Any]) -> None:
    dice = random.Random(3)
    now = {"started_at": datetime.now(UTC) - timedelta(minutes=5), "status": "success", "error_code": None}
    made = [any_record(dice, number) | now | call for number, call in enumerate(calls)]
    rows = [[record[column] for column in COLUMNS] for record in made]
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))
    await fold(database)


async def test_no_call_that_is_open_to_everybody_changes_what_is_somebody_elses(
    people: People, app: Any, database: asyncpg.Connection
):
    """Bob tries with everything that is Ann's: it is not there for him, and stays as it was."""
    await model(database)
    await subscribe(database, "ann", id=str(uuid4()))
    await database.execute("insert into teams (id, name, created_by, updated_by) values ('t1', 'Red', 't', 't')")
    await database.execute(
        "insert into team_members (team_id, user_id, role, added_by) values ('t1', 'ann', 'admin', 't')"
    )
    ann, bob = people["ann"], people["bob"]
    wish = {"name": "laptop", "models": ["granite"]}
    key = (await ann.post("/api/v1/keys", json=wish)).json()["key"]["id"]
    subscription = (await ann.get("/api/v1/subscriptions")).json()["data"][0]["id"]
    token = (await ann.post("/api/v1/me/tokens", json={"name": "x", "permissions": ["models:read"]})).json()
    session = (await ann.get("/api/v1/me/sessions")).json()["data"][0]["id"]
    prompt = (await ann.post("/api/v1/playground/prompts", json={"name": "p", "text": "c"})).json()
    tried: list[tuple[str, str, Any]] = [
        *(("POST", f"/api/v1/keys/{key}/{verb}", None)
          for verb in ("disable", "enable", "revoke", "rotate", "end-grace", "reveal")),
        ("PATCH", f"/api/v1/keys/{key}", {"name": "mine"}), ("DELETE", f"/api/v1/keys/{key}", None),
        ("POST", f"/api/v1/keys/{key}/reassign", {"user_id": "bob"}),
        ("POST", f"/api/v1/keys/{key}/explain", {"model": "granite"}),
        ("POST", "/api/v1/keys", wish | {"team_id": "t1"}), ("POST", "/api/v1/teams/t1/keys", wish),
        ("POST", "/api/v1/playground/chat",
         {"key_id": key, "model": "granite", "messages": [{"role": "user", "content": "hi"}]}),
        ("PATCH", f"/api/v1/subscriptions/{subscription}", {"quota_requests": 1}),
        ("POST", f"/api/v1/subscriptions/{subscription}/cancel", None),
        ("POST", f"/api/v1/subscriptions/{subscription}/request-review", None),
        ("POST", "/api/v1/subscriptions", {"model_id": "granite", "team_id": "t1"}),
        ("PATCH", "/api/v1/teams/t1", {"description": "mine"}),
        ("POST", "/api/v1/teams/t1/members", {"user_id": "bob", "role": "admin"}),
        ("PATCH", "/api/v1/teams/t1/members/ann", {"role": "viewer"}), ("DELETE", "/api/v1/teams/t1/members/ann", None),
        ("DELETE", f"/api/v1/me/tokens/{token['token']['id']}", None), ("DELETE", f"/api/v1/me/sessions/{session}", None),
        ("PATCH", f"/api/v1/playground/prompts/{prompt['id']}", {"name": "mine"}),
        ("DELETE", f"/api/v1/playground/prompts/{prompt['id']}", None),
    ]  # fmt: skip
    tables = ("virtual_keys", "subscriptions", "teams", "team_members", "tokens", "saved_prompts", "users")

    async def stand() -> list[str]:
        rows = "select md5(string_agg(t::text, '|' order by t::text)) from {} t"
        return [await database.fetchval(rows.format(table)) for table in tables]

    before = await stand()
    answers = {
        (method, path): (await bob.request(method, path, **({"json": body} if body is not None else {}))).status_code
        for method, path, body in tried
    }
    assert {call: status for call, status in answers.items() if status not in (400, 403, 404)} == {}
    assert [call for call, status in answers.items() if status == 400] == [("POST", "/api/v1/subscriptions")]
    assert await stand() == before
    assert (await ann.get("/api/v1/me/sessions")).status_code == 200


async def test_a_header_of_the_caller_is_no_credential_and_leads_nowhere(anonymous: httpx2.AsyncClient):
    for headers in (
        {"User-Agent": "kube-probe/1.30"}, {"Origin": "http://control"}, {"Referer": "http://control/admin"},
        {"X-Forwarded-User": "admin"}, {"X-Remote-User": "admin"}, {"X-Forwarded-For": "127.0.0.1"},
    ):  # fmt: skip
        answer = await anonymous.get("/api/v1/admin/users", headers=headers)
        assert answer.status_code == 401, headers


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        ("", "203.0.113.9", "127.0.0.1"),  # nobody is a proxy: what a caller says of itself counts for nothing
        ("10.0.0.0/8", "203.0.113.9", "127.0.0.1"),
        ("127.0.0.0/8", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.0/8", "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the first one was written by the caller
        ("127.0.0.0/8, 10.0.0.0/8", "198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("127.0.0.0/8", "not an address", "not an address"),
        ("127.0.0.0/8", "", "127.0.0.1"),
    ],
)
async def test_only_trusted_proxies_say_whose_address_is_noted(
    settings: Settings, database: asyncpg.Connection, proxies: str, forwarded: str, address: str
):
    behind = create_app(msgspec.structs.replace(settings, trusted_proxies=proxies))
    cookie = await start_session(database, await add_user(database, "root", ["admin"]))
    async with behind.router.lifespan_context(behind), browser(behind, cookie) as client:
        headers = {
            "X-Forwarded-For": forwarded,
            "X-Real-IP": "192.0.2.1",
            "Forwarded": "for=192.0.2.2",
            "X-Client-IP": "192.0.2.3",
        }
        assert (await client.post("/api/v1/teams", json={"name": "Red"}, headers=headers)).status_code == 201
        assert await database.fetchval("select address from audit where action = 'team.created'") == address


async def test_a_forged_token_uses_up_nobodys_count(people: People, anonymous: httpx2.AsyncClient, app: Any):
    app.state.browser_rate = Rate("general-browser", 2)
    for forged in ("lmt_forged", "sk-forged-0123456789abcdef", "Bearer"):
        for _ in range(3):
            answer = await anonymous.get("/api/v1/me", headers={"Authorization": f"Bearer {forged}"})
            assert answer.status_code == 401
    assert [(await people["ann"].get("/api/v1/me")).status_code for _ in range(3)] == [200, 200, 429]
    # Nor is it a way around one's own: whoever shows it is nobody.
    answer = await people["ann"].get("/api/v1/me", headers={"Authorization": "Bearer lmt_forged"})
    assert answer.status_code == 401


async def test_names_and_notes_come_back_as_they_were_written(people: People, database: asyncpg.Connection):
    await model(database)
    await subscribe(database, "ann")
    wish = {
        "name": ODD,
        "description": ODD,
        "models": ["granite"],
        "tags": [ODD],
        "metadata": {ODD: [None, 0, {"x": ODD}]},
    }
    key = (await people["ann"].post("/api/v1/keys", json=wish)).json()["key"]
    assert {name: key[name] for name in ("name", "description", "tags", "metadata")} == {
        name: wish[name] for name in ("name", "description", "tags", "metadata")
    }
    found = (await people["ann"].get("/api/v1/keys", params={"tag": ODD, "search": '"b" {c}'})).json()["data"]
    assert [one["name"] for one in found] == [ODD]
    team = await people["admin"].post("/api/v1/teams", json={"name": ODD, "metadata": {"a": None, "b": [0]}})
    assert team.status_code == 201, team.text
    assert (team.json()["name"], team.json()["metadata"]) == (ODD, {"a": None, "b": [0]})
    await add_user(database, ODD, ["user"], groups=[ODD])
    grouped = (await people["admin"].get("/api/v1/admin/users", params={"group": ODD})).json()["data"]
    assert [one["username"] for one in grouped] == [ODD]


async def test_renamed_and_deleted_things_keep_their_use_under_a_name(people: People, database: asyncpg.Connection):
    await model(database)
    await subscribe(database, "ann")
    await database.execute("insert into teams (id, name, created_by, updated_by) values ('t1', 'Red', 't', 't')")
    key = (await people["ann"].post("/api/v1/keys", json={"name": "first", "models": ["granite"]})).json()["key"]
    await called(database, {"key_hash": key["ledger_id"], "user_id": "ann", "team_id": "t1", "model": "granite"})
    admin = people["admin"]
    assert (await people["ann"].patch(f"/api/v1/keys/{key['id']}", json={"name": "second"})).status_code == 200
    assert (await people["ann"].delete(f"/api/v1/keys/{key['id']}")).status_code == 204
    assert (await admin.delete("/api/v1/teams/t1")).status_code == 204
    assert (await admin.post("/api/v1/admin/users/ann/anonymise", json={"reason": "left"})).status_code == 200
    for dimension, name in (("key", "second"), ("team", "Red"), ("model", "granite")):
        (row,) = (await admin.get(f"/api/v1/usage/breakdown/{dimension}", params={"scope": "all"})).json()["data"]
        assert row["name"] == name
    (person,) = (await admin.get("/api/v1/usage/breakdown/user", params={"scope": "all"})).json()["data"]
    assert person["id"] == "ann"
    assert person["name"]


async def test_limits_that_an_administrator_set_survive_a_restart(people: People, settings: Settings):
    wish = {"max_budget_nano": 7, "rpm_limit": 0, "tpm_limit": None}
    assert (await people["admin"].patch("/api/v1/admin/users/ann", json=wish)).status_code == 200
    assert (await people["admin"].put("/api/v1/admin/settings/counts", json={"keys_per_user": 0})).status_code == 200
    again = create_app(msgspec.structs.replace(settings, default_user_max_budget=99.0, default_user_rpm=99))
    transport = httpx2.ASGITransport(app=again)
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    async with (
        again.router.lifespan_context(again),
        httpx2.AsyncClient(transport=transport, base_url="http://control", headers=headers) as client,
    ):
        limits = (await client.get("/api/v1/admin/users/ann")).json()["limits"]
        assert {name: limits[name] for name in wish} == wish
        assert (await client.get("/api/v1/admin/settings/counts")).json()["keys_per_user"] == 0


async def test_a_nano_dollar_and_billions_of_tokens_are_exact(people: People, database: asyncpg.Connection):
    many = {"prompt_tokens": 2_147_483_647, "completion_tokens": 2_147_483_647, "cost_nano": 1}
    await called(database, *(many | {"user_id": "ann", "key_hash": "a" * 64} for _ in range(3)))
    found = (await people["admin"].get("/api/v1/usage/analytics", params={"scope": "all"})).json()
    assert found["tokens"] == {"total": 6 * 2_147_483_647, "prompt": 3 * 2_147_483_647, "completion": 3 * 2_147_483_647}
    assert found["cost"]["total_nano"] == 3
    exported = await people["admin"].get("/api/v1/usage/export", params={"scope": "all", "breakdown": "user"})
    assert "0.000000003" in exported.text


async def test_what_was_estimated_is_marked_and_what_is_unknown_is_null(people: People, database: asyncpg.Connection):
    key = {"user_id": "ann", "key_hash": "a" * 64}
    failed = {"status": "failure", "error_code": "upstream_error", "ttft_us": None, "usage_source": "none"}
    await called(
        database,
        *(
            key | {"model": "m1", "usage_source": source, "ttft_us": None}
            for source in ("engine", "tokenizer", "estimate")
        ),
        key | failed | {"model": "m2"},
    )
    admin, params = people["admin"], {"group_by": "model", "latency": True}
    rows = (await admin.get("/api/v1/admin/usage/summary", params=params)).json()["data"]
    told = {row["group"]: row for row in rows}
    assert {name: row["estimated_requests"] for name, row in told.items()} == {"m1": 2, "m2": 0}
    assert told["m1"]["latency"]["duration"]["mean_ms"] is not None
    assert told["m1"]["latency"]["ttft"]["mean_ms"] is None  # nobody said when the first token came
    assert told["m2"]["latency"]["duration"]["mean_ms"] is None  # only successful calls have a latency
    log = (await admin.get("/api/v1/requests", params={"scope": "all"})).json()["data"]
    assert sorted(row["usage_source"] for row in log if row["model"] == "m1") == ["engine", "estimate", "tokenizer"]
    nothing = (await admin.get("/api/v1/usage/analytics", params={"scope": "all", "models": "m9"})).json()
    assert (nothing["success_rate"], nothing["requests"]["total"]) == (None, 0)


async def test_a_sum_of_which_a_part_cannot_be_read_is_not_shown(people: People, database: asyncpg.Connection):
    await called(database, {"user_id": "ann", "key_hash": "a" * 64})
    await database.execute("alter table usage_deltas rename to elsewhere")
    for path in ("analytics", "breakdown/user", "timeseries?group_by=user"):
        answer = await people["admin"].get(f"/api/v1/usage/{path}", params={"scope": "all"} if "?" not in path else {})
        assert answer.status_code == 500, path
        assert "cost" not in answer.text
        assert "usage_deltas" not in answer.text  # nor how tables are called


async def test_a_key_that_cannot_be_used_gets_no_new_secret(people: People, database: asyncpg.Connection):
    await model(database)
    await subscribe(database, "ann")
    key = (await people["ann"].post("/api/v1/keys", json={"name": "x", "models": ["granite"]})).json()["key"]["id"]
    path = f"/api/v1/keys/{key}"
    await database.execute("update virtual_keys set expires_at = now() - interval '1 minute'")
    assert (await people["ann"].post(f"{path}/rotate")).status_code == 409
    await database.execute("update virtual_keys set expires_at = null")
    await people["ann"].post(f"{path}/revoke")
    assert (await people["ann"].post(f"{path}/rotate")).status_code == 409
    assert (await people["ann"].post(f"{path}/reveal")).status_code in (404, 409)


async def test_no_transaction_is_open_while_somebody_else_is_asked(
    app: Any, settings: Settings, database: asyncpg.Connection, database_url: str
):
    """An engine that answers late sees nobody of us idle in a transaction."""
    idle: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(20):
            idle.append(await database.fetchval(
                "select count(*) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'"
            ))  # fmt: skip
            await asyncio.sleep(0.02)
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{"data":[]}')
        await writer.drain()
        writer.close()

    alone = create_app(msgspec.structs.replace(settings, host_policy="single-machine"))
    cookie = await start_session(database, await add_user(database, "root", ["admin"]))
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, browser(alone, cookie) as client:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        asked = {"api_base": base, "engine_model": "m", "type": "chat"}
        told = await client.post("/api/v1/admin/models/test", json=asked)
    assert (told.status_code, told.json().get("result")) == (200, "model_not_found"), told.text
    assert min(idle) == 0


async def test_what_is_deleted_keeps_its_audit(people: People, database: asyncpg.Connection):
    made = await people["admin"].post("/api/v1/admin/keys", json={"alias": "k"})
    assert (await people["admin"].delete(f"/api/v1/admin/keys/{made.json()['key']['id']}")).status_code == 204
    rows = await database.fetch("select action, actor from audit where object_kind = 'key' order by id")
    assert [tuple(row) for row in rows] == [("key.create", "admin"), ("key.delete", "admin")]
