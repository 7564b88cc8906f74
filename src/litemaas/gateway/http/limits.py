"""What bounds the server and the client? Settings, read once."""

from __future__ import annotations

import msgspec


class ServerLimits(msgspec.Struct, frozen=True):
    """Units: bytes, seconds and counts as the names say.

    ``max_header_bytes`` also bounds what surrounds the chunks of a body; what is pipelined behind another request in the same
    piece of input may take up to twice as much.
    """

    max_header_bytes: int = 64 * 1024
    max_headers: int = 100
    max_connections: int = 10_000
    header_timeout_s: float = 15.0
    body_timeout_s: float = 30.0
    keepalive_timeout_s: float = 75.0
    write_timeout_s: float = 60.0


class ClientLimits(msgspec.Struct, frozen=True):
    """Units: seconds, bytes and counts as the names say.

    ``keepalive_timeout_s`` stays below the 5 s after which uvicorn, and with it vLLM, closes idle connections (uvicorn
    settings, ``timeout_keep_alive``, 2026-11).
    """

    connect_timeout_s: float = 5.0
    keepalive_timeout_s: float = 4.0
    max_connections_per_origin: int = 2000
    max_header_bytes: int = 64 * 1024
