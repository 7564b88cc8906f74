"""How long does the portal wait for figures out of ten million calls? ``make bench-reads`` asks the control plane.

A ledger is made in an embedded PostgreSQL of its own; every query then goes through the whole control plane (over ASGI, without
a socket), many times, in an order that changes. Results: ``benchmarks/results/usage_reads.json``, and a table in
``docs/explanation/performance.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import asyncpg
import httpx2
import msgspec
import structlog

from benchmarks import machine
from litemaas.control.app import Settings, create_app
from litemaas.control.auth.service import SESSION_COOKIE, hash_secret
from litemaas.db.demo_ledger import DAYS, Size, fill, people
from litemaas.db.embedded import EmbeddedPostgres
from litemaas.db.migrate import upgrade

_RESULT = machine.ROOT / "benchmarks" / "results" / "usage_reads.json"
_PAGE = machine.ROOT / "docs" / "explanation" / "performance.md"
_BEGIN, _END = "<!-- usage reads: begin -->\n", "<!-- usage reads: end -->\n"
_BAR_MS = 200
_NOT_THE_PORTALS = "LiteLLM's /spend/logs, 30 days by day"
"""Its answer names every key and user of every day: five megabytes."""
_SIZE = Size()
_SHARED_BUFFERS = "1GB"
"""PostgreSQL's documentation recommends a quarter of the memory of a machine of its own (19.4.1, 2026-11)."""
_MASTER_KEY = "sk-benchmark-0123456789"
Query = tuple[str, dict[str, Any]]
_SIZES = """
SELECT (SELECT count(*) FROM usage_records) AS records, (SELECT count(*) FROM usage_full_hours) AS hour_cells,
    (SELECT count(*) FROM usage_full_days) AS day_cells, (SELECT count(*) FROM usage_full_dimensions) AS combinations,
    sum(pg_total_relation_size(oid)) FILTER (WHERE relkind = 'r' AND relname ~ '^usage_records_')::bigint AS records_bytes,
    sum(pg_total_relation_size(oid)) FILTER (WHERE relname ~ '^usage_(full|model|key|total)_[a-z]+s$')::bigint AS rollups_bytes
FROM pg_class
"""


