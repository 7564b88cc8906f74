"""Does nginx serve the portal and carry /api as its configuration promises? With real nginx."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2 as httpx
import pytest
from tests.deploy.conftest import DEPLOY, ROOT
from tests.deploy.ports import free_port, until_listening

from litemaas.control.app.portal import HEADERS, RESERVED

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")


class Control:
    """Answers with what it was asked; ``/api/stream`` sends a second event only when it is told that the first has arrived."""

    def __init__(self) -> None:
        self.first_arrived = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if "content-length: " in head.lower():
            await reader.readexactly(int(head.lower().partition("content-length: ")[2].split()[0]))
        if head.startswith("GET /api/stream"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: 1\n\n")
            await writer.drain()
            await asyncio.wait_for(self.first_arrived.wait(), 30)
            writer.write(b"data: 2\n\n")
        else:
            body = head.encode("latin-1")
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
                % len(body)
                + body
            )
        await writer.drain()
        writer.close()


def _bundle(folder: Path) -> Path:
    built = ROOT / "portal/dist"
    if (built / "index.html").exists():
        return built
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(
        "<!doctype html><title>LiteMaaS</title><script type=module src=/assets/app-1a2b.js></script>"
    )
    (folder / "assets/app-1a2b.js").write_text("console.log('portal');\n" * 200)
    return folder


def _start(here: Path) -> subprocess.Popen[bytes]:
    command = ["nginx", "-e", str(here / "error.log"), "-c", str(here / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    return subprocess.Popen([*command, "-g", "daemon off;"])


@pytest.fixture(scope="module")
async def portal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Control]]:
    here = tmp_path_factory.mktemp("nginx")
    control = Control()
    server = await asyncio.start_server(control.serve, "127.0.0.1", 0)
    port, upstream = free_port(), server.sockets[0].getsockname()[1]
    (here / "litemaas").mkdir()
    (here / "litemaas/upstream.conf").write_text(
        (DEPLOY / "images/portal/upstream.conf").read_text().replace("litemaas-control:8080", f"127.0.0.1:{upstream}")
    )
    text = (DEPLOY / "images/portal/nginx.conf").read_text()
    for place, mine in (
        ("/tmp/", f"{here}/"),
        ("/usr/share/litemaas/portal", str(_bundle(here / "bundle"))), ("/etc/nginx/litemaas", str(here / "litemaas")),
        ("listen 8080", f"listen 127.0.0.1:{port}"), ("/dev/stdout", str(here / "access.log")),
        ("/dev/stderr", str(here / "error.log")),
    ):  # fmt: skip
        assert place in text
        text = text.replace(place, mine)
    if os.geteuid() == 0:
        text = "user root;\n" + text  # the workers read a folder of root's
    (here / "nginx.conf").write_text(text)
    process = _start(here)
    try:
        await until_listening(port)
        yield f"http://127.0.0.1:{port}", control
    finally:
        process.terminate()
        process.wait(10)
        server.close()


async def test_the_start_page_is_served_with_a_strict_policy(portal: tuple[str, Control]):
    async with httpx.AsyncClient(base_url=portal[0]) as client:
        for path in ("/", "/models/granite", "/index.html"):
            page = await client.get(path)
            assert page.status_code == 200
            assert "<title>" in page.text
            assert page.headers["cache-control"] == "no-cache"
            for name in ("Content-Security-Policy", "Permissions-Policy", "Cross-Origin-Opener-Policy"):
                assert page.headers[name] == HEADERS[name]  # as the control plane serves it
            assert page.headers["x-content-type-options"] == "nosniff"
            assert page.headers["server"] == "nginx"


async def test_files_with_a_hash_are_kept_and_missing_ones_are_no_page(portal: tuple[str, Control]):
    async with httpx.AsyncClient(base_url=portal[0]) as client:
        script = (await client.get("/")).text.partition("/assets/")[2].partition(">")[0].strip("'\" ").split('"')[0]
        file = await client.get(f"/assets/{script}", headers={"accept-encoding": "gzip"})
        assert file.status_code == 200
        assert "immutable" in file.headers["cache-control"]
        assert file.headers["content-encoding"] == "gzip"
        assert (await client.get("/assets/gone-1.js")).status_code == 404
        assert (await client.get("/.git/config")).status_code == 404
        assert (await client.get("/healthz")).text == "ok\n"


async def test_api_calls_arrive_with_the_browser_s_host_and_scheme(portal: tuple[str, Control]):
    async with httpx.AsyncClient(base_url=portal[0]) as client:
        seen = (
            await client.get(
                "/api/v1/models?x=1",
                headers={"host": "ai.example.com", "x-forwarded-proto": "https", "cookie": "session=1"},
            )
        ).text
        lines = {name.lower(): value for name, _, value in (line.partition(": ") for line in seen.split("\r\n"))}
        assert seen.startswith("GET /api/v1/models?x=1 HTTP/1.1")
        assert lines["host"] == "ai.example.com"
        assert lines["x-forwarded-proto"] == "https"
        assert lines["x-forwarded-for"] == "127.0.0.1"
        assert lines["cookie"] == "session=1"
        for path in ("/openapi.json", "/docs", "/docs/oauth2-redirect"):
            assert (await client.get(path)).text.startswith(f"GET {path} ")
        assert set(RESERVED) - {"/api", "/docs", "/openapi.json"} == {
            "/health",
            "/litellm",
            "/metrics",
        }  # not for browsers
        answer = await client.get("/api/v1/models")
        assert "content-security-policy" not in answer.headers


async def test_a_stream_is_not_held_back(portal: tuple[str, Control]):
    url, control = portal
    async with httpx.AsyncClient(base_url=url, timeout=30) as client, client.stream("GET", "/api/stream") as answer:
        events = answer.aiter_lines()
        assert await anext(events) == "data: 1"
        control.first_arrived.set()
        assert [line async for line in events if line] == ["data: 2"]


async def test_an_upload_passes_and_one_that_is_too_large_is_refused(portal: tuple[str, Control]):
    async with httpx.AsyncClient(base_url=portal[0]) as client:
        assert (await client.post("/api/v1/upload", content=b"x" * 1000)).status_code == 200
    reader, writer = await asyncio.open_connection("127.0.0.1", int(portal[0].rpartition(":")[2]))
    writer.write(b"POST /api/v1/upload HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (65 * 2**20))
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


def test_the_chart_mounts_what_the_configuration_includes():
    from tests.deploy.conftest import render, values_of

    it = render(values_of("minimal"))
    pod = it.pods()["Deployment/litemaas-portal"]["spec"]
    mounted = {m["mountPath"]: m["name"] for m in pod["containers"][0]["volumeMounts"]}
    assert mounted["/etc/nginx/litemaas"] == "upstream"
    written = it.of("ConfigMap", "litemaas-portal")["data"]["upstream.conf"].split()
    assert written == (DEPLOY / "images/portal/upstream.conf").read_text().split()
