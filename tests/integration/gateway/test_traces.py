"""Do traces say what a call was, and nothing of what was said in it? Received as a collector receives them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from litemaas.control.app import Settings, create_app
from litemaas.kit.settings import SettingsError
from litemaas.kit.telemetry import TracingSettings, tracing
from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .harness import ENCRYPTION_KEY, MASTER_KEY, gateway_settings, running

PARENT = "0af7651916cd43dd8448eb211c80319c"
Span = dict[str, Any]


class Collector:
    """``spans``: all that arrived, with their attributes as plain values."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.received = b""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, body: bytes) -> None:
        self.received += body
        sent = MessageToDict(ExportTraceServiceRequest.FromString(body))
        for resource in sent["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    values = {one["key"]: next(iter(one["value"].values())) for one in span.get("attributes", [])}
                    self.spans.append(span | {"attributes": values})


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


async def test_a_call_is_one_span_without_its_content(
    collector: Collector, database_url: str, module_sim: SimulatedServers, tmp_path: Path
):
    await seed(database_url, module_sim)
    settings = msgspec.structs.replace(
        gateway_settings(database_url, tmp_path), tracing=TracingSettings(endpoint=collector.url)
    )
    async with running(settings, module_sim) as platform:
        secret = await platform.ledger.add_key(alias="an alias")
        await platform.catch_up()
        headers = {"Authorization": f"Bearer {secret}", "traceparent": f"00-{PARENT}-b7ad6b7169203331-01"}
        body = {"model": "granite", "messages": [{"role": "user", "content": "the-secret-question"}]}
        answer = await platform.http.post("/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == 200
        said = answer.json()
        refused = await platform.http.post("/v1/chat/completions", json=body | {"model": "nothing"}, headers=headers)
        assert refused.status_code >= 400
    good, bad = sorted(collector.spans, key=lambda span: span["startTimeUnixNano"])
    values = good["attributes"]
    assert good["name"] == "chat granite"
    assert (values["gen_ai.request.model"], values["gen_ai.provider.name"]) == ("granite", "hosted_vllm")
    assert int(values["gen_ai.usage.input_tokens"]) == said["usage"]["prompt_tokens"]
    assert int(values["gen_ai.usage.output_tokens"]) == said["usage"]["completion_tokens"]
    assert (int(values["http.response.status_code"]), values["litemaas.status"]) == (200, "success")
    assert int(good["endTimeUnixNano"]) > int(good["startTimeUnixNano"])
    assert int(bad["attributes"]["http.response.status_code"]) == refused.status_code
    assert good["traceId"] == bad["traceId"] != ""
    for word in (
        b"the-secret-question",
        said["choices"][0]["message"]["content"].encode(),
        secret.encode(),
        b"an alias",
    ):
        assert word not in collector.received


async def test_a_request_to_the_control_plane_is_one_span(collector: Collector, database_url: str):
    settings = Settings(
        database_url=database_url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY,
        tracing=TracingSettings(endpoint=collector.url),
    )  # fmt: skip
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://control") as client:
            headers = {"Authorization": f"Bearer {MASTER_KEY}"}
            path = "/api/v1/admin/deployments/private-id?x=private-query"
            assert (await client.get(path, headers=headers)).status_code == 404
    names = [span["name"] for span in collector.spans]
    assert names == ["GET /api/v1/admin/deployments/{deployment_id}"]
    assert b"private" not in collector.received


async def test_a_collector_that_is_away_harms_no_call(database_url: str, module_sim: SimulatedServers, tmp_path: Path):
    await seed(database_url, module_sim)
    settings = msgspec.structs.replace(
        gateway_settings(database_url, tmp_path), tracing=TracingSettings(endpoint="http://127.0.0.1:1")
    )
    async with running(settings, module_sim) as platform:
        secret = await platform.ledger.add_key()
        await platform.catch_up()
        assert (await platform.chat(secret)).status_code == 200


def test_without_an_address_nothing_that_traces_is_loaded():
    # redis-py loads OpenTelemetry's API by itself where it is installed; we load neither the exporter nor what uses it.
    script = (
        "import sys, litemaas.gateway.app, litemaas.control.app.compose\n"
        "print([n for n in sys.modules if n.startswith('opentelemetry.exporter') or n.endswith('.tracing')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert [name for name in done.stdout.split("'") if "litemaas" in name or "exporter" in name] == []


def test_an_address_that_is_none_stops_the_start():
    with pytest.raises(SettingsError, match="LITEMAAS_TRACING__ENDPOINT"):
        tracing(TracingSettings(endpoint="collector:4318"), "x", "y")
