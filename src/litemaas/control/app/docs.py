"""Where is the contract? ``/openapi.json``, and a page that lists it and needs no network of its own."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from litemaas.control.auth.gates import Open, requires
from litemaas.control.http.work import WorkRoute

router = APIRouter(route_class=WorkRoute, dependencies=[requires(Open.PUBLIC)], include_in_schema=False)
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui;max-width:60em;margin:2em auto;padding:0 1em}}td{{padding:.2em 1em .2em 0}}</style>
<h1>{title}</h1><p>The machine-readable contract: <a href="openapi.json">openapi.json</a>. Send the master key as
<code>Authorization: Bearer sk-…</code>.</p><table>{rows}</table></html>"""


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    contract: dict[str, Any] = request.app.openapi()
    rows = "".join(
        f"<tr><td><code>{method.upper()}</code><td><code>{escape(path)}</code><td>{escape(operation['summary'])}"
        for path, methods in contract["paths"].items()
        for method, operation in methods.items()
    )
    return HTMLResponse(_PAGE.format(title=escape(contract["info"]["title"]), rows=rows))
