"""Does ``--model`` make a real OpenAI-compatible server callable, again and again, and doubt in words what looks wrong?"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest
from tests.e2e.conftest import StartUp
from tests.e2e.running import ask_model, chat, run_in_shell, until

from litemaas.cli.up import demo

pytestmark = pytest.mark.slow


@contextmanager
def engine_with(*models: str, port: int = 0) -> Iterator[str]:
    """The base URL of an engine of its own process, with these models."""
    settings = {"chat_models": [{"name": name} for name in models], "chat_port": port}
    settings |= {"embeddings_port": None, "documents_port": None}
    process = subprocess.Popen(
        [sys.executable, "-m", "litemaas", "sim", json.dumps(settings)], stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["chat"] + "/v1"
        finally:
            process.kill()


def _engine_models(connection: dict[str, str], name: str) -> list[tuple[str, str]]:
    deployments = ask_model(connection, name)["deployments"]
    return sorted((deployment["engine_model"], deployment["api_base"]) for deployment in deployments)


def test_server_with_one_model_is_served_under_the_given_name(start_up: StartUp, state_dir: Path):
    with engine_with("meta/only-one") as url:
        up = start_up(state_dir, "--model", f"mine={url}")
        connection = up.ready()
        assert set(connection) == {"LITEMAAS_GATEWAY_URL", "LITEMAAS_CONTROL_URL", "LITEMAAS_MASTER_KEY"}
        answer = chat(connection, "mine", connection["LITEMAAS_MASTER_KEY"])
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == "mine"
        assert _engine_models(connection, "mine") == [("meta/only-one", url)]
        assert not ask_model(connection, "mine")["simulated"]
        pasted = run_in_shell(next(line for line in up.output.splitlines() if "curl " in line))
        assert json.loads(pasted.stdout)["model"] == "mine"
        assert connection["LITEMAAS_MASTER_KEY"] not in up.output


def test_model_that_moved_is_followed(start_up: StartUp, state_dir: Path):
    with engine_with("one") as before, engine_with("other", "one") as after:
        up = start_up(state_dir, "--model", f"one={before}")
        up.ready()
        assert up.stop() == 0
        connection = start_up(state_dir, "--model", f"one={after}").ready()
        assert _engine_models(connection, "one") == [("one", after)]
        assert chat(connection, "one", connection["LITEMAAS_MASTER_KEY"]).status_code == 200


def test_models_beside_the_demo_are_open_to_the_demo_key(start_up: StartUp, state_dir: Path):
    with engine_with("a", "b") as url:
        models = [f"first={url}#a", f"both/of.them={url}#a", f"both/of.them={url}#b"]
        connection = start_up(state_dir, "--demo", *(word for model in models for word in ("--model", model))).ready()
        assert chat(connection, "first").status_code == 200
        assert _engine_models(connection, "both/of.them") == [("a", url), ("b", url)]
        assert chat(connection, "both/of.them").status_code == 200


def test_what_looks_wrong_is_said_and_registered_all_the_same(start_up: StartUp, state_dir: Path):
    with engine_with("a", "b") as url, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        up = start_up(state_dir, "--model", f"unknown={url}", "--model", f"away={away}")
        connection = up.ready()
        assert f"{url} has no model 'unknown', but a, b" in up.output
        assert f"{away}/v1 cannot be reached" in up.output
        assert _engine_models(connection, "away") == [("away", f"{away}/v1")]
        assert chat(connection, "away", connection["LITEMAAS_MASTER_KEY"]).status_code >= 500


def test_simulated_models_rest_while_their_servers_do_and_come_back(start_up: StartUp, state_dir: Path):
    up = start_up(state_dir, "--demo")
    demo_key = up.ready()["LITEMAAS_DEMO_KEY"]
    assert up.stop() == 0
    up = start_up(state_dir)
    connection = up.ready()
    assert "LITEMAAS_DEMO_KEY" not in connection
    assert chat(connection, demo.CHAT_MODEL, demo_key).status_code != 200
    assert not _is_enabled(connection)
    assert up.stop() == 0
    connection = start_up(state_dir, "--demo").ready()
    assert _is_enabled(connection)
    assert chat(connection, demo.CHAT_MODEL, demo_key).status_code == 200


def _is_enabled(connection: dict[str, str]) -> bool:
    [deployment] = ask_model(connection, demo.CHAT_MODEL)["deployments"]
    return bool(deployment["enabled"])


CONFIG = """
model_list:
  - model_name: mine
    litellm_params: {model: hosted_vllm/a, litellm_credential_name: house}
credential_list:
  - credential_name: house
    credential_values: {api_base: "ENGINE", api_key: not-asked-for}
    credential_info: {}
router_settings:
  model_group_alias: {gpt-4o: mine}
guardrails:
  - guardrail_name: company
    litellm_params:
      guardrail: litellm_content_filter
      mode: pre_call
      default_on: true
      blocked_words: [{keyword: Hello, action: BLOCK}]
"""


def test_litellms_file_brings_models_credentials_aliases_and_guardrails(
    start_up: StartUp, state_dir: Path, tmp_path: Path
):
    with engine_with("a") as url:
        file = tmp_path / "config.yaml"
        file.write_text(CONFIG.replace("ENGINE", url), encoding="utf-8")
        connection = start_up(state_dir, "--config", str(file)).ready()
        key = connection["LITEMAAS_MASTER_KEY"]
        assert _engine_models(connection, "mine") == [("a", url)]
        refused = chat(connection, "mine", key)
        assert (refused.status_code, "keyword" in refused.text) == (403, True)
        put = httpx2.put(
            f"{connection['LITEMAAS_CONTROL_URL']}/api/v1/admin/settings/guardrails",
            headers={"Authorization": f"Bearer {key}"}, json={"guardrails": []}, timeout=10, trust_env=False,
        )  # fmt: skip
        assert put.status_code == 200, put.text
        until(lambda: chat(connection, "gpt-4o", key).status_code == 200, 5, "the guardrail to be gone")


class _Service(BaseHTTPRequestHandler):
    """Judges what a guardrail asks, and keeps what a callback is told."""

    told: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer: dict[str, Any] = {}
        if self.path == "/logs":
            self.told += body
        else:
            is_blocked = self.headers["x-api-key"] == "guard-secret" and any("Hello" in text for text in body["texts"])
            answer = {"action": "BLOCKED" if is_blocked else "NONE"}
        written = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - as above


@contextmanager
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


SERVICES = """
model_list:
  - {model_name: mine, litellm_params: {model: hosted_vllm/a, api_base: "ENGINE"}}
litellm_settings: {callbacks: [logs]}
callback_settings: {logs: {callback_type: generic_api, endpoint: "SERVICE/logs"}}
guardrails:
  - guardrail_name: judge
    litellm_params:
      {guardrail: generic_guardrail_api, mode: pre_call, default_on: true, api_base: "SERVICE", api_key: guard-secret}
"""


def test_litellms_file_brings_services_that_judge_and_are_told(start_up: StartUp, state_dir: Path, tmp_path: Path):
    with engine_with("a") as url, service() as asked:
        file = tmp_path / "config.yaml"
        file.write_text(SERVICES.replace("ENGINE", url).replace("SERVICE", asked), encoding="utf-8")
        connection = start_up(state_dir, "--config", str(file)).ready()
        refused = chat(connection, "mine", connection["LITEMAAS_MASTER_KEY"])
        assert (refused.status_code, "blocked by the guardrail judge" in refused.text) == (400, True), refused.text
        until(lambda: [one["status"] for one in _Service.told] == ["failure"], 30, "the callback to be told")
