"""Where does the gateway listen? On one address; several workers share it, each with a queue of its own."""

from __future__ import annotations

import errno
import socket


def bound_socket(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """An address to listen on. ``shared``: other sockets of ours may listen there, too, and the system deals out who connects.

    Errors: OSError in words of ours when it is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise OSError(
                error.errno, f"port {port} of {host} is in use; set LITEMAAS_GATEWAY__PORT to another"
            ) from None
        raise
    sock.setblocking(False)
    return sock


class SharedPort:
    """A port that several processes listen on; it stays ours while none of them does.

    Errors: OSError when somebody else listens there.
    """

    def __init__(self, host: str, port: int) -> None:
        if port:
            bound_socket(host, port).close()  # two that share would not notice one another
        self._host = host
        self._held = bound_socket(host, port, shared=True)
        self.number: int = self._held.getsockname()[1]

    def open(self) -> socket.socket:
        """One more place to listen at; it takes part once somebody listens."""
        return bound_socket(self._host, self.number, shared=True)

    def close(self) -> None:
        self._held.close()
