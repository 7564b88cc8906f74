"""How does our gateway run here? As under ``litemaas up``, with everything on that a call can be charged and limited by."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

from benchmarks import canned
from benchmarks.candidates.base import Candidate, Place, until_answers
from benchmarks.machine import source
from benchmarks.processes import Child, free_port
from litemaas.core.keys import generate_key, hash_key
from litemaas.db.embedded import EmbeddedPostgres, EmbeddedValkey
from litemaas.db.migrate import upgrade

_USD = 1_000_000_000
_START_WITHIN_S = 30.0
_LEDGER_WITHIN_S = 20.0
PRICE = {"input_per_million": 150_000_000, "output_per_million": 600_000_000}
KEY = {
    "alias": "benchmark",
    "models": [canned.PUBLIC_MODEL],
    "max_budget_nano": 1_000_000 * _USD,
    "budget_duration": "30d",
    "rpm_limit": 100_000_000,
    "tpm_limit": 1_000_000_000_000,
    "max_parallel_requests": 10_000,
}
"""A hard budget and every limit that a key can have, too high to be reached."""


@asynccontextmanager
async def litemaas(place: Place) -> AsyncIterator[Candidate]:
    """The gateway on its core; PostgreSQL, Valkey and the control plane on the other one."""
    async with AsyncExitStack() as stack:
        state = place.folder / "litemaas"
        postgres = EmbeddedPostgres(state)
        stack.push_async_callback(postgres.stop)
        database_url = await postgres.start()
        valkey = EmbeddedValkey(state)
        stack.push_async_callback(valkey.stop)
        redis_url = await valkey.start()
        await asyncio.to_thread(upgrade, database_url)
        gateway_port, control_port = free_port(), free_port()
        control_url = f"http://127.0.0.1:{control_port}"
        settings = {
            "LITEMAAS_DATABASE_URL": database_url,
            "LITEMAAS_REDIS_URL": redis_url,
            "LITEMAAS_MASTER_KEY": generate_key(),
            "LITEMAAS_ENCRYPTION_KEY": generate_key(),
            "LITEMAAS_STATE_DIR": str(state),
            "LITEMAAS_GATEWAY__PORT": str(gateway_port),
            "LITEMAAS_GATEWAY__CONTROL_URL": control_url,
            "LITEMAAS_CONTROL__PORT": str(control_port),
        }
        control = _part("control", place.load_core, place.folder / "control.log", settings)
        stack.callback(control.stop)
        await until_answers(control, f"{control_url}/health/ready", _START_WITHIN_S)
        key = await _register(control_url, settings["LITEMAAS_MASTER_KEY"], place)
        gateway = _part("gateway", place.sut_core, place.folder / "gateway.log", settings)
        stack.callback(gateway.stop)
        models = f"http://127.0.0.1:{gateway_port}/v1/models/{canned.PUBLIC_MODEL}"
        await until_answers(gateway, models, _START_WITHIN_S, {"authorization": f"Bearer {key}"})
        yield Candidate(
            "litemaas", gateway_port, canned.PUBLIC_MODEL, canned.PUBLIC_MODEL, key=key, pid=gateway.pid,
            helpers=[pid for pid in (postgres.pid, valkey.pid) if pid is not None],
            audit=partial(_audit, database_url, hash_key(key)),
        )  # fmt: skip


def _part(name: str, core: int, log: Path, settings: dict[str, str]) -> Child:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LITEMAAS_")}
    environ["PYTHONPATH"] = str(source())
    child = Child([sys.executable, "-m", "litemaas.cli.child", name], core=core, log=log, environ=environ, pipes=True)
    child.tell(json.dumps(settings).encode())
    return child


async def _register(control_url: str, master_key: str, place: Place) -> str:
    """The model with its price, and a key; both through the control plane's own API."""
    headers = {"authorization": f"Bearer {master_key}"}
    async with httpx2.AsyncClient(base_url=control_url, headers=headers, timeout=10.0, trust_env=False) as client:

        async def send(path: str, body: dict[str, Any]) -> dict[str, Any]:
            answer = await client.post(path, json=body)
            if answer.is_error:
                raise RuntimeError(f"the control plane refused {path}: {answer.text[:500]}")
            return dict(answer.json())

        deployment = {
            "provider": "hosted_vllm",
            "engine_model": canned.ENGINE_MODEL,
            "api_base": f"{place.upstream_url}/v1",
            "api_key": "sk-upstream",
            "price": PRICE,
        }
        await send("/api/v1/admin/models", {"name": canned.PUBLIC_MODEL, "mode": "chat", "deployments": [deployment]})
        return str((await send("/api/v1/admin/keys", KEY))["secret"])


async def _audit(database_url: str, key_hash: str, answered: int, maybe_cut: int) -> str:
    """Whether the ledger holds one record, rightly priced, for every call that came back.

    Errors: RuntimeError when it does not.
    """
    price = canned.PROMPT_TOKENS * PRICE["input_per_million"] + canned.COMPLETION_TOKENS * PRICE["output_per_million"]
    connection = await asyncpg.connect(database_url, timeout=10.0)
    try:
        question = (
            "SELECT count(*) AS records, count(*) FILTER (WHERE cost_nano = $2) AS exact, sum(cost_nano) AS cost"
            " FROM usage_records WHERE key_hash = $1"
        )
        deadline = asyncio.get_running_loop().time() + _LEDGER_WITHIN_S
        while True:
            row = await connection.fetchrow(question, key_hash, price // 1_000_000, timeout=60.0)
            if row["exact"] >= answered or asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.2)
    finally:
        await connection.close()
    found = f"{row['records']:,} records for {answered:,} answered calls, {row['cost'] / _USD:.6f} USD"
    if not answered <= row["exact"] <= row["records"] <= answered + maybe_cut:
        raise RuntimeError(f"the ledger does not agree: {found}, {row['exact']:,} of them as they must be")
    cut = row["records"] - answered
    return f"{found}; the load hung up on the other {cut} at the end of a round" if cut else found
