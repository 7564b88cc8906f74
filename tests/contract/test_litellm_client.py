"""Do LiteLLM's own Python client and its ``litellm-proxy`` command get along with the gateway?

They are not among our dependencies: the test runs where ``LITEMAAS_TEST_LITELLM_PYTHON`` names an interpreter that has them.
``make test-litellm`` installs them and says so.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from litemaas.cli.up import demo

PYTHON = os.environ.get("LITEMAAS_TEST_LITELLM_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="LITEMAAS_TEST_LITELLM_PYTHON names no interpreter"),
]
WITHIN_S = 240
SCRIPT = """
import json, os
from click.testing import CliRunner
from litellm.proxy.client import Client
from litellm.proxy.client.cli import cli

url, key, model = (os.environ[name] for name in ("URL", "KEY", "MODEL"))
client, told = Client(base_url=url, api_key=key), {}

def note(name, ask):
    try:
        told[name] = ask()
    except Exception as error:
        told[name] = {"failed": type(error).__name__ + ": " + str(error)}

note("models", client.models.list)
note("info", client.models.info)
note("groups", client.model_groups.info)
note("generated", lambda: client.keys.generate(models=[model], key_alias="by-litellm", duration="30d"))
note("keys", lambda: client.keys.list(return_full_object=True))
note("chat", lambda: client.chat.completions(model=model, messages=[{"role": "user", "content": "Hello"}], max_tokens=2))
note("deleted", lambda: client.keys.delete(key_aliases=["by-litellm"]))
note("credentials", client.credentials.list)
note("wrong", Client(base_url=url, api_key="sk-nobody-0123456789").models.list)
for words in ("models list --format json", "models info", "keys list", "users list", "credentials list", "version",
              "http request GET /health/readiness"):
    ran = CliRunner().invoke(cli, ["--base-url", url, "--api-key", key, *words.split()])
    told["cli " + words] = {"status": ran.exit_code, "output": ran.output[-300:], "error": repr(ran.exception)}
print("TOLD" + json.dumps(told, default=str))
"""


@pytest.fixture(scope="module")
def told(platform: Mapping[str, str]) -> dict[str, Any]:
    """What each call of client and command answered, in one process: it takes long to start."""
    own = {"URL": platform["LITEMAAS_GATEWAY_URL"], "KEY": platform["LITEMAAS_MASTER_KEY"], "MODEL": demo.CHAT_MODEL}
    ran = subprocess.run(
        [str(PYTHON), "-c", SCRIPT], capture_output=True, text=True, timeout=WITHIN_S, check=False,
        env={**os.environ, **own, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*"},
    )  # fmt: skip
    assert "TOLD" in ran.stdout, ran.stderr[-2000:]
    found: dict[str, Any] = json.loads(ran.stdout.partition("TOLD")[2])
    return found


def test_the_python_client_reads_models_and_makes_lists_and_deletes_keys(told: dict[str, Any]):
    failed = {name: value for name, value in told.items() if isinstance(value, dict) and "failed" in value}
    assert set(failed) == {"wrong"}, failed
    assert "Unauthorized" in failed["wrong"]["failed"]
    assert demo.CHAT_MODEL in [model["id"] for model in told["models"]]
    assert told["generated"]["key"].startswith("sk-")
    assert "by-litellm" in [key["key_alias"] for key in told["keys"]["keys"]]
    assert told["deleted"] == {"deleted_keys": ["by-litellm"]}
    assert told["chat"]["choices"]


def test_the_command_line_client_works(told: dict[str, Any]):
    ran = {name: value for name, value in told.items() if name.startswith("cli ")}
    assert {name: value for name, value in ran.items() if value["status"] != 0} == {}
