"""Why can an embedded server not serve? Each error says what the person at the terminal does next.

EmbeddedServerError
├── ServerMissing            the wheel holds no server for this machine
├── StateDirectoryBusy       another process uses the state directory
├── StateDirectoryUnusable   what lies there cannot be read, entered or understood
├── PortBusy                 somebody else listens on the wanted port
└── ServerDidNotStart        it ended or stayed silent; the end of its log is in the message
"""

from __future__ import annotations


class EmbeddedServerError(Exception):
    """An embedded PostgreSQL or Valkey cannot serve; the message is meant for the person who started it."""


class ServerMissing(EmbeddedServerError):
    """The wheel is not installed or holds no server for this machine."""


class StateDirectoryBusy(EmbeddedServerError):
    """Another process uses the state directory."""

    def __init__(self, message: str, holder_pid: int | None) -> None:
        super().__init__(message)
        self.holder_pid = holder_pid


class StateDirectoryUnusable(EmbeddedServerError):
    """What lies in the state directory cannot be read, entered or understood."""


class PortBusy(EmbeddedServerError):
    """Somebody else listens on the wanted port."""

    def __init__(self, message: str, port: int) -> None:
        super().__init__(message)
        self.port = port


class ServerDidNotStart(EmbeddedServerError):
    """The server ended or stayed silent; the end of its log is in the message."""
