"""What do answers carry that belong to no call? An id to speak of them by, and leave for browsers to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from litemaas.gateway.errors import body_of, headers_of, status_of
from litemaas.gateway.reply_headers import chosen_id

if TYPE_CHECKING:
    from litemaas.core.errors import LiteMaaSError
    from litemaas.gateway.http.messages import Request, Response
    from litemaas.gateway.origins import Origins


class Refusals:
    """Answers of the gateway's own. ``profile``: how errors are told."""

    def __init__(self, origins: Origins, profile: str) -> None:
        self._origins = origins
        self._profile = profile

    def usual_lines(self, request: Request) -> bytes:
        """Header lines of every answer that is not a call's (gateway-api contract 1.4)."""
        call_id = chosen_id(request) or str(uuid4())
        return f"x-litellm-call-id: {call_id}\r\n{self._origins.lines(request)}".encode()

    def refuse(self, request: Request, response: Response, error: LiteMaaSError) -> None:
        """Answers a request that did not become a call."""
        profile = self._profile
        headers = b"content-type: application/json\r\n" + self.usual_lines(request) + headers_of(error, profile)
        response.send(status_of(error, profile), headers, body_of(error, profile))
