"""Can a workshop be set up, claimed seat by seat, watched and ended; by whom, and with which bounds?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
from tests.integration.control.test_workshops import lab, provide

from litemaas.control.workshops.board import SeatState, forecast, seat_state
from litemaas.control.workshops.codes import hash_code, new_code
from litemaas.core.keys import hash_key
from litemaas.core.ledger import COLUMNS
from litemaas.db.partitions import ensure_partitions

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
async def catalogue(client: httpx2.AsyncClient) -> None:
    for name in ("granite-3-8b", "qwen-2"):
        params = {"model": f"hosted_vllm/{name}", "api_base": "http://engine:8000/v1", "max_parallel_requests": 10}
        made = await client.post("/litellm/model/new", json={"model_name": name, "litellm_params": params})
        assert made.status_code == 200, made.text


def plan(**members: Any) -> dict[str, Any]:
    return {
        "title": "Prompting", "organisers": ["ann"], "time_zone": "Europe/Berlin", "seats": 3,
        "starts_at": (NOW - timedelta(hours=1)).isoformat(), "ends_at": (NOW + timedelta(hours=3)).isoformat(),
        "models": ["granite-3-8b"], "pot_nano": 10 * 10**9, "limits": {"budget_nano": 2 * 10**9, "rpm_limit": 20},
    } | members  # fmt: skip


async def created(people: Mapping[str, httpx2.AsyncClient], **members: Any) -> str:
    made = await people["admin"].post("/api/v1/workshops", json=plan(**members))
    assert made.status_code == 201, made.text
    return str(made.json()["guid"])


async def codes(people: Mapping[str, httpx2.AsyncClient], guid: str) -> dict[str, Any]:
    shown = await people["ann"].get(f"/api/v1/workshops/{guid}/handouts")
    assert shown.status_code == 200, shown.text
    found: dict[str, Any] = shown.json()
    return found


async def claim(browser: httpx2.AsyncClient, guid: str, code: str, nickname: str = "Mia") -> httpx2.Response:
    return await browser.post(f"/api/v1/claims/{guid}", json={"code": code, "nickname": nickname})


def browsers(app: Any, count: int) -> list[httpx2.AsyncClient]:
    """Each with its own cookies."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return [httpx2.AsyncClient(transport=transport, base_url="http://control") for _ in range(count)]


