"""Who may call what on the control plane? The page is written from the gates of the routes and the matrix of roles."""

from __future__ import annotations

from collections.abc import Callable

from fastapi.routing import iter_route_contexts

from litemaas.control.app import Settings, create_app
from litemaas.control.auth.gates import Gate
from litemaas.core.permissions import MATRIX, Permission, Role

_INTRO = """# Who may call what

Every route of the control plane declares what it demands: nothing (`public`), that somebody is signed in (`signed in`), or one
permission. `GET` and the other methods of a path may demand different ones. Without credentials the answer is 401; without the
permission it is 403, and `auth.denied` stands in the audit. Data of one's own is narrowed down by the query besides.
A test calls every route as everybody and compares.

## Roles
"""


def access_page(head: str, table: Callable[..., str]) -> str:
    """``head``: the comment above every generated page; ``table``: column names and rows to Markdown."""
    roles = table(
        ("permission", *(f"`{role}`" for role in Role)),
        (
            (f"`{permission}`", *("yes" if permission in MATRIX[role] else "" for role in Role))
            for permission in Permission
        ),
    )
    app = create_app(Settings(database_url="postgresql://x/y", master_key="sk-" + "0" * 32, encryption_key="0" * 32))
    rows = []
    for context in iter_route_contexts(app.routes):
        dependant = getattr(context, "dependant", None)
        gates = [d.call for d in dependant.dependencies if isinstance(d.call, Gate)] if dependant else []
        methods = context.original_route.methods - {"HEAD"} if gates else ()
        rows += [(context.path, method, gates[0].demand(method)) for method in methods]
    routes = ((f"`{path}`", method, f"`{demand}`") for path, method, demand in sorted(rows))
    return "\n".join((head, _INTRO, roles, "## Routes\n", table(("path", "method", "demands"), routes)))
