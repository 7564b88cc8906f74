"""How does LiteLLM run here? Its proxy from PyPI in an environment of its own, without a database, one worker."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks import canned
from benchmarks.candidates.base import Candidate, Place, until_answers
from benchmarks.candidates.environment import installed, version_of
from benchmarks.processes import Child, free_port

_START_WITHIN_S = 120.0
_MASTER_KEY = "sk-litellm-0123456789abcdef"


@asynccontextmanager
async def litellm(place: Place) -> AsyncIterator[Candidate]:
    """Errors: CandidateMissing."""
    program = await asyncio.to_thread(installed, place.cache / "litellm", "litellm[proxy]", "litellm")
    version = await asyncio.to_thread(version_of, program, "litellm")
    port = free_port()
    # JSON is YAML
    configuration = {
        "model_list": [
            {
                "model_name": canned.PUBLIC_MODEL,
                "litellm_params": {
                    "model": f"openai/{canned.ENGINE_MODEL}",
                    "api_base": f"{place.upstream_url}/v1",
                    "api_key": "sk-upstream",
                    "input_cost_per_token": 0.00000015,
                    "output_cost_per_token": 0.0000006,
                },
            }
        ],
        "general_settings": {"master_key": _MASTER_KEY},
        "litellm_settings": {"telemetry": False},
    }
    file = place.folder / "litellm.yaml"
    await asyncio.to_thread(file.write_text, json.dumps(configuration))
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("LITEMAAS_", "DATABASE_"))}
    # Documented switches: no debug log, and no price list from the network
    environ |= {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
    command: list[str | Path] = [
        program, "--config", file, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1",
    ]  # fmt: skip
    child = Child(command, core=place.sut_core, log=place.folder / "litellm.log", environ=environ)
    try:
        await until_answers(child, f"http://127.0.0.1:{port}/health/liveliness", _START_WITHIN_S)
        yield Candidate(
            "litellm", port, canned.PUBLIC_MODEL, canned.PUBLIC_MODEL, key=_MASTER_KEY, pid=child.pid, version=version
        )
    finally:
        child.stop()
