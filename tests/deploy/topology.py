"""What does a whole installation consist of? Real gateways and control planes behind nginx."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2 as httpx
from tests.deploy.ports import free_port, until_listening
from tests.integration.gateway.harness import ENCRYPTION_KEY, MASTER_KEY, until

READY_WITHIN_S = 90.0
ENDS_WITHIN_S = 60.0
NGINX = """
daemon off;
{user}
worker_processes 1;
pid {here}/nginx.pid;
error_log {here}/error.log info;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
  uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
  proxy_buffering off; proxy_read_timeout 600s; proxy_connect_timeout 5s;
  # A call that got no answer from a replica that died is given to another one.
  proxy_next_upstream error timeout non_idempotent; proxy_next_upstream_tries 3;
  upstream gateways {{ {gateways} keepalive 16; }}
  upstream controls {{ {controls} keepalive 16; }}
  server {{ listen 127.0.0.1:{front}; location / {{ proxy_pass http://gateways; }} }}
  server {{ listen 127.0.0.1:{inner}; location / {{ proxy_pass http://controls; }} }}
}}
"""


class Replica:
    """A ``litemaas gateway`` or ``litemaas control`` that can be killed and started again under its name."""

    def __init__(self, plane: str, number: int, environ: dict[str, str], folder: Path) -> None:
        self.port = free_port()
        self.name = f"{plane}-{number}"
        self._plane = plane
        self._ready = "/health/readiness" if plane == "gateway" else "/health/ready"
        self._log = folder / f"{self.name}.log"
        self._environ = environ | {
            f"LITEMAAS_{plane.upper()}__PORT": str(self.port),
            "LITEMAAS_STATE_DIR": str(folder / self.name),
            "LITEMAAS_GATEWAY__WORKER_ID": self.name,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "litemaas", self._plane, env=self._environ, stdout=output, stderr=output
            )

    async def serves(self) -> None:
        process = self._process
        assert process is not None

        async def is_ready() -> bool:
            assert process.returncode is None, self._log.read_text()[-2000:]
            try:
                async with httpx.AsyncClient(timeout=5.0) as http:
                    return (await http.get(f"http://127.0.0.1:{self.port}{self._ready}")).status_code == 200
            except httpx.TransportError:
                return False

        await until(is_ready, READY_WITHIN_S)

    async def end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await asyncio.wait_for(self._process.wait(), ENDS_WITHIN_S)


class Topology:
    """``url``: where clients call. ``gateways`` and ``controls``: three of each."""

    def __init__(self, url: str, gateways: list[Replica], controls: list[Replica]) -> None:
        self.url = url
        self.gateways = gateways
        self.controls = controls


async def _migrate(environ: dict[str, str]) -> None:
    """Three at once, as three pods do."""
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-m", "litemaas", "migrate", env=environ) for _ in range(3)
    ]
    assert await asyncio.wait_for(asyncio.gather(*(p.wait() for p in processes)), READY_WITHIN_S) == [0, 0, 0]


@asynccontextmanager
async def installed(database_url: str, redis_url: str, folder: Path) -> AsyncIterator[Topology]:
    """An installation in an empty database."""
    front, inner = free_port(), free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LITEMAAS_")} | {
        "LITEMAAS_DATABASE_URL": database_url,
        "LITEMAAS_REDIS_URL": redis_url,
        "LITEMAAS_MASTER_KEY": MASTER_KEY,
        "LITEMAAS_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "LITEMAAS_GATEWAY__CONTROL_URL": f"http://127.0.0.1:{inner}",
        "LITEMAAS_GATEWAY__RATES__REPLICA_COUNT": "3",
        "LITEMAAS_CONTROL__POOL_SIZE": "3",
        "LITEMAAS_HOST_POLICY": "single-machine",  # the engines are on loopback
    }
    await _migrate(environ)
    async with AsyncExitStack() as stack:
        gateways = [Replica("gateway", n, environ, folder) for n in range(3)]
        controls = [Replica("control", n, environ, folder) for n in range(3)]
        for replica in (*controls, *gateways):
            stack.push_async_callback(replica.end, signal.SIGKILL)
            await replica.start()
        for replica in (*controls, *gateways):
            await replica.serves()
        await _start_nginx(stack, folder, front, inner, gateways, controls)
        yield Topology(f"http://127.0.0.1:{front}", gateways, controls)


async def _start_nginx(
    stack: AsyncExitStack, folder: Path, front: int, inner: int, gateways: list[Replica], controls: list[Replica]
) -> None:
    def servers(replicas: list[Replica]) -> str:
        return " ".join(f"server 127.0.0.1:{r.port} max_fails=1 fail_timeout=1s;" for r in replicas)

    (folder / "nginx.conf").write_text(
        NGINX.format(
            user="user root;" if os.geteuid() == 0 else "", here=folder, front=front, inner=inner,
            gateways=servers(gateways), controls=servers(controls),
        )
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        "nginx", "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")
    )

    async def stop() -> None:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), ENDS_WITHIN_S)

    stack.push_async_callback(stop)
    await until_listening(front)
