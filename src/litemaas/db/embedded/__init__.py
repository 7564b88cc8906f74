"""Where do PostgreSQL and Valkey come from on one machine? From wheels, started here as children of this process."""

from __future__ import annotations

from litemaas.db.embedded.errors import (
    EmbeddedServerError,
    PortBusy,
    ServerDidNotStart,
    ServerMissing,
    StateDirectoryBusy,
    StateDirectoryUnusable,
)
from litemaas.db.embedded.postgres import EmbeddedPostgres
from litemaas.db.embedded.state import StateLock
from litemaas.db.embedded.unprivileged import Identity
from litemaas.db.embedded.valkey import EmbeddedValkey

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedServerError",
    "EmbeddedValkey",
    "Identity",
    "PortBusy",
    "ServerDidNotStart",
    "ServerMissing",
    "StateDirectoryBusy",
    "StateDirectoryUnusable",
    "StateLock",
]
