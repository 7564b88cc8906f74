"""Which of LiteLLM's management calls are answered? The page docs/reference/litellm-calls.md, read off the routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastapi.routing import APIRoute, iter_route_contexts

from litemaas.control.litellm_api.about import LEFT_OUT
from litemaas.control.litellm_api.app import create_facade
from litemaas.control.litellm_api.gate import FacadeGate

Table = Callable[[tuple[str, ...], Iterable[tuple[str, ...]]], str]


def litellm_page(head: str, table: Table) -> str:
    return (
        f"# LiteLLM's management calls\n\n{head}\n"
        "They are served on the gateway's port, with the paths, bodies and answers of LiteLLM 1.81. The machine-readable "
        "contract is `/openapi.json` there, and `/docs` lists it.\n\n"
        f"{table(('Call', 'Needs', 'What it does'), sorted(_calls()))}\n"
        "## Left out\n\nEach path below one of these answers 404 with the sentence.\n\n"
        f"{table(('Paths', 'Answer'), ((f'`{path}`', sentence) for path, sentence in LEFT_OUT.items()))}"
    )


def _calls() -> Iterable[tuple[str, str, str]]:
    for context in iter_route_contexts(create_facade().routes):
        route = context.original_route
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        [gate] = [d.call for d in context.dependant.dependencies if isinstance(d.call, FacadeGate)]
        told = (route.description or route.summary or route.name.replace("_", " ")).splitlines()[0]
        methods = " ".join(sorted(route.methods))
        yield f"`{methods} {context.path}`", gate.access.value, told.replace("|", "\\|")