def _queries(today: datetime, dice: random.Random) -> dict[str, Query]:
    """What the portal asks; ids differ from call to call."""
    key = hashlib.sha256(str(int(_SIZE.keys * dice.random() ** 2.2)).encode()).hexdigest()
    user, team = f"user-{dice.randrange(_SIZE.users)}", f"team-{dice.choice([n for n in range(_SIZE.teams) if n % 4])}"
    model, other = f"model-{dice.randrange(_SIZE.models)}", f"model-{dice.randrange(_SIZE.models)}"
    tag, customer = f"tag-{dice.randrange(50)}", f"customer-{dice.randrange(5000)}"
    request_id = f"{today - timedelta(days=dice.randrange(DAYS)):%y%m%d}-{dice.randrange(1, 50_000)}"
    quarter = {"since": (today - timedelta(days=DAYS - 1)).isoformat()}
    week = {"since": (today - timedelta(days=6)).isoformat()}
    odd = {
        "since": (today - timedelta(days=71, hours=5, minutes=13)).isoformat(),
        "until": (today - timedelta(days=1, minutes=7)).isoformat(),
    }
    return {
        "overview, 30 days, everybody": ("overview", {}),
        "overview, 90 days, everybody": ("overview", quarter),
        "overview, 90 days, one user": ("overview", quarter | {"user_id": user}),
        "overview, 90 days, one model": ("overview", quarter | {"model": model}),
        "trend by day, 90 days": ("trend", quarter),
        "trend by day with latency, 90 days, one model": ("trend", quarter | {"model": model, "latency": True}),
        "trend by day of the 8 dearest models, 90 days": ("trend", quarter | {"group_by": "model"}),
        "trend by day of the 8 dearest users, 90 days": ("trend", quarter | {"group_by": "user"}),
        "trend by hour, 7 days": ("trend", week | {"by": "hour"}),
        "trend by hour, 7 days, team and 2 models": ("trend", week | {"by": "hour", "team_id": team, "model": [model, other]}),
        "trend of errors by code, 90 days": ("trend", quarter | {"group_by": "error", "status": ["failure", "refused"]}),
        "summary by model, 90 days": ("summary", quarter | {"latency": True}),
        "summary by user with latency, 90 days": ("summary", quarter | {"group_by": "user", "latency": True, "limit": 50}),
        "summary by key, 90 days, page 20": ("summary", quarter | {"group_by": "key", "limit": 50, "page": 20}),
        "summary by team, 90 days": ("summary", quarter | {"group_by": "team"}),
        "summary by provider, 90 days, one team": ("summary", quarter | {"group_by": "provider", "team_id": team}),
        "summary by deployment with latency, 90 days, one user": (
            "summary", quarter | {"group_by": "deployment", "user_id": user, "latency": True},
        ),
        "summary by user, 90 days, one model": ("summary", quarter | {"group_by": "user", "model": model, "limit": 50}),
        "summary by user with latency, 90 days, one provider": (
            "summary", quarter | {"group_by": "user", "provider": "openai", "latency": True, "limit": 50},
        ),
        "summary by model, from one odd minute to another": ("summary", odd),
        "summary by user, of all times": ("summary", {"group_by": "user", "limit": 50}),
        "summary by model, 90 days, one end user": ("summary", quarter | {"end_user": customer}),
        "summary by model, 7 days, one tag": ("summary", week | {"tag": tag}),
        "options of all filters, 30 days": ("options", {}),
        "options of all filters, 90 days, one team": ("options", quarter | {"team_id": team}),
        "request log, newest": ("records", {"limit": 50}),
        "request log, one key": ("records", {"limit": 50, "key": key}),
        "request log, one user, failures only": ("records", {"limit": 50, "user_id": user, "status": "failure"}),
        "request log, one user and one model": ("records", {"limit": 50, "user_id": user, "model": model}),
        "request log, one team, rate limited": ("records", {"limit": 50, "team_id": team, "error_code": "rate_limited"}),
        "request log, slower than a minute": ("records", {"limit": 50, "min_duration_us": 60_000_000}),
        "request log, one end user": ("records", {"limit": 50, "end_user": customer}),
        "request log, one tag of one key": ("records", {"limit": 50, "key": key, "tag": tag}),
        "request log, one id": ("records", {"request_id": request_id}),
        "request log, an id that is not there": ("records", {"request_id": "not-there"}),
        _NOT_THE_PORTALS: (
            "/litellm/spend/logs", {"start_date": f"{today - timedelta(days=29):%Y-%m-%d}", "end_date": f"{today:%Y-%m-%d}"},
        ),
    }  # fmt: skip