async def test_everybody_with_the_code_gets_a_seat_of_their_own_until_all_are_taken(
    app: Any, people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    guid = await created(people)
    code = (await codes(people, guid))["code"]
    phones = browsers(app, 4)
    page = (await phones[0].get(f"/api/v1/claims/{guid}")).json()
    assert (page["title"], page["claiming"], page["needs"]) == ("Prompting", "open", "shared_code")
    claimed = await asyncio.gather(*(claim(phone, guid, code.lower().replace("-", " ")) for phone in phones[:3]))
    assert [answer.status_code for answer in claimed] == [201, 201, 201], [answer.text for answer in claimed]
    assert len({answer.json()["seat"] for answer in claimed}) == 3
    for answer in claimed:
        key = answer.json()["key"]
        row = await database.fetchrow("select * from virtual_keys where key_hash = $1", hash_key(key))
        assert (row["pot_id"], row["max_budget_nano"], row["rpm_limit"]) == (guid, 2 * 10**9, 20)
    late = await claim(phones[3], guid, code)
    assert (late.status_code, late.json()["code"]) == (409, "NO_SEAT")
    assert (await phones[3].get(f"/api/v1/claims/{guid}")).json()["claiming"] == "full"
    (row,) = await database.fetch("select * from workshops")
    assert (row["code_hash"], code.encode() in row["code_sealed"]) == (hash_code(guid, code), False)
    audited = await database.fetch("select detail::text from audit")
    assert not any(code in row["detail"] or "sk-" in row["detail"] for row in audited)


async def test_the_same_browser_sees_its_seat_again_and_no_other_does(app: Any, people: dict[str, httpx2.AsyncClient]):
    guid = await created(people)
    code = (await codes(people, guid))["code"]
    mine, other = browsers(app, 2)
    first = await claim(mine, guid, code)
    cookie = first.headers["set-cookie"]
    for part in ("HttpOnly", f"Path=/api/v1/claims/{guid}", "SameSite=lax"):
        assert part in cookie
    assert (await mine.get(f"/api/v1/claims/{guid}/seat")).json() == first.json()
    assert (await claim(mine, guid, "anything")).json()["seat"] == first.json()["seat"]
    assert (await other.get(f"/api/v1/claims/{guid}/seat")).status_code == 404
    assert "sk-" not in (await other.get(f"/api/v1/claims/{guid}")).text


async def test_wrong_codes_are_bounded_per_address_and_then_not_even_the_right_one_is_looked_at(
    app: Any, people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    guid = await created(people)
    code = (await codes(people, guid))["code"]
    (phone,) = browsers(app, 1)
    for _ in range(10):
        wrong = await claim(phone, guid, new_code())
        assert (wrong.status_code, wrong.json()["code"]) == (403, "WRONG_CODE")
    refused = await claim(phone, guid, code)
    assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
    assert int(refused.headers["retry-after"]) >= 1
    assert await database.fetchval("select count(*) from audit where action = 'workshop.claim_refused'") == 1
    assert await database.fetchval("select count(*) from workshop_seats where claimed_at is not null") == 0


async def test_a_seats_own_code_is_good_once_and_a_freed_seat_has_a_new_code_and_a_new_key(
    app: Any, people: dict[str, httpx2.AsyncClient]
):
    guid = await created(people, claim_mode="seat_codes", labels=["Mia", "Noa", "=cmd()"])
    seats = (await codes(people, guid))["seats"]
    assert [seat["label"] for seat in seats] == ["Mia", "Noa", "=cmd()"]
    first, second = browsers(app, 2)
    held = await claim(first, guid, seats[1]["code"])
    assert held.json()["seat"] == seats[1]["user"]
    taken = await claim(second, guid, seats[1]["code"])
    assert (taken.status_code, taken.json()["code"]) == (403, "WRONG_CODE")
    freed = await people["ann"].post(f"/api/v1/workshops/{guid}/seats/{seats[1]['user']}/free")
    assert freed.status_code == 204, freed.text
    assert (await first.get(f"/api/v1/claims/{guid}/seat")).status_code == 404
    fresh = (await codes(people, guid))["seats"][1]
    assert fresh["code"] != seats[1]["code"]
    assert (await claim(second, guid, seats[1]["code"])).status_code == 403
    again = await claim(second, guid, fresh["code"])
    assert again.json()["seat"] == seats[1]["user"]
    assert again.json()["key"] != held.json()["key"]


async def test_nobody_claims_outside_the_window(app: Any, people: dict[str, httpx2.AsyncClient]):
    (phone,) = browsers(app, 1)
    for changes, claiming in (
        ({"starts_at": (NOW + timedelta(hours=1)).isoformat()}, "not_open"),
        ({"claim_closes_at": (NOW - timedelta(minutes=1)).isoformat()}, "closed"),
    ):
        guid = await created(people, **changes)
        code = (await codes(people, guid))["code"]
        assert (await phone.get(f"/api/v1/claims/{guid}")).json()["claiming"] == claiming
        assert (await claim(phone, guid, code)).status_code == 409


async def test_pausing_stops_the_keys_and_ending_ends_them_for_good(
    app: Any, people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    guid = await created(people)
    code = (await codes(people, guid))["code"]
    phone, late = browsers(app, 2)
    await claim(phone, guid, code)
    assert (await people["ann"].post(f"/api/v1/workshops/{guid}/pause")).json()["state"] == "paused"
    assert await database.fetchval("select bool_and(blocked) from virtual_keys")
    assert (await phone.get(f"/api/v1/claims/{guid}/seat")).json()["is_paused"] is True
    assert (await claim(late, guid, code)).status_code == 409
    await people["ann"].post(f"/api/v1/workshops/{guid}/seats/seat-0001/replace-key")
    assert await database.fetchval("select bool_and(blocked) from virtual_keys where deleted_at is null")
    assert (await people["ann"].post(f"/api/v1/workshops/{guid}/resume")).json()["state"] == "claim_open"
    assert not await database.fetchval("select bool_or(blocked) from virtual_keys where deleted_at is null")
    assert (await people["ann"].post(f"/api/v1/workshops/{guid}/end")).json()["state"] == "ended"
    assert await database.fetchval("select count(*) from virtual_keys where deleted_at is null") == 0
    assert await database.fetchval("select count(*) from virtual_keys where secret_sealed is not null") == 0
    assert (await phone.get(f"/api/v1/claims/{guid}/seat")).status_code == 409
    assert (await people["ann"].post(f"/api/v1/workshops/{guid}/resume")).status_code == 409
    board = (await people["ann"].get(f"/api/v1/workshops/{guid}/board")).json()
    assert (board["state"], board["claimed"]) == ("ended", 1)


async def test_extending_moves_all_keys_and_money_is_for_administrators(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    guid = await created(people)
    until = NOW + timedelta(hours=9)
    path = f"/api/v1/workshops/{guid}"
    changed = await people["ann"].patch(path, json={"ends_at": until.isoformat(), "announcement": "Lunch at noon"})
    assert changed.status_code == 200, changed.text
    assert datetime.fromisoformat(changed.json()["claim_closes_at"]) == until
    assert await database.fetchval("select array_agg(distinct expires_at) from virtual_keys") == [until]
    assert (await people["ann"].patch(path, json={"pot_nano": 10**12})).status_code == 403
    raised = await people["admin"].patch(path, json={"pot_nano": 20 * 10**9, "seat_budget_nano": None})
    assert (raised.json()["pot_nano"], raised.json()["limits"]["budget_nano"]) == (20 * 10**9, None)
    assert await database.fetchval("select count(*) from virtual_keys where max_budget_nano is not null") == 0
    past = await people["ann"].patch(path, json={"ends_at": (NOW - timedelta(minutes=5)).isoformat()})
    assert (past.status_code, past.json()["errors"][0]["field"]) == (400, "ends_at")


async def test_seats_that_are_added_draw_on_the_same_pot_under_the_same_limits(
    app: Any, people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    guid = await created(people, seats=1)
    path = f"/api/v1/workshops/{guid}"
    code = (await codes(people, guid))["code"]
    first, second = browsers(app, 2)
    held = await claim(first, guid, code)
    await people["admin"].patch(path, json={"seat_budget_nano": 10**9})
    pot = await database.fetchrow("select * from budgets where scope = $1", f"pot:{guid}")
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        grown = await people["ann"].post(f"{path}/seats", json={"seats": 2}, headers=headers)
        assert grown.status_code == 201, grown.text
    assert (grown.json()["seats"], grown.json()["claimed"], grown.json()["pot_nano"]) == (3, 1, 10 * 10**9)
    late = await claim(second, guid, code)
    assert late.json()["seat"] == "seat-0002"
    keys = await database.fetch("select * from virtual_keys where deleted_at is null")
    same = {(key["pot_id"], key["max_budget_nano"], key["rpm_limit"], key["expires_at"]) for key in keys}
    assert (len(keys), len(same)) == (3, 1)
    assert next(iter(same))[:3] == (guid, 10**9, 20)
    assert await database.fetchrow("select * from budgets where scope = $1", f"pot:{guid}") == pot
    assert (await first.get(f"/api/v1/claims/{guid}/seat")).json()["key"] == held.json()["key"]


async def test_added_seats_have_codes_and_labels_of_their_own_and_a_pause_holds_for_them(
    app: Any, people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    guid = await created(people, claim_mode="seat_codes", seats=2, labels=["Mia", "Noa"])
    path = f"/api/v1/workshops/{guid}"
    before = (await codes(people, guid))["seats"]
    await people["ann"].post(f"{path}/pause")
    assert (await people["ann"].post(f"{path}/seats", json={"seats": 1, "labels": ["Kim"]})).status_code == 201
    after = (await codes(people, guid))["seats"]
    assert [(seat["user"], seat["label"]) for seat in after][2:] == [("seat-0003", "Kim")]
    assert after[:2] == before
    assert len({seat["code"] for seat in after}) == 3
    assert await database.fetchval("select bool_and(blocked) from virtual_keys where deleted_at is null")
    await people["ann"].post(f"{path}/resume")
    (phone,) = browsers(app, 1)
    assert (await claim(phone, guid, after[2]["code"])).json()["seat"] == "seat-0003"
    assert not await database.fetchval("select bool_or(blocked) from virtual_keys where deleted_at is null")


async def test_who_may_not_run_a_workshop_adds_no_seat_and_nobody_adds_too_many(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    guid = await created(people)
    path = f"/api/v1/workshops/{guid}/seats"
    for name in ("bob", "overseer", "reader"):
        assert (await people[name].post(path, json={"seats": 1})).status_code in (403, 404), name
    for body, field in (
        ({"seats": 1998}, "seats"), ({"seats": 1, "labels": ["Mia"]}, "labels"), ({"seats": 0}, "seats"),
    ):  # fmt: skip
        refused = await people["ann"].post(path, json=body)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field), refused.text
    assert (await people["ann"].post(path, json={"seats": 2, "labels": ["Mia"]})).status_code == 400
    assert await database.fetchval("select count(*) from workshop_seats") == 3
    await people["ann"].post(f"/api/v1/workshops/{guid}/end")
    assert (await people["ann"].post(path, json={"seats": 1})).status_code == 409


async def test_administrators_change_the_models_of_all_keys_and_of_those_to_come(
    app: Any, people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    guid = await created(people)
    path = f"/api/v1/workshops/{guid}"
    both = {"models": ["granite-3-8b", "qwen-2", "qwen-2"]}
    assert (await people["ann"].patch(path, json=both)).status_code == 403
    unknown = await people["admin"].patch(path, json={"models": ["nothing"]})
    assert (unknown.status_code, "nothing" in unknown.json()["detail"]) == (400, True)
    changed = await people["admin"].patch(path, json=both)
    assert changed.json()["models"] == ["granite-3-8b", "qwen-2"], changed.text
    await people["ann"].post(f"{path}/seats", json={"seats": 1})
    (phone,) = browsers(app, 1)
    await claim(phone, guid, (await codes(people, guid))["code"])
    assert [one["name"] for one in (await phone.get(f"/api/v1/claims/{guid}/seat")).json()["models"]] == changed.json()[
        "models"
    ]
    models = {tuple(row["models"]) for row in await database.fetch("select models from virtual_keys")}
    assert models == {("granite-3-8b", "qwen-2")}
    # What was retired since may stay in the list.
    await database.execute("update models set status = 'retired' where name = 'granite-3-8b'")
    assert (await people["admin"].patch(path, json={"models": ["granite-3-8b"]})).status_code == 200


async def test_only_its_organisers_and_administrators_see_a_workshop(people: dict[str, httpx2.AsyncClient]):
    guid = await created(people)
    for name, status in (("ann", 200), ("admin", 200), ("overseer", 200), ("bob", 404), ("reader", 404)):
        assert (await people[name].get(f"/api/v1/workshops/{guid}")).status_code == status, name
        total = (await people[name].get("/api/v1/workshops")).json()["pagination"]["total"]
        assert total == (1 if status == 200 else 0), name
    assert (await people["overseer"].get(f"/api/v1/workshops/{guid}")).json()["may_run"] is False
    for name in ("bob", "overseer", "reader"):
        for path in ("pause", "end", "seats/seat-0001/free"):
            assert (await people[name].post(f"/api/v1/workshops/{guid}/{path}")).status_code in (403, 404)
        assert (await people[name].get(f"/api/v1/workshops/{guid}/handouts")).status_code == 404, name
    assert (await people["ann"].post("/api/v1/workshops", json=plan())).status_code == 403
    assert (await people["bob"].get("/api/v1/auth/session")).json()["organises_workshops"] is False
    assert (await people["ann"].get("/api/v1/auth/session")).json()["organises_workshops"] is True


IMPOSSIBLE: tuple[dict[str, Any], ...] = (
    {"seats": 0}, {"seats": 2001}, {"models": []}, {"models": ["nothing"]}, {"organisers": ["nobody"]}, {"title": ""},
    {"time_zone": "Mars/Base"}, {"ends_at": "2020-01-01T00:00:00Z"}, {"claim_opens_at": "2020-01-01T00:00:00Z"},
    {"labels": ["one"]}, {"pot_nano": -1}, {"limits": {"budget_nano": 11 * 10**9}},
)  # fmt: skip


async def test_a_plan_that_cannot_be_is_a_clear_refusal(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    for members in IMPOSSIBLE:
        refused = await people["admin"].post("/api/v1/workshops", json=plan(**members))
        assert refused.status_code == 400, (members, refused.text)
        assert refused.json()["detail"]
    assert await database.fetchval("select count(*) from workshops") == 0


async def test_organisers_can_be_named_as_people_know_them(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    await database.execute("update users set username = 'Bobby' where id = 'bob'")
    guid = await created(people, organisers=["Bobby", "ann"])
    assert (await people["bob"].get(f"/api/v1/workshops/{guid}")).json()["organisers"] == {"bob": "Bobby", "ann": "ann"}


async def test_a_repeated_submission_makes_one_workshop(people: dict[str, httpx2.AsyncClient]):
    headers = {"Idempotency-Key": "once"}
    answers = [await people["admin"].post("/api/v1/workshops", json=plan(), headers=headers) for _ in range(2)]
    assert answers[0].json()["guid"] == answers[1].json()["guid"]
    assert (await people["admin"].get("/api/v1/workshops")).json()["pagination"]["total"] == 1


async def test_the_preview_bounds_the_cost_and_says_what_else_is_on(people: dict[str, httpx2.AsyncClient]):
    guid = await created(people)
    seen = await people["admin"].post("/api/v1/workshops/preview", json=plan(seats=4))
    assert seen.status_code == 200, seen.text
    preview = seen.json()
    assert preview["most_nano"] == 8 * 10**9  # four times the cap of a seat is less than the pot
    assert [overlap["guid"] for overlap in preview["overlaps"]] == [guid]
    (room,) = preview["models"]
    assert (room["deployments"], room["parallel_cap"], room["wanted"], room["verdict"]) == (1, 10, 4, "fits")
    more = (await people["admin"].post("/api/v1/workshops/preview", json=plan(seats=30))).json()
    assert (more["most_nano"], more["models"][0]["verdict"]) == (10 * 10**9, "too_much")
    assert (await people["admin"].get("/api/v1/workshops")).json()["pagination"]["total"] == 1


async def test_the_board_tells_seats_calls_errors_and_the_pot(
    app: Any, people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    guid = await created(people)
    code = (await codes(people, guid))["code"]
    good, bad = browsers(app, 2)
    keys = [hash_key((await claim(phone, guid, code, name)).json()["key"]) for phone, name in ((good, "A"), (bad, "B"))]
    await ensure_partitions(database)
    rows = [record(f"r{number}", keys[0], 10**8) for number in range(3)] + [
        record("e1", keys[1], 0, status="refused", error_code="rate_limited", http_status=429)
    ]
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))
    board = (await people["overseer"].get(f"/api/v1/workshops/{guid}/board")).json()
    assert (board["seats"], board["claimed"], board["active"], board["stuck"]) == (3, 2, 1, 1)
    assert board["errors"] == [{"code": "rate_limited", "calls": 1}]
    assert sum(board["calls_per_minute"]) == 4
    assert board["ttft_p50_ms"] == 50.0
    assert [seat["state"] for seat in board["people"]] == ["active", "stuck", "free"]
    assert [seat["nickname"] for seat in board["people"]] == ["A", "B", None]
    assert board["people"][0]["calls"] == 3
    assert board["exhausted_at"] is not None


def record(request_id: str, key_hash: str, cost: int, **changes: Any) -> tuple[Any, ...]:
    values = dict.fromkeys(COLUMNS) | {
        "request_id": request_id, "started_at": datetime.now(UTC) - timedelta(seconds=20), "duration_us": 200_000,
        "ttft_us": 50_000, "endpoint": "chat", "stream": True, "status": "success", "http_status": 200,
        "key_hash": key_hash, "model": "granite-3-8b", "prompt_tokens": 5, "completion_tokens": 7, "cached_tokens": 0,
        "cache_write_tokens": 0, "reasoning_tokens": 0, "pages": 0, "usage_source": "engine", "cost_nano": cost,
        "input_cost_nano": 0, "output_cost_nano": cost, "attempts": 1, "tags": [], "metadata": "{}", "source": "api",
    } | changes  # fmt: skip
    return tuple(values[name] for name in COLUMNS)


async def test_a_workshop_of_a_catalogue_has_a_board_but_no_claim_page_and_is_not_changed_here(
    people: dict[str, httpx2.AsyncClient], client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient
):
    await provide(client, lab(2))
    board = (await people["admin"].get("/api/v1/workshops/ab12/board")).json()
    assert (board["seats"], board["claimed"]) == (2, 2)
    assert (await anonymous.get("/api/v1/claims/ab12")).status_code == 404
    assert (await people["admin"].post("/api/v1/workshops/ab12/pause")).status_code == 409
    (listed,) = (await people["admin"].get("/api/v1/workshops")).json()["data"]
    assert (listed["title"], listed["seats"], listed["may_run"]) == (None, 2, False)


async def test_trying_a_key_without_a_seat_or_with_another_model_is_refused(
    app: Any, people: dict[str, httpx2.AsyncClient]
):
    guid = await created(people)
    code = (await codes(people, guid))["code"]
    phone, other = browsers(app, 2)
    assert (await other.post(f"/api/v1/claims/{guid}/seat/try", json={"model": "granite-3-8b"})).status_code == 404
    await claim(phone, guid, code)
    assert (await phone.post(f"/api/v1/claims/{guid}/seat/try", json={"model": "qwen-2"})).status_code == 400
    tried = (await phone.post(f"/api/v1/claims/{guid}/seat/try", json={"model": "granite-3-8b"})).json()
    assert tried["ok"] is False
    assert "gateway" in tried["error"]


def test_the_forecast_follows_the_pace_of_the_last_quarter_hour():
    assert forecast(NOW, 1_000, 400, 300) == NOW + timedelta(minutes=30)
    assert forecast(NOW, None, 400, 300) is None
    assert forecast(NOW, 1_000, 400, 0) is None
    assert forecast(NOW, 10**12, 0, 1) is None
    assert forecast(NOW, 100, 400, 1) == NOW


def test_a_seat_is_stuck_when_nothing_works_or_nothing_was_ever_tried():
    early, fresh = NOW - timedelta(minutes=10), NOW - timedelta(minutes=1)
    assert seat_state(NOW, None, 0, 0, 0) is SeatState.FREE
    assert seat_state(NOW, fresh, 0, 0, 0) is SeatState.QUIET
    assert seat_state(NOW, early, 0, 0, 0) is SeatState.STUCK
    assert seat_state(NOW, early, 5, 0, 0) is SeatState.QUIET
    assert seat_state(NOW, early, 5, 3, 1) is SeatState.ACTIVE
    assert seat_state(NOW, early, 5, 2, 2) is SeatState.STUCK


async def test_a_seat_that_nobody_holds_is_taken_away_with_its_key_and_not_the_last_one(
    app: Any, people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    guid = await created(people, seats=2)
    path = f"/api/v1/workshops/{guid}"
    code = (await codes(people, guid))["code"]
    first, second = browsers(app, 2)
    assert (await claim(first, guid, code)).json()["seat"] == "seat-0001"
    taken = await people["ann"].delete(f"{path}/seats/seat-0001")
    assert (taken.status_code, "Free it first" in taken.json()["detail"]) == (409, True)
    assert (await people["bob"].delete(f"{path}/seats/seat-0002")).status_code in (403, 404)
    assert (await people["ann"].delete(f"{path}/seats/seat-0002")).status_code == 204
    assert (await people["ann"].delete(f"{path}/seats/seat-0002")).status_code == 404
    shown = (await people["ann"].get(path)).json()
    assert (shown["seats"], shown["claimed"], shown["pot_nano"]) == (1, 1, 10 * 10**9)
    assert await database.fetchval("select count(*) from virtual_keys where deleted_at is null") == 1
    assert (await claim(second, guid, code)).status_code == 409
    assert [seat["user"] for seat in (await people["ann"].get(f"{path}/board")).json()["people"]] == ["seat-0001"]
    await people["ann"].post(f"{path}/seats/seat-0001/free")
    assert (await people["ann"].delete(f"{path}/seats/seat-0001")).status_code == 409
    assert (await people["ann"].post(f"{path}/seats", json={"seats": 1})).json()["seats"] == 2
    assert (await claim(second, guid, code)).status_code == 201
    assert await database.fetchval("select count(*) from audit where action = 'workshop.seat_removed'") == 1
