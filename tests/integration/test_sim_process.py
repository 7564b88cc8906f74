"""Does the simulation run as a process that says where it listens and stops when told?"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import httpx2
import pytest

WITHIN_S = 60.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_process_prints_its_addresses_and_stops_on_a_signal(number: signal.Signals) -> None:
    settings = json.dumps({"chat_models": [{"name": "mine"}], "documents_port": None})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "litemaas.sim", settings, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            assert process.stdout is not None
            ready = json.loads(await process.stdout.readline())
            assert set(ready) == {"ready", "chat", "embeddings"}
            async with httpx2.AsyncClient(base_url=ready["chat"], timeout=WITHIN_S) as client:
                models = (await client.get("/v1/models")).json()
            assert [model["id"] for model in models["data"]] == ["mine"]
            process.send_signal(number)
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, output, errors) == (0, b"", b"")
