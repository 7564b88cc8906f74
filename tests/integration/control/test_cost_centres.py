"""Are figures by cost centre and workshop those of the calls, as cost centres were at the moment of each?"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.core.ledger import COLUMNS
from litemaas.db.rollups import fold

from .test_usage import any_record

Record = dict[str, Any]
NOW = datetime.now(UTC)
FIRST = datetime.combine(NOW.date() - timedelta(days=29), datetime.min.time(), UTC)
KEYS = {"a" * 64: ("ann", None, "course"), "b" * 64: ("bob", None, None), "c" * 64: ("bob", "t1", "course")}
"""Their owners, teams and pots."""
FEW = {
    ("key", "a" * 64): [(80, "lab"), (9.37, None)],
    ("team", "t1"): [(80, "ops"), (15.21, "research")],
    ("user", "bob"): [(20.5, "research"), (3.03, "lab")],
}
"""Days ago and the cost centre from then on."""
MANY = FEW | {("user", "ann"): [(25 - step / 3, f"centre-{step % 3}") for step in range(60)]}

CROWDED = FEW | {
    ("user", "ann"): [
        (25 - hour * 10 / 24 - step * 2 / 24 / 60, f"centre-{step % 3}") for hour in range(20) for step in range(20)
    ]
}
"""Four hundred changes, but in few hours."""


def centre_of(record: Record, history: dict[tuple[str, str], list[tuple[float, str | None]]]) -> str:
    for kind, column in (("key", "key_hash"), ("team", "team_id"), ("user", "user_id")):
        began = [name for days, name in history.get((kind, record[column]), [])
                 if NOW - timedelta(days=days) <= record["started_at"]]  # fmt: skip
        if began and began[-1] is not None:
            return began[-1]
    return ""


async def stored(
    database: asyncpg.Connection, history: dict[tuple[str, str], list[tuple[float, str | None]]]
) -> list[Record]:
    """Three hundred calls of the last seventy days, half of them folded; each with its ``centre`` and ``pot``."""
    await database.execute("insert into teams (id, name, created_by, updated_by) values ('t1', 'Platform', 'x', 'x')")
    await database.execute(
        "insert into workshops (guid, pot_id, title, made_by) values ('course-1', 'course', 'A course', 'master')"
    )
    for key, (user, team, pot) in KEYS.items():
        await database.execute(
            "insert into virtual_keys (key_hash, key_name, user_id, team_id, pot_id, created_by, updated_by)"
            " values ($1, 'sk-...x', $2, $3, $4, 'x', 'x')", key, user, team, pot,
        )  # fmt: skip
    for (kind, owner), changes in history.items():
        for days, name in changes:
            await database.execute(
                "insert into cost_centres values ($1, $2, $3, $4)", kind, owner, NOW - timedelta(days=days), name
            )
    dice, made = random.Random(11), []
    for number in range(300):
        key = dice.choice(list(KEYS))
        user, team, pot = KEYS[key]
        one = any_record(dice, number) | {"key_hash": key, "user_id": user, "team_id": team}
        made.append(one | {"centre": centre_of(one, history), "pot": pot or ""})
    for half in (made[:150], made[150:]):
        rows = [[record[column] for column in COLUMNS] for record in half]
        await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))
        if half[0] is made[0]:
            await fold(database)
    return [record for record in made if record["started_at"] >= FIRST]


def figures(records: list[Record]) -> tuple[int, int, int]:
    tokens = sum(record["prompt_tokens"] + record["completion_tokens"] for record in records)
    called = sum(record["status"] != "refused" for record in records)
    return sum(record["cost_nano"] for record in records), tokens, called


def shown(figure: dict[str, Any]) -> tuple[int, int, int]:
    return figure["cost_nano"], figure["total_tokens"], figure["requests"]


@pytest.mark.parametrize(
    "history", [FEW, CROWDED, MANY],
    ids=["few changes, by sums", "many changes of few hours, by sums between", "many changes, by records"],
)  # fmt: skip
async def test_each_call_counts_for_the_cost_centre_of_its_moment_everywhere(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection, history: Any
):
    records = await stored(database, history)
    admin, path = people["admin"], "/api/v1/usage"
    for dimension, member in (("cost_centre", "centre"), ("workshop", "pot")):
        found = (await admin.get(f"{path}/breakdown/{dimension}", params={"scope": "all"})).json()
        parts = {row["id"] or "": shown(row) for row in found["data"]}
        groups = {record[member] for record in records}
        assert parts == {group: figures([r for r in records if r[member] == group]) for group in groups}
        assert shown(found["total"]) == figures(records)
    chosen = [r for r in records if r["centre"] in ("lab", "")]
    params = {"scope": "all", "cost_centres": ["lab", ""]}
    whole = (await admin.get(f"{path}/analytics", params=params)).json()
    called = [r for r in chosen if r["status"] != "refused"]
    assert (whole["cost"]["total_nano"], whole["tokens"]["total"], whole["requests"]["total"]) == figures(chosen)
    assert (whole["active_users"], whole["active_keys"]) == tuple(
        len({r[column] for r in called}) for column in ("user_id", "key_hash")
    )
    assert sum(day["cost_nano"] for day in whole["daily"]) == figures(chosen)[0]
    assert whole["latency"]["mean_ms"] == pytest.approx(_mean_ms(chosen, lambda r: r["status"] == "success"), abs=0.01)
    for by in ("hour", "week", "month"):
        query = params | {"by": by, "group_by": "cost_centre"}
        points = (await admin.get(f"{path}/timeseries", params=query)).json()["data"]
        assert sum(point["cost_nano"] for point in points) == figures(chosen)[0]
        assert {group["id"] for point in points for group in point["groups"]} == {"lab", None}
    exported = await admin.get(f"{path}/export", params=params | {"breakdown": "cost_centre", "format": "json"})
    assert {row["id"] for row in exported.json()["data"]} == {"lab", None}
    assert exported.json()["metadata"]["filters"] == {"cost_centres": ["lab", ""]}


def _mean_ms(records: list[Record], meets: Callable[[Record], bool]) -> float:
    met = [record["duration_us"] for record in records if meets(record)]
    return sum(met) / len(met) / 1000


async def test_cost_centres_and_workshops_can_be_chosen_among_those_that_occur(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    records = await stored(database, FEW)
    options = (await people["admin"].get("/api/v1/usage/filter-options", params={"scope": "all"})).json()
    assert {option["id"] for option in options["cost_centres"]} == {r["centre"] for r in records if r["centre"]}
    assert options["workshops"] == [{"id": "course", "name": "A course"}]
    course = [r for r in records if r["pot"] == "course"]
    params = {"scope": "all", "workshops": "course", "cost_centres": "lab"}
    found = (await people["admin"].get("/api/v1/usage/breakdown/key", params=params)).json()
    assert shown(found["total"]) == figures([r for r in course if r["centre"] == "lab"])


async def test_analytics_by_cost_centre_say_what_chargeback_says(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    await stored(database, FEW)
    month = {"month": f"{NOW:%Y-%m}"}
    billed = (await people["admin"].get("/api/v1/admin/chargeback", params=month)).json()
    days = {"scope": "all", "start_date": f"{NOW:%Y-%m}-01"}
    found = (await people["admin"].get("/api/v1/usage/breakdown/cost_centre", params=days)).json()
    assert {row["cost_centre"]: row["cost_nano"] for row in billed["data"]} == {
        row["id"] or "unassigned": row["cost_nano"] for row in found["data"]
    }
