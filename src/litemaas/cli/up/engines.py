"""Does the server behind ``--model`` answer, and how does it call its model?"""

from __future__ import annotations

from dataclasses import dataclass

import httpx2
import msgspec

from litemaas.cli.up.options import ModelOption

_WITHIN_S = 3.0
_NAMED_AT_MOST = 10


class _Listed(msgspec.Struct):
    id: str


class _ModelList(msgspec.Struct):
    data: list[_Listed]


@dataclass(frozen=True)
class Engine:
    """What was found out; ``doubt`` says in words what may be wrong."""

    model: str
    doubt: str | None = None


async def look_at(option: ModelOption) -> Engine:
    """Asks ``GET <api_base>/models`` once. The model is registered whatever comes out, so this only ever doubts.

    Source: OpenAI API reference, "List models"; vLLM and llama.cpp answer alike
    """
    engine_model = option.engine_model or option.name
    try:
        async with httpx2.AsyncClient(timeout=_WITHIN_S, trust_env=False, follow_redirects=False) as client:
            answer = await client.get(f"{option.api_base}/models")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        why = "does not answer in time" if isinstance(error, httpx2.TimeoutException) else "cannot be reached"
        return Engine(engine_model, f"{option.api_base} {why}; calls fail until it does")
    if answer.status_code in (401, 403):
        return Engine(engine_model, f"{option.api_base} asks for a credential: set the deployment's api_key by the API")
    try:
        listed = [model.id for model in msgspec.json.decode(answer.content, type=_ModelList).data]
    except msgspec.DecodeError:
        listed = []
    if answer.status_code != 200 or not listed:
        return Engine(
            engine_model, f"{option.api_base}/models lists no models (status {answer.status_code}): is the URL right?"
        )
    if engine_model in listed:
        return Engine(engine_model)
    if option.engine_model is None and len(listed) == 1:
        return Engine(listed[0])
    names = ", ".join(listed[:_NAMED_AT_MOST]) + (" ..." if len(listed) > _NAMED_AT_MOST else "")
    return Engine(
        engine_model, f"{option.api_base} has no model {engine_model!r}, but {names}: write {option.name}=URL#MODEL"
    )
