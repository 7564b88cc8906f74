"""Does the real control plane keep what its OpenAPI says, whatever it is sent: no 5xx, no answer that is not declared?"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

pytestmark = pytest.mark.timeout(3600)
MASTER_KEY = "sk-master-0123456789abcdef"
READY_WITHIN_S = 60.0
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
LEFT_OUT = ("/api/v1/notifications/stream", "/health/ready")
"""The first would go on for minutes; the other one's 503 is what it is for."""
EXAMPLES, MOST_S = os.environ.get("LITEMAAS_API_EXAMPLES", "20"), os.environ.get("LITEMAAS_API_MOST_S", "3000")
"""Made-up requests per path and kind; after so many seconds it ends with what was found."""


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@asynccontextmanager
async def control_plane(database_url: str, folder: Path) -> AsyncIterator[str]:
    """The process as operators start it; yields its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environ = os.environ | {
        "LITEMAAS_DATABASE_URL": database_url, "LITEMAAS_MASTER_KEY": MASTER_KEY, "LITEMAAS_CONTROL__PORT": str(port),
        "LITEMAAS_ENCRYPTION_KEY": "an encryption key for tests", "LITEMAAS_BACKUP_TARGET": str(folder / "backups"),
    }  # fmt: skip
    with (folder / "control.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "litemaas", "control", env=environ, stderr=log
        )
        try:
            async with asyncio.timeout(READY_WITHIN_S), httpx2.AsyncClient() as http:
                while not await _is_ready(http, url):
                    assert process.returncode is None, (folder / "control.log").read_text()
                    await asyncio.sleep(0.2)
            yield url
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), 30)


async def _is_ready(http: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/health/ready")).status_code == 200
    except httpx2.TransportError:
        return False


async def test_every_answer_to_made_up_requests_is_one_that_the_contract_declares(database_url: str, tmp_path: Path):
    async with control_plane(database_url, tmp_path) as url:
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json", "--no-color",
            "--header", f"Authorization: Bearer {MASTER_KEY}", "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
            "--max-examples", EXAMPLES, "--max-time", MOST_S, "--request-timeout", "30", "--generation-deterministic",
            *(word for path in LEFT_OUT for word in ("--exclude-path", path)),
        ]  # fmt: skip
        ran = await asyncio.to_thread(
            subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=3500
        )
    (tmp_path / "schemathesis.txt").write_text(ran.stdout + ran.stderr)
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-2_000:]