def _pages(today: datetime, dice: random.Random) -> dict[str, Query]:
    """What pages of people and administrators ask, of whole lists."""
    user, team = f"user-{dice.randrange(_SIZE.users)}", f"team-{dice.choice([n for n in range(_SIZE.teams) if n % 4])}"
    first, last = today - timedelta(days=DAYS - 1), today
    dates = {"start_date": f"{first:%Y-%m-%d}", "end_date": f"{last:%Y-%m-%d}"}
    quarter: dict[str, Any] = {"scope": "all"} | dates
    return {
        "analytics page, 90 days, everybody": ("/api/v1/usage/analytics", quarter),
        "analytics page, 30 days, one team": ("/api/v1/usage/analytics", {"scope": "all", "teams": team}),
        **_filtered(quarter, user, team, dice),
        "breakdown by key, 90 days": ("/api/v1/usage/breakdown/key", quarter),
        "breakdown by user, 90 days": ("/api/v1/usage/breakdown/user", quarter),
        "heat map, 90 days": ("/api/v1/usage/heatmap", quarter),
        "analytics page, 90 days, one cost centre": (
            "/api/v1/usage/analytics", quarter | {"cost_centres": f"centre-{dice.randrange(20)}"},
        ),
        "breakdown by cost centre, 90 days": ("/api/v1/usage/breakdown/cost_centre", quarter),
        "filter options, 90 days": ("/api/v1/usage/filter-options", quarter),
        "request log of everybody, 30 days": ("/api/v1/requests", {"scope": "all", "limit": 100}),
        **_ranked(today, dice),
        "chargeback, this month by cost centre": ("/api/v1/admin/chargeback", {}),
        "subscriptions that wait": ("/api/v1/admin/subscriptions", {"statuses": "pending", "limit": 100}),
        "subscriptions, page 150 of 20,000": ("/api/v1/admin/subscriptions", {"page": 150, "limit": 100}),
        "subscriptions, searched": ("/api/v1/admin/subscriptions", {"search": f"demo-user-{dice.randrange(999)}"}),
        "subscriptions of one model": ("/api/v1/admin/subscriptions", {"models": f"model-{dice.randrange(_SIZE.models)}"}),
        "subscriptions, counted": ("/api/v1/admin/subscriptions/stats", {}),
        "keys, by name": ("/api/v1/admin/keys", {"sort": "name", "order": "asc", "page": 100, "limit": 100}),
        "keys of one model": ("/api/v1/admin/keys", {"model": f"model-{dice.randrange(_SIZE.models)}", "limit": 100}),
        "keys that have expired": ("/api/v1/admin/keys", {"state": "expired", "limit": 100}),
        "keys, counted": ("/api/v1/admin/keys/stats", {}),
        "keys, page 500 of 20,000": ("/api/v1/admin/keys", {"page": 500, "limit": 40}),
        "keys, searched": ("/api/v1/admin/keys", {"search": f"key-{dice.randrange(9999)}"}),
        "keys, page 500 of 20,000, by spend": ("/api/v1/admin/keys", {"sort": "spend", "page": 500, "limit": 40}),
        "keys, page 500 of 20,000, by last use": ("/api/v1/admin/keys", {"sort": "last_used_at", "page": 500, "limit": 40}),
        "keys that have used up their budget": ("/api/v1/admin/keys", {"used_up": True, "limit": 40}),
        "keys of one user": ("/api/v1/admin/keys", {"user_id": user}),
        "users, searched": ("/api/v1/admin/users", {"search": f"demo-user-{dice.randrange(999)}"}),
        "users, page 40 of 5,000": ("/api/v1/admin/users", {"page": 40, "limit": 100}),
        "users of one group, by name": (
            "/api/v1/admin/users", {"group": f"group-{dice.randrange(50)}", "sort": "username", "limit": 100},
        ),
        "administrators": ("/api/v1/admin/users", {"role": "admin"}),
        "teams": ("/api/v1/teams", {"limit": 100}),
        "members of a team": (f"/api/v1/teams/{team}/members", {"limit": 100}),
        "budgets": ("/api/v1/admin/budgets", {"limit": 100}),
        "models, administrators'": ("/api/v1/admin/models", {"limit": 100}),
        "audit trail, newest": ("/api/v1/admin/audit", {"limit": 100}),
        "audit trail of one person": ("/api/v1/admin/audit", {"actor": user, "limit": 100}),
        "audit trail, searched": ("/api/v1/admin/audit", {"text": f"object-{dice.randrange(9999)}"}),
        "audit trail of one action": ("/api/v1/admin/audit", {"action": "key.update", "limit": 100}),
    }  # fmt: skip


def _ranked(today: datetime, dice: random.Random) -> dict[str, Query]:
    """The request log in other orders than the newest first."""
    user, team = f"user-{dice.randrange(_SIZE.users)}", f"team-{dice.choice([n for n in range(_SIZE.teams) if n % 4])}"
    key = hashlib.sha256(str(int(_SIZE.keys * dice.random() ** 2.2)).encode()).hexdigest()
    model, cheap = f"model-{dice.randrange(_SIZE.models)}", f"model-{dice.randrange(0, _SIZE.models, 10)}"
    failed = {"outcome": ["failure", "refused", "cancelled"]}
    asked: dict[str, dict[str, Any]] = {
        "everybody": {}, "one user": {"users": user}, "one key": {"keys": key}, "one model": {"models": model},
        "one cheap model": {"models": cheap}, "one team": {"teams": team}, "one team, failures": failed | {"teams": team},
        "failures": failed, "one model and one team": {"models": model, "teams": team}, "playground": {"sources": "playground"},
        "rate limited": {"error_code": "rate_limited"}, "slower than a minute": {"min_latency_ms": 60_000},
    }  # fmt: skip
    found: dict[str, Query] = {}
    for name, sort, days, order, most in (
        ("by cost, 90 days", "cost_nano", DAYS, "desc", len(asked)),
        ("by duration, 30 days", "duration_us", 30, "desc", len(asked)),
        ("by cost, 30 days", "cost_nano", 30, "desc", 1), ("by duration, 90 days", "duration_us", DAYS, "desc", 1),
        ("by cost, lowest first, 90 days", "cost_nano", DAYS, "asc", 2),
        ("oldest first, 90 days", "started_at", DAYS, "asc", 2),
    ):  # fmt: skip
        since = (today - timedelta(days=days - 1)).isoformat()
        params = {"scope": "all", "limit": 50, "sort": sort, "order": order, "since": since}
        for who, narrowed in list(asked.items())[:most]:
            found[f"request log {name}, {who}"] = ("/api/v1/requests", params | narrowed)
    found["request log, newest, playground"] = (
        "/api/v1/requests",
        {"scope": "all", "limit": 50, "sources": "playground"},
    )
    return found


