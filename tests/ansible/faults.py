"""How does a gateway look that fails now and then? A proxy before the real one answers some calls by itself, or hangs up."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable
from typing import Any

import httpx2

Fault = Callable[[int, str, str, bytes], tuple[int, dict[str, str]] | str | None]
"""Of the number of the call, method, path and body: a status and headers, ``drop``, ``lose``, or None for no fault."""


class FaultyGateway:
    """``calls``: method and path of all that came. ``lose``: the gateway does it, and its answer is lost."""

    def __init__(self, target: str, fault: Fault) -> None:
        self.target = target
        self.fault = fault
        self.calls: list[tuple[str, str]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Tests say what they want to know."""

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.calls.append((self.command, self.path))
                wanted = outer.fault(len(outer.calls), self.command, self.path, body)
                if wanted is None or wanted == "lose":
                    headers = {
                        name: value
                        for name, value in self.headers.items()
                        if name.lower() in ("authorization", "content-type")
                    }
                    answer = httpx2.request(
                        self.command,
                        outer.target + self.path,
                        content=body,
                        headers=headers,
                        timeout=60,
                        trust_env=False,
                    )
                    status, more, content = answer.status_code, {"Content-Type": "application/json"}, answer.content
                elif wanted == "drop":
                    status, more, content = 0, {}, b""
                else:
                    (status, more), content = wanted, b'{"error": {"message": "Not now."}}'
                if wanted in ("drop", "lose"):
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in {**more, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _handle  # noqa: N815 — http.server's names

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def times(self, method: str, path: str) -> int:
        return self.calls.count((method, path))

    def __enter__(self) -> FaultyGateway:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
