"""How does the portal reach a browser? As files of a built bundle, from the same origin as the API.

Files with a hash in their name are kept for ever, ``index.html`` is asked for again each time, and every other path that a page
of the portal may have gets ``index.html``. Paths of the API are never answered from here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

import litemaas
from litemaas.kit.settings import SettingsError

INDEX = "index.html"
FOR_EVER = "public, max-age=31536000, immutable"
RESERVED = ("/api", "/health", "/litellm", "/metrics", "/openapi.json", "/docs")
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}


def find_bundle(chosen: str | None = None) -> Path | None:
    """Where the built portal is: where it was ``chosen`` to be, in the wheel, or in the checkout that this code runs from.

    None = not built. Errors: SettingsError where the chosen folder holds none.
    """
    if chosen is not None:
        if not (Path(chosen) / INDEX).is_file():
            raise SettingsError(f"LITEMAAS_CONTROL__PORTAL_DIR: there is no {INDEX} in this folder")
        return Path(chosen)
    package = Path(litemaas.__file__).parent
    checkouts = (parent / "portal" / "dist" for parent in package.parents[:4])
    return next((place for place in (package / "portal", *checkouts) if (place / INDEX).is_file()), None)


class Portal(BaseRoute):
    """The last route: GET and HEAD of what nobody else answers."""

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle
        self._index = bundle / INDEX
        self._built_at = 0
        self._known: Mapping[str, Path] = {}

    @property
    def _files(self) -> Mapping[str, Path]:
        """What the bundle holds; a new one, built while this runs, is noticed by its index."""
        with contextlib.suppress(FileNotFoundError):  # it is just being replaced
            built_at = self._index.stat().st_mtime_ns
            if built_at != self._built_at:
                files = [file for file in self._bundle.rglob("*") if file.is_file()]
                self._known = {f"/{file.relative_to(self._bundle).as_posix()}": file for file in files}
                self._built_at = built_at
        return self._known

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return Match.NONE, {}
        path: str = scope["path"]
        if any(path == place or path.startswith(f"{place}/") for place in RESERVED):
            return Match.NONE, {}
        is_page = path in self._files or not path.startswith("/assets/")
        return (Match.FULL if is_page else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        files = self._files
        file = files.get(path, self._index)
        headers = dict(HEADERS)
        headers["Cache-Control"] = FOR_EVER if path.startswith("/assets/") else "no-cache"
        kind = guess_type(file.name)[0] or "application/octet-stream"
        packed = files.get(f"{path}.gz")
        if packed is not None and "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            file = packed
            headers["Content-Encoding"] = "gzip"
        await FileResponse(file, headers=headers, media_type=kind)(scope, receive, send)
