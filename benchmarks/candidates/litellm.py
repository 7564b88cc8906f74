"""How does LiteLLM run here? Its proxy from PyPI in an environment of its own, without a database, one worker."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks import canned
from benchmarks.candidates.base import Candidate, CandidateMissing, Place, until_answers
from benchmarks.processes import Child, free_port

_INSTALL_WITHIN_S = 900
_START_WITHIN_S = 120.0
_MASTER_KEY = "sk-litellm-0123456789abcdef"


@asynccontextmanager
async def litellm(place: Place) -> AsyncIterator[Candidate]:
    """Errors: CandidateMissing."""
    python = await asyncio.to_thread(_installed, place.cache / "litellm")
    asked = [str(python), "-c", "import importlib.metadata as m; print(m.version('litellm'))"]
    version = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True).stdout.strip()  # noqa: ASYNC221
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
        python.with_name("litellm"), "--config", file, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1",
    ]  # fmt: skip
    child = Child(command, core=place.sut_core, log=place.folder / "litellm.log", environ=environ)
    try:
        await until_answers(child, f"http://127.0.0.1:{port}/health/liveliness", _START_WITHIN_S)
        yield Candidate(
            "litellm", port, canned.PUBLIC_MODEL, canned.PUBLIC_MODEL, key=_MASTER_KEY, pid=child.pid, version=version
        )
    finally:
        child.stop()


def _installed(folder: Path) -> Path:
    """The environment's interpreter, made at the first use."""
    python = folder / "bin" / "python"
    if (folder / "bin" / "litellm").exists():
        return python
    print("· installing LiteLLM into an environment of its own; this takes a while")
    shutil.rmtree(folder, ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    steps: tuple[list[str | Path], ...] = (
        [sys.executable, "-m", "venv", folder],
        [uv, "pip", "install", "--quiet", "--python", python, "litellm[proxy]"]
        if uv.exists()
        else [python, "-m", "pip", "install", "--quiet", "litellm[proxy]"],
    )
    for step in steps:
        try:
            subprocess.run([str(part) for part in step], timeout=_INSTALL_WITHIN_S, check=True)
        except (subprocess.SubprocessError, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise CandidateMissing(f"LiteLLM cannot be installed from PyPI: {type(error).__name__}") from error
    return python
