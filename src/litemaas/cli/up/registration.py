"""Which models and keys shall the platform have when it is ready, and does the gateway know of them?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import httpx2

from litemaas.cli.up import demo
from litemaas.cli.up.administration import Administration
from litemaas.cli.up.engines import Engine
from litemaas.cli.up.errors import CannotStart
from litemaas.cli.up.options import ModelOption
from litemaas.cli.up.state import StateDirectory
from litemaas.cli.up.wanted import WantedDeployment, WantedModel

_KNOWN_WITHIN_S = 10.0


def real_models(options: Sequence[ModelOption], engines: Sequence[Engine]) -> list[WantedModel]:
    """The models of ``--model``; a name that is given twice has two deployments."""
    places: dict[str, list[WantedDeployment]] = {}
    for option, engine in zip(options, engines, strict=True):
        places.setdefault(option.name, []).append(WantedDeployment("openai", engine.model, option.api_base))
    return [WantedModel(name, tuple(deployments)) for name, deployments in places.items()]


async def register_demo(
    administration: Administration, urls: Mapping[str, str], state: StateDirectory
) -> list[WantedModel]:
    """The simulated models at ``urls``, and the demo key: the kept one as long as the platform has it."""
    wanted = demo.wanted_models(urls)
    for model in wanted:
        await administration.register(model)
    kept = state.demo_key
    if kept is None or not await administration.has_key(kept):
        state.keep_demo_key(await administration.create_key(demo.KEY))
    return wanted


async def pause_demo(administration: Administration, except_names: Iterable[str]) -> None:
    """The models of an earlier ``--demo`` stay in the catalogue, without their servers."""
    for name in set(demo.MODEL_NAMES) - set(except_names):
        await administration.pause_simulated(name)


async def until_known(client: httpx2.AsyncClient, gateway_url: str, master_key: str, names: set[str]) -> None:
    """Changes reach the gateway by themselves; this waits until they have.

    Errors: CannotStart
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _KNOWN_WITHIN_S
    headers = {"Authorization": f"Bearer {master_key}"}
    missing = names
    while missing:
        try:
            answer = await client.get(f"{gateway_url}/v1/models", headers=headers)
            missing = names - {model["id"] for model in answer.json()["data"]}
        except (httpx2.HTTPError, ValueError, KeyError, TypeError):
            missing = names
        if missing and loop.time() > deadline:
            raise CannotStart(f"the gateway does not learn of the model(s) {', '.join(sorted(missing))}.")
        if missing:
            await asyncio.sleep(0.03)
