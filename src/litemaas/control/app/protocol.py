"""What does a client hear that sent no HTTP request? The same kind of problem as everywhere; uvicorn would send plain text."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from litemaas.control.http.problems import PROBLEM_MEDIA, problem_before_any_request


class ProblemProtocol(HttpToolsProtocol):
    """uvicorn's, but for the words of its refusals. An address of more than 65,535 bytes is one of the things it refuses."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words
        body = problem_before_any_request()
        fields = f"content-type: {PROBLEM_MEDIA}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
        self.transport.write(f"HTTP/1.1 400 Bad Request\r\n{fields}\r\n".encode() + body)
        self.transport.close()
