"""Does a budget hold over several gateways, on every level, and can all of it be used wherever it happens to be leased?"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from litemaas.core.limits import BudgetRule
from litemaas.gateway.app import Gateway
from litemaas.gateway.http.stepping import stepped
from litemaas.gateway.leasing import Account
from litemaas.gateway.settings import BudgetSettings
from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .harness import PRICE_OUT, QUESTION, WITHIN_S, Platform, gateway_settings, running, until

OUTPUT = 9
PRICE = OUTPUT * PRICE_OUT
"""What each call to ``counted`` costs, and what it is held at."""
CALLS, CALLERS = 100, 1000


class Replicas:
    """Two gateways on one database."""

    def __init__(self, one: Platform, two: Platform) -> None:
        self.one = one
        self.two = two
        self.ledger = one.ledger

    async def set_budget(self, scope: str, limit_nano: int, **columns: Any) -> None:
        values = {"scope": scope, "max_budget_nano": limit_nano, "created_by": "test", "updated_by": "test", **columns}
        await self.ledger._insert("budgets", values)
        await self.tell("budget", scope)

    async def tell(self, kind: str, ref: str) -> None:
        seq = await self.ledger.announce(kind, [ref])
        for platform in (self.one, self.two):
            assert await platform.gateway.feed.wait_for(seq, WITHIN_S)

    async def spent(self, scope: str) -> int:
        total = await self.ledger.connection.fetchval(
            "select sum(settled_nano)::bigint from budget_windows where scope = $1", scope
        )
        return total or 0

    async def leased(self, scope: str) -> int:
        row = await self.ledger.connection.fetchrow(
            "select (select coalesce(sum(leased_nano), 0)::bigint from budget_windows where scope = $1) as leased, "
            "(select coalesce(sum(granted_nano), 0)::bigint from leases where scope = $1) as granted",
            scope,
        )
        assert row["leased"] == row["granted"]
        return int(row["leased"])

    async def everything_is_settled(self) -> None:
        for platform in (self.one, self.two):
            await platform.gateway.accountant.empty()

    async def everything_idle_comes_back(self) -> None:
        await self.everything_is_settled()
        for platform in (self.one, self.two):
            await platform.gateway.budgets.return_idle(-1.0)


@pytest.fixture(scope="module")
async def module_replicas(
    module_database: str, module_sim: SimulatedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Replicas]:
    await seed(module_database, module_sim)
    folder = tmp_path_factory.mktemp("replicas")
    budgets = BudgetSettings(min_output_tokens=OUTPUT)  # no call is shortened to what happens to be left
    async with AsyncExitStack() as stack:
        platforms = [
            await stack.enter_async_context(
                running(gateway_settings(module_database, folder / name, worker_id=name, budgets=budgets), module_sim)
            )
            for name in ("replica-one", "replica-two")
        ]
        await platforms[0].ledger.add_model("counted", module_sim.chat.url + "/v1", price=(0, PRICE_OUT / 1e9))
        for platform in platforms:
            await platform.catch_up()
        yield Replicas(*platforms)


@pytest.fixture
async def replicas(module_replicas: Replicas) -> Replicas:
    module_replicas.one.sim.reset()
    return module_replicas


async def ask(platform: Platform, key: str, **members: Any) -> httpx2.Response:
    return await platform.chat(key, model="counted", max_tokens=OUTPUT, **members)


async def status_of_one_call(platform: Platform, key: str, members: dict[str, Any]) -> int:
    """By a client that costs next to nothing: all of them share this process with the gateways."""
    body = json.dumps({**QUESTION, "model": "counted", "max_tokens": OUTPUT, **members})
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.gateway.port)
    head = f"Host: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    writer.write(f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n{body}".encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


async def crowd(replicas: Replicas, keys: tuple[str, str], **members: Any) -> Counter[int]:
    """How a thousand calls at once are answered, by status."""
    calls = ((replicas.one, keys[0]), (replicas.two, keys[1]))
    return Counter(
        await asyncio.gather(*(status_of_one_call(*call, members) for call in calls for _ in range(CALLERS // 2)))
    )


@pytest.mark.parametrize("level", ["key", "team", "user", "pot", "customer"])
async def test_a_thousand_calls_at_once_on_a_budget_for_a_hundred_are_a_hundred(replicas: Replicas, level: str):
    add, limit, members = replicas.ledger.add_key, CALLS * PRICE, {}
    scope = f"{level}:crowded"
    if level == "key":
        key = await add(max_budget_nano=limit)
        keys, scope = (key, key), f"key:{await replicas.ledger.connection.fetchval(NEWEST)}"
    else:
        await replicas.set_budget(scope, limit)
        columns = {} if level == "customer" else {f"{level}_id": "crowded"}
        members = {"user": "crowded"} if level == "customer" else {}
        keys = await add(**columns), await add(**columns)

    answers = await crowd(replicas, keys, **members)

    assert answers == {200: CALLS, 400: CALLERS - CALLS}
    await replicas.everything_is_settled()
    assert await replicas.spent(scope) == limit
    assert await replicas.leased(scope) == 0


NEWEST = "select key_hash from virtual_keys order by created_at desc limit 1"


async def lease_everything(gateway: Gateway, scope: str, limit_nano: int) -> Account:
    """As if this worker had drawn all of a budget for calls to come."""
    account = gateway.budgets.accounts([BudgetRule(scope, "pot", limit_nano)])[0]
    await gateway.budgets.leasing._request(account, limit_nano, 0)
    assert account.free == limit_nano
    return account


async def test_what_another_gateway_has_leased_is_there_within_a_second_for_a_call_that_waits(replicas: Replicas):
    await replicas.set_budget("pot:recalled", 10 * PRICE)
    account = await lease_everything(replicas.one.gateway, "pot:recalled", 10 * PRICE)
    key = await replicas.ledger.add_key(pot_id="recalled")

    reply = await ask(replicas.two, key)

    assert reply.status_code == 200
    assert account.free == 0
    await replicas.everything_is_settled()
    assert await replicas.spent("pot:recalled") == PRICE


async def test_a_recall_of_which_nobody_heard_is_seen_at_the_next_heartbeat(replicas: Replicas):
    await replicas.set_budget("pot:unheard", PRICE)
    gateway = replicas.one.gateway
    account = await lease_everything(gateway, "pot:unheard", PRICE)
    await gateway.heartbeat.beat()
    await replicas.ledger.connection.execute(
        "update budget_windows set recalled_at = now() where scope = 'pot:unheard'"
    )

    await gateway.heartbeat.beat()

    async def is_back() -> bool:
        return account.free == 0 and await replicas.leased("pot:unheard") == 0

    await until(is_back)


async def test_everything_that_nobody_uses_comes_back(replicas: Replicas):
    await replicas.set_budget("team:idle", 1000 * PRICE)
    key = await replicas.ledger.add_key(team_id="idle", max_budget_nano=2000 * PRICE)
    for platform in (replicas.one, replicas.two):
        assert (await ask(platform, key)).status_code == 200
    assert await replicas.leased("team:idle") > 0

    await replicas.everything_idle_comes_back()

    assert await replicas.leased("team:idle") == 0
    assert await replicas.spent("team:idle") == 2 * PRICE
    assert not await replicas.ledger.connection.fetchval("select count(*) from leases where scope = 'team:idle'")


async def test_a_lost_gateways_free_lease_comes_back_and_what_it_may_have_spent_stays(
    replicas: Replicas, tmp_path: Path
):
    await replicas.set_budget("pot:lost", 10 * PRICE)
    connection = replicas.ledger.connection
    settings = gateway_settings(replicas.one.gateway._settings.database_url, tmp_path, worker_id="lost")
    gateway = Gateway(settings)
    try:
        await gateway.heartbeat.begin("host", 1)
        account = await lease_everything(gateway, "pot:lost", 10 * PRICE)
        gateway.budgets.try_hold([account], 3 * PRICE)
        await gateway.heartbeat.beat()
        await connection.execute("update workers set heartbeat_at = now() - interval '1 hour' where worker_id = 'lost'")

        for _ in range(5):
            await replicas.one.gateway.heartbeat.beat()

        assert await replicas.leased("pot:lost") == 3 * PRICE
        assert not await connection.fetchval("select count(*) from workers where worker_id = 'lost'")

        await gateway.heartbeat.beat()  # it lives after all, and learns it
        assert account.free == 0
        await stepped(gateway.budgets.draw([account], 1))
        assert account.drawn == await replicas.leased("pot:lost")
    finally:
        await gateway.stop()
    assert await replicas.leased("pot:lost") == 0


async def test_a_users_budget_does_not_count_for_team_keys(replicas: Replicas):
    await replicas.set_budget("user:ada", 0)
    own, of_team = (
        await replicas.ledger.add_key(user_id="ada"),
        await replicas.ledger.add_key(user_id="ada", team_id="t"),
    )

    assert (await ask(replicas.one, own)).status_code == 400
    assert (await ask(replicas.one, of_team)).status_code == 200


async def test_the_refused_caller_reads_which_level_is_used_up(replicas: Replicas):
    await replicas.set_budget("team:poor", 0)
    reply = await ask(replicas.one, await replicas.ledger.add_key(team_id="poor", max_budget_nano=10**12))

    assert reply.json()["error"]["message"].startswith("Budget has been exceeded for team!")


async def test_a_changed_team_budget_binds_at_once(replicas: Replicas):
    await replicas.set_budget("team:changed", 0)
    key = await replicas.ledger.add_key(team_id="changed")
    assert (await ask(replicas.one, key)).status_code == 400

    await replicas.ledger.connection.execute("update budgets set max_budget_nano = null where scope = 'team:changed'")
    await replicas.tell("budget", "team:changed")

    assert (await ask(replicas.one, key)).status_code == 200


async def test_customers_without_limits_of_their_own_have_the_default_ones(replicas: Replicas):
    await replicas.set_budget("customer:*", PRICE)
    await replicas.set_budget("customer:rich", 3 * PRICE)
    key = await replicas.ledger.add_key()

    async def answers(user: str | None) -> list[int]:
        named = {} if user is None else {"user": user}
        return [(await ask(replicas.one, key, **named)).status_code for _ in range(4)]

    assert await answers("anyone\0") == [200, 400, 400, 400]
    assert await answers("another") == [200, 400, 400, 400]
    assert await answers("rich") == [200, 200, 200, 400]
    assert await answers(None) == [200] * 4
    await replicas.everything_is_settled()
    assert await replicas.spent("customer:anyone") == PRICE

    await replicas.ledger.connection.execute("delete from budgets where scope like 'customer:%'")
    await replicas.tell("budget", "customer:*")
    assert await answers("anyone\0") == [200] * 4


async def test_a_teams_rate_limit_counts_all_its_keys(replicas: Replicas):
    await replicas.set_budget("team:slow", 10**12, rpm_limit=2)
    keys = [await replicas.ledger.add_key(team_id="slow") for _ in range(2)]

    answers = [(await ask(replicas.one, key)).status_code for key in keys * 2]

    assert answers == [200, 200, 429, 429]


async def test_a_customers_rate_limit_counts_its_calls_with_any_key(replicas: Replicas):
    await replicas.set_budget("customer:hasty", 10**12, rpm_limit=1)
    first, second = [await replicas.ledger.add_key() for _ in range(2)]

    reply = await ask(replicas.one, first, user="hasty")
    assert (reply.status_code, reply.headers["x-ratelimit-end_user-limit-requests"]) == (200, "1")
    assert (await ask(replicas.one, second, user="hasty")).status_code == 429
    assert (await ask(replicas.one, second)).status_code == 200
