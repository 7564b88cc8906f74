"""Does a gateway know each limit that was set here, one by one, and none that was cleared? Read the way a gateway reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.core.keys import VirtualKey
from litemaas.gateway.adapters.directory import Directory
from litemaas.gateway.adapters.ledger import PREPARE
from litemaas.gateway.adapters.postgres import Postgres
from litemaas.kit.crypto import Vault

from .conftest import ENCRYPTION_KEY
from .test_keys import made, models, subscribe

__all__ = ["models"]
People = dict[str, httpx2.AsyncClient]
Known = dict[str, Any]
LIMITS: Known = {
    "max_budget_nano": 9_000_000_000, "budget_duration": "weekly", "rpm_limit": 7, "tpm_limit": 700, "max_parallel_requests": 3,
}  # fmt: skip
OF_A_MODEL: Known = {"max_budget_nano": 5_000_000, "budget_duration": "daily", "rpm": 2, "tpm": 20}


@pytest.fixture
async def directory(database_url: str) -> AsyncIterator[Directory]:
    postgres = Postgres(database_url, PREPARE, connections=1, timeout_s=10)
    yield Directory(postgres, Vault(ENCRYPTION_KEY), UTC)
    await postgres.close()


async def known(directory: Directory, key_hash: str, level: str) -> Known:
    """The limits of a level as a gateway has them; None = no limit."""
    found = await directory.find_key(key_hash)
    assert found is not None
    key: VirtualKey = found[0]
    (budget,) = [rule for rule in key.budgets if rule.level == level]
    rates = [rule for rule in key.rates if rule.level == level]
    rpm, tpm, parallel = (rates[0].rpm, rates[0].tpm, rates[0].parallel) if rates else (None, None, None)
    return {
        "max_budget_nano": budget.limit_nano, "budget_duration": budget.duration, "rpm_limit": rpm, "tpm_limit": tpm,
        "max_parallel_requests": parallel,
    }  # fmt: skip


async def change_one_by_one(client: httpx2.AsyncClient, path: str, directory: Directory, at: tuple[str, str]) -> None:
    """Each limit is set, changed and cleared alone; what a gateway knows changes in that and nothing else."""
    names = [name for name in LIMITS if at[1] != "user" or name != "max_parallel_requests"]
    expected = await known(directory, *at)
    for change in (
        LIMITS,
        LIMITS | {"rpm_limit": 0, "max_budget_nano": 0, "budget_duration": "monthly"},
        dict.fromkeys(LIMITS),
    ):
        for name in names:
            answer = await client.patch(path, json={name: change[name]})
            assert answer.status_code == 200, answer.text
            expected[name] = change[name]
            assert await known(directory, *at) == expected, (name, change[name])
    assert set(expected.values()) == {None}


async def test_each_limit_of_a_key_is_set_and_cleared_alone(
    people: People, directory: Directory, database: asyncpg.Connection
):
    await subscribe(database, "ann")
    key = (await made(people["ann"]))["key"]
    await change_one_by_one(people["ann"], f"/api/v1/keys/{key['id']}", directory, (key["ledger_id"], "key"))


async def test_each_limit_of_a_model_on_a_key_is_set_and_cleared_alone(
    people: People, directory: Directory, database: asyncpg.Connection
):
    await subscribe(database, "ann")
    key = (await made(people["ann"], rpm_limit=9))["key"]
    path, left = f"/api/v1/keys/{key['id']}", dict(OF_A_MODEL)
    for name in (None, *OF_A_MODEL):
        if name is not None:
            left[name] = None
        answer = await people["ann"].patch(path, json={"model_limits": {"granite": left}})
        assert answer.status_code == 200, answer.text
        found = await directory.find_key(key["ledger_id"])
        assert found is not None
        budget, rate = found[0].model_budgets.get("granite"), found[0].model_rates.get("granite")
        assert (budget.limit_nano if budget else None) == left["max_budget_nano"]
        assert (rate.rpm if rate else None, rate.tpm if rate else None) == (left["rpm"], left["tpm"])
        assert (await known(directory, key["ledger_id"], "key"))["rpm_limit"] == 9


async def test_each_limit_of_a_person_and_of_a_team_is_set_and_cleared_alone(
    people: People, directory: Directory, database: asyncpg.Connection
):
    await subscribe(database, "ann")
    key = (await made(people["ann"]))["key"]
    await change_one_by_one(people["admin"], "/api/v1/admin/users/ann", directory, (key["ledger_id"], "user"))
    team = (await people["admin"].post("/api/v1/teams", json={"name": "Red"})).json()["id"]
    await database.execute("update virtual_keys set team_id = $1", team)
    await change_one_by_one(people["admin"], f"/api/v1/teams/{team}", directory, (key["ledger_id"], "team"))
