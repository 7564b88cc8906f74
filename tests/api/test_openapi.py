"""Does the real control plane keep what its OpenAPI says, whatever it is sent: no 5xx, no answer that is not declared?"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx2
import pytest
from tests.deploy.ports import free_port
from tests.integration.control.people import add_user, start_session

from litemaas.control.auth.service import CSRF_HEADER, SESSION_COOKIE

pytestmark = pytest.mark.timeout(3600)
MASTER_KEY = "sk-master-0123456789abcdef"
READY_WITHIN_S = 60.0
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
LEFT_OUT = ("/api/v1/notifications/stream", "/health/ready", "/api/v1/auth/logout", "/api/v1/me/sessions")
"""The first would go on for minutes; the second's 503 is what it is for; the others end the session that asks."""
EXAMPLES, MOST_S = os.environ.get("LITEMAAS_API_EXAMPLES", "5"), os.environ.get("LITEMAAS_API_MOST_S", "900")
"""Made-up requests per path and kind; after so many seconds it ends with what was found."""


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


async def operator(database_url: str, url: str) -> dict[str, str]:
    """The headers of a script with the master key."""
    return {"Authorization": f"Bearer {MASTER_KEY}"}


async def person(database_url: str, url: str) -> dict[str, str]:
    """The headers of a browser in which somebody has signed in who is no administrator."""
    database = await asyncpg.connect(database_url)
    try:
        cookie = await start_session(database, await add_user(database, "ann", ["user"]))
    finally:
        await database.close()
    async with httpx2.AsyncClient(headers={"Cookie": f"{SESSION_COOKIE}={cookie}"}) as http:
        session = (await http.get(f"{url}/api/v1/auth/session")).json()
    return {"Cookie": f"{SESSION_COOKIE}={cookie}", CSRF_HEADER: session["csrf_token"]}


@pytest.mark.parametrize("who", [operator, person])
async def test_every_answer_to_made_up_requests_is_one_that_the_contract_declares(
    who: Callable[[str, str], Awaitable[dict[str, str]]], database_url: str, tmp_path: Path
):
    async with control_plane(database_url, tmp_path) as url:
        headers = await who(database_url, url)
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json", "--no-color",
            *(word for name, value in headers.items() for word in ("--header", f"{name}: {value}")),
            "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--max-time", MOST_S,
            "--request-timeout", "30", "--generation-deterministic",
            *(word for path in LEFT_OUT for word in ("--exclude-path", path)),
        ]  # fmt: skip
        ran = await asyncio.to_thread(
            subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=3500
        )
        async with httpx2.AsyncClient(headers=headers) as http:
            asked = await http.get(f"{url}/api/v1/me/permissions")
    (tmp_path / "schemathesis.txt").write_text(ran.stdout + ran.stderr)
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-2_000:]
    assert asked.status_code == 200, "whoever asked was not let in any more, so the answers say little"
