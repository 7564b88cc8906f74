"""How long does a workshop wait for a thousand keys? ``make bench-keys`` asks the control plane for them, and asks again.

Through the whole control plane over ASGI, on an embedded PostgreSQL; every round is a workshop of its own. Results:
``benchmarks/results/bulk_keys.json``. The bar is two seconds (issue of the Ansible collections; deploy contract K3).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import structlog

from benchmarks import machine
from litemaas.control.app import Settings, create_app
from litemaas.db.embedded import EmbeddedPostgres
from litemaas.db.migrate import upgrade

_RESULT = machine.ROOT / "benchmarks" / "results" / "bulk_keys.json"
_MASTER_KEY = "sk-benchmark-0123456789"
_BAR_S = 2.0


async def _run(state_dir: Path, keys: int, rounds: int) -> dict[str, Any]:
    server = EmbeddedPostgres(state_dir)
    await server.start()
    try:
        await asyncio.to_thread(upgrade, server.url)
        app = create_app(
            Settings(database_url=server.url, master_key=_MASTER_KEY, encryption_key="of a benchmark, not secret")
        )
        transport = httpx2.ASGITransport(app=app)
        headers = {"Authorization": f"Bearer {_MASTER_KEY}"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://control", headers=headers, timeout=120
        ) as client:
            params = {"model": "openai/granite", "api_base": "http://engine/v1"}
            await client.post("/litellm/model/new", json={"model_name": "granite", "litellm_params": params})
            made = [await _timed(client, f"lab{n}", keys, "created") for n in range(rounds)]
            found = [await _timed(client, f"lab{n}", keys, "existing") for n in range(rounds)]
    finally:
        await server.stop()
    return {
        "machine": machine.describe({}), "commit": machine.commit(), "keys": keys, "rounds": rounds, "bar_s": _BAR_S,
        "made_s": {"median": round(median(made), 3), "max": round(max(made), 3)},
        "found_again_s": {"median": round(median(found), 3), "max": round(max(found), 3)},
    }  # fmt: skip


async def _timed(client: httpx2.AsyncClient, guid: str, keys: int, status: str) -> float:
    seats = [
        {"user": f"user{n}", "key_alias": f"{guid}-{n}", "user_id": f"user{n}@lab.example.com"} for n in range(keys)
    ]
    body = {"guid": guid, "models": ["granite"], "duration": "7d", "max_budget": 5, "keys": seats}
    began = time.perf_counter()
    answer = await client.post("/litellm/workshop/keys", json=body)
    took = time.perf_counter() - began
    assert answer.status_code == 200, answer.text
    assert answer.json()[status] == keys
    return took


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk_keys", description=__doc__)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--no-save", action="store_true", help="only print")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="litemaas-bulk-keys-") as scratch:
        result = asyncio.run(_run(Path(scratch), arguments.keys, arguments.rounds))
    print(json.dumps(result, indent=1))
    if not arguments.no_save:
        _RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 1 if result["made_s"]["median"] > _BAR_S else 0


if __name__ == "__main__":
    raise SystemExit(main())
