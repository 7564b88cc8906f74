"""Does ``litemaas discover`` run as a process, and hand its lease over when it is told to end?"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from .conftest import NAMESPACE, World


async def test_the_command_discovers_and_gives_its_lease_back(world: World, tmp_path: Path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(world.kubeconfig)
    world.server(publish="available", price_input="1")
    environ = os.environ | {
        "KUBECONFIG": str(kubeconfig), "LITEMAAS_DISCOVERY__CONTROL_URL": world.url,
        "LITEMAAS_DISCOVERY__TOKEN": world.settings["token"], "LITEMAAS_DISCOVERY__NAMESPACES": NAMESPACE,
        "LITEMAAS_DISCOVERY__LEASE_NAMESPACE": NAMESPACE, "LITEMAAS_DISCOVERY__PORT": "0",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "litemaas", "discover", env=environ, stderr=asyncio.subprocess.PIPE
    )
    try:
        await world.until(lambda models: models.get("granite", {}).get("status") == "available")
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert world.cluster.of("Lease")["litemaas-discovery"]["spec"].get("holderIdentity", "") == ""
    assert world.settings["token"].encode() not in log
    assert process.returncode in (0, -signal.SIGTERM), log[-2000:]


async def test_without_a_token_the_command_says_so(tmp_path: Path):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LITEMAAS_")}
    environ["LITEMAAS_DISCOVERY__CONTROL_URL"] = "http://127.0.0.1:1"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "litemaas", "discover", env=environ, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert b"token" in said.lower()
