"""How does nginx run as a plain reverse proxy? One worker, kept connections on both sides, no log, no buffering of answers."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.candidates.base import Candidate, CandidateMissing, Place, until_answers
from benchmarks.processes import Child, free_port

_CONFIGURATION = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  upstream model {{
    server 127.0.0.1:{upstream_port};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


@asynccontextmanager
async def nginx(place: Place) -> AsyncIterator[Candidate]:
    """Errors: CandidateMissing."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        raise CandidateMissing("nginx is not installed: apt-get install nginx-light")
    version = subprocess.run([binary, "-v"], capture_output=True, text=True, timeout=10, check=True).stderr  # noqa: ASYNC221
    port = free_port()
    folder = place.folder / "nginx"
    folder.mkdir()
    configuration = folder / "nginx.conf"
    text = _CONFIGURATION.format(folder=folder, port=port, upstream_port=place.upstream_port)
    await asyncio.to_thread(configuration.write_text, text)
    log = place.folder / "nginx.log"
    # TERM, not KILL: the master ends its worker then
    child = Child([binary, "-p", folder, "-c", configuration], core=place.sut_core, log=log, last_signal="TERM")
    try:
        await until_answers(child, f"http://127.0.0.1:{port}/v1/models", 10.0)
        yield Candidate("nginx", port, pid=child.pid, version=version.strip().rpartition("/")[2])
    finally:
        child.stop()
