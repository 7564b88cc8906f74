"""Where does a call come from? From a program with a key, or from the playground, which calls with a person's key for them.

A client could say anything about itself. So the control plane seals its word with the key that only the two planes have, for
the very secret that the call comes with: nobody else can say it, and nobody can say it again for another key.
"""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """Who made the call: a program through the API, or the playground of the portal for a person."""

    API = "api"
    PLAYGROUND = "playground"


HEADER = "x-litemaas-source"
"""In which the control plane tells the gateway; base64url of the sealed source."""


def seal_purpose(secret_hash: str) -> str:
    """What the source is sealed for. ``secret_hash``: of the secret that the call comes with."""
    return f"source:{secret_hash}"