def _filtered(quarter: dict[str, Any], user: str, team: str, dice: random.Random) -> dict[str, Query]:
    """The page of usage under each of its filters, and breakdowns under two of them."""
    models = [f"model-{number}" for number in dice.sample(range(_SIZE.models), 5)]
    few: dict[str, dict[str, Any]] = {
        "one team": {"teams": team}, "one user": {"users": user}, "one model": {"models": models[0]},
        "five models": {"models": models}, "one provider": {"providers": "openai"},
        "one endpoint": {"endpoints": "/chat/completions"},
        "one deployment": {"deployments": f"deployment-{dice.randrange(_SIZE.models)}a"},
    }  # fmt: skip
    return {
        **{
            f"analytics page, 90 days, {whose}": ("/api/v1/usage/analytics", quarter | chosen)
            for whose, chosen in few.items()
        },
        **{
            f"breakdown by {by}, 90 days, {whose}": (f"/api/v1/usage/breakdown/{by}", quarter | few[whose])
            for by in ("key", "user", "team") for whose in ("one model", "one provider")
        },
        "filter options, 90 days, one provider": ("/api/v1/usage/filter-options", quarter | few["one provider"]),
        "heat map, 90 days, one provider": ("/api/v1/usage/heatmap", quarter | few["one provider"]),
    }  # fmt: skip


_OWN: dict[str, Query] = {
    "one's models": ("/api/v1/models", {"limit": 100}),
    "one's keys": ("/api/v1/keys", {"limit": 100}),
    "one's subscriptions": ("/api/v1/subscriptions", {"limit": 100}),
    "one's notifications": ("/api/v1/notifications", {"limit": 100}),
    "one's unread notifications": ("/api/v1/notifications/unread-count", {}),
    "one's teams": ("/api/v1/teams", {}),
    "one's calls": ("/api/v1/requests", {"limit": 100}),
    "one's usage": ("/api/v1/usage/analytics", {}),
    "one's activity": ("/api/v1/me/activity", {}),
    "one's statistics": ("/api/v1/me/stats", {}),
}
"""What the portal asks for a person."""
_PERSON = "user-1"


async def _cookie_of(connection: asyncpg.Connection, user_id: str) -> str:
    """Signs somebody in for a day."""
    cookie = "of-a-benchmark-not-secret"
    await connection.execute("DELETE FROM sessions")
    await connection.execute(
        "INSERT INTO sessions (id_hash, id, user_id, provider, authenticated_at, expires_at, ends_at)"
        " VALUES ($1, 'benchmark', $2, 'dev', now(), now() + interval '1 day', now() + interval '1 day')",
        hash_secret(cookie), user_id,
    )  # fmt: skip
    return cookie


async def _measure(
    client: httpx2.AsyncClient, person: httpx2.AsyncClient, today: datetime, rounds: int
) -> dict[str, list[float]]:
    dice = random.Random(5)
    taken: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        queries = [*_queries(today, dice).items(), *_pages(today, dice).items(), *_OWN.items()]
        dice.shuffle(queries)
        for name, (path, params) in queries:
            began_at = time.perf_counter()
            asks = person if name in _OWN else client
            answer = await asks.get(path if path.startswith("/") else f"/api/v1/admin/usage/{path}", params=params)
            elapsed_ms = (time.perf_counter() - began_at) * 1000
            assert answer.status_code == 200, (name, answer.text)
            if number:  # the first round fills the caches
                taken.setdefault(name, []).append(elapsed_ms)
    return taken


