"""Does ``litemaas import-litellm`` take a LiteLLM database over so that issued keys keep working?"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.cli.import_litellm import DONE, FAILED, LEFT_SOME, Target, import_litellm
from litemaas.core.keys import hash_key

from .conftest import ENCRYPTION_KEY
from .test_litellm_people import get

SECRET = "sk-issued-by-litellm-01"
SEALED = base64.b64encode(bytes(range(70))).decode()
SCHEMA = """
create table "LiteLLM_BudgetTable" (budget_id text primary key, max_budget float, rpm_limit bigint, budget_duration text);
create table "LiteLLM_ProxyModelTable" (model_id text primary key, model_name text, litellm_params jsonb, model_info jsonb);
create table "LiteLLM_TeamTable" (team_id text primary key, team_alias text, members_with_roles jsonb, models text[],
    max_budget float, spend float, blocked boolean, metadata jsonb);
create table "LiteLLM_UserTable" (user_id text primary key, user_email text, user_role text, teams text[], models text[],
    max_budget float, spend float, budget_duration text, metadata jsonb);
create table "LiteLLM_VerificationToken" (token text primary key, key_name text, key_alias text, spend float,
    expires timestamp, models text[], aliases jsonb, user_id text, team_id text, metadata jsonb, blocked boolean,
    max_budget float, budget_duration text, budget_id text, rpm_limit bigint);
create table "LiteLLM_EndUserTable" (user_id text primary key, alias text, blocked boolean, budget_id text);
create table "LiteLLM_SpendLogs" (request_id text);
"""
VIEWS = ("LiteLLM_ProxyModelTable", "LiteLLM_UserTable", "LiteLLM_VerificationToken", "LiteLLM_SpendLogs")
GRANITE = {"model": "openai/granite-3", "api_base": "http://engine:8000/v1", "api_key": "engine-secret"}


@pytest.fixture
async def source(app: Any, database: asyncpg.Connection) -> None:
    """LiteLLM's tables in the very database of the test, where its views would be."""
    for name in VIEWS:
        await database.execute(f'drop view "{name}"')
    await database.execute(SCHEMA)
    await database.execute("insert into \"LiteLLM_BudgetTable\" values ('b1', 5, 7, '30d')")
    models = [("m1", "granite", json.dumps(GRANITE)), ("m2", "hidden", json.dumps({"model": SEALED}))]
    await database.executemany('insert into "LiteLLM_ProxyModelTable" values ($1, $2, $3, null)', models)
    roles = json.dumps([{"role": "admin", "user_id": "ann"}])
    await database.execute(
        "insert into \"LiteLLM_TeamTable\" values ('t1', 'Team', $1, '{granite}', 50, 2, false, '{}')", roles
    )
    await database.execute(
        "insert into \"LiteLLM_UserTable\" values ('ann', 'a@b.c', 'internal_user', '{t1}', '{}', 20, 1.5, '30d', null)"
    )
    await database.execute(
        'insert into "LiteLLM_VerificationToken" values ($1, \'sk-...l-01\', \'virtkey\', 0.5, \'2036-01-01\', \'{granite}\','
        " '{}', 'ann', 't1', $2, null, 3, null, 'b1', null)",
        hash_key(SECRET), json.dumps({"guid": "ab12"}),
    )  # fmt: skip
    await database.execute("insert into \"LiteLLM_EndUserTable\" values ('c1', 'z', true, 'b1')")
    await database.execute("insert into \"LiteLLM_SpendLogs\" values ('r1')")


async def run(database_url: str, *, apply: bool, source: str | None = None) -> int:
    target = Target(database_url, ENCRYPTION_KEY)
    return await asyncio.to_thread(import_litellm, source or database_url, target, [], apply=apply)


async def test_a_dry_run_writes_nothing_and_says_what_would_be(
    client: httpx2.AsyncClient, source: None, database_url: str, capsys: pytest.CaptureFixture[str]
):
    assert await run(database_url, apply=False) == LEFT_SOME
    told = capsys.readouterr().out
    assert "keys       1 new, 0 here already" in told
    assert "left: model hidden: its parameters are encrypted" in told
    assert "not taken: 1 rows of LiteLLM_SpendLogs" in told
    assert "engine-secret" not in told
    await get(client, "/key/info", 404, key=SECRET)


async def test_issued_keys_keep_working_with_their_limits_owners_and_spend(
    client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient, source: None, database_url: str,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    assert await run(database_url, apply=True) == LEFT_SOME
    own = (await anonymous.get("/litellm/key/info", headers={"Authorization": f"Bearer {SECRET}"})).json()["info"]
    assert (own["key_alias"], own["spend"], own["max_budget"], own["rpm_limit"]) == ("virtkey", 0.5, 3.0, 7)
    assert (own["user_id"], own["team_id"], own["metadata"], own["models"]) == (
        "ann",
        "t1",
        {"guid": "ab12"},
        ["granite"],
    )
    assert own["expires"] == "2036-01-01T00:00:00+00:00"
    ann = (await get(client, "/user/info", user_id="ann"))["user_info"]
    assert (ann["teams"], ann["max_budget"], ann["spend"], ann["user_role"]) == (["t1"], 20.0, 1.5, "internal_user")
    team = (await get(client, "/team/info", team_id="t1"))["team_info"]
    assert (team["team_alias"], team["max_budget"], team["spend"], team["models"]) == ("Team", 50.0, 2.0, ["granite"])
    assert [member["role"] for member in team["members_with_roles"]] == ["admin"]
    assert [model["model_info"]["id"] for model in (await get(client, "/model/info"))["data"]] == ["m1"]
    assert (await get(client, "/customer/info", end_user_id="c1"))["blocked"] is True

    await client.post("/litellm/key/update", json={"key": SECRET, "max_budget": 9})
    capsys.readouterr()
    assert await run(database_url, apply=True) == LEFT_SOME
    assert "keys       0 new, 1 here already" in capsys.readouterr().out
    assert (await get(client, "/key/info", key=SECRET))["info"]["max_budget"] == 9.0
    await client.post("/litellm/key/delete", json={"keys": [SECRET]})
    await run(database_url, apply=True)
    await get(client, "/key/info", 404, key=SECRET)  # who was deleted here does not come back


async def test_another_database_is_refused_in_words(app: Any, database_url: str, capsys: pytest.CaptureFixture[str]):
    assert await run(database_url, apply=True) == FAILED
    assert "no table LiteLLM_VerificationToken" in capsys.readouterr().err
    assert DONE == 0