async def _run(state_dir: Path, records: int, rounds: int, shared_buffers: str) -> dict[str, Any]:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    server = EmbeddedPostgres(state_dir, shared_buffers=shared_buffers)
    await server.start()
    try:
        await asyncio.to_thread(upgrade, server.url)
        connection = await asyncpg.connect(server.url)
        made: dict[str, float] = {}
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM usage_full_days)"):
            size = msgspec.structs.replace(_SIZE, records=records)
            await people(connection, size, lambda line: print(f"· {line}", flush=True))
            made = await fill(connection, today, size, lambda line: print(f"· {line}", flush=True))
        sizes = await connection.fetchrow(_SIZES)
        last = await connection.fetchval("SELECT max(started_at) FROM usage_records")
        cookie = await _cookie_of(connection, _PERSON)
        await connection.close()
        app = create_app(
            Settings(database_url=server.url, master_key=_MASTER_KEY, encryption_key="of a benchmark, not secret")
        )
        transport = httpx2.ASGITransport(app=app)
        client, person = (
            httpx2.AsyncClient(transport=transport, base_url="http://control", headers=headers, timeout=60)
            for headers in ({"Authorization": f"Bearer {_MASTER_KEY}"}, {"Cookie": f"{SESSION_COOKIE}={cookie}"})
        )
        async with client, person:
            taken = await _measure(client, person, last.replace(hour=0, minute=0, second=0, microsecond=0), rounds)
    finally:
        await server.stop()
    return {
        "machine": machine.describe({}), "commit": machine.commit(), "rounds": rounds, "shared_buffers": shared_buffers,
        **dict(sizes), **made, "bar_ms": _BAR_MS,
        "queries": {name: _summed_up(times) for name, times in taken.items()},
    }  # fmt: skip


def _summed_up(times: list[float]) -> dict[str, float]:
    cuts = quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
    return {"p50_ms": round(cuts[49], 1), "p95_ms": round(cuts[94], 1), "max_ms": round(max(times), 1)}


def _table(result: dict[str, Any]) -> str:
    rows = sorted(result["queries"].items(), key=lambda item: -item[1]["p95_ms"])
    sizes = (
        f"{result['records']:,} records in {result['records_bytes'] / 1e9:.1f} GB; by all dimensions {result['hour_cells']:,} "
        f"cells per hour and {result['day_cells']:,} per day; all rollups {result['rollups_bytes'] / 1e9:.1f} GB. "
        f"{result['rounds']} times each, {result['machine']['cores']} cores, {result['shared_buffers']} of shared buffers, "
        f"commit {result['commit']['commit'][:8]}.\n\n"
    )
    lines = [f"| {name} | {times['p50_ms']:.0f} | {times['p95_ms']:.0f} |\n" for name, times in rows]
    return "".join([sizes, "| query | p50 ms | p95 ms |\n|---|---:|---:|\n", *lines])


def _quote(table: str) -> None:
    page = _PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _PAGE.write_text(f"{before}{_BEGIN}{table}{_END}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.usage_reads", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--shared-buffers", default=_SHARED_BUFFERS, help="of PostgreSQL")
    parser.add_argument("--keep", type=Path, help="where the database is kept, and used again if it is there")
    parser.add_argument("--no-save", action="store_true", help="only print")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="litemaas-usage-reads-") as scratch:
        result = asyncio.run(
            _run(arguments.keep or Path(scratch), arguments.records, arguments.rounds, arguments.shared_buffers)
        )
    table = _table(result)
    print(table)
    if not arguments.no_save:
        _RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        _quote(table)
    slow = [name for name, times in result["queries"].items() if times["p95_ms"] > _BAR_MS and name != _NOT_THE_PORTALS]
    if slow:
        print(f"slower than {_BAR_MS} ms: {'; '.join(slow)}", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
