"""How are answers called that a model server keeps? By an id that says where each lies, and that serves only its owner.

Model servers keep the answers of everybody's keys under one credential of ours. The id that a client gets names the deployment
and the answer there, and is signed together with the key it was given to. So every worker can follow it without a table, and
the id of somebody else's answer is none. Ids are the same each time, which lets a stream repeat them.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, NamedTuple

_PREFIX = "resp_"
_SIGNATURE_BYTES = 16
_MAX_CHARACTERS = 2048
_BETWEEN = b"\x00"


class Place(NamedTuple):
    """``engine_id``: what the model server calls the answer."""

    deployment_id: str
    engine_id: str


class ResponseIds:
    """``secret``: what all workers share and nobody else knows; with another one, earlier ids are none any more."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"litemaas/response-ids/" + secret.encode()).digest()

    def of(self, place: Place, owner: str) -> str:
        """``owner``: the hash of the key whose answer it is."""
        told = _BETWEEN.join(part.encode() for part in place)
        return _PREFIX + urlsafe_b64encode(self._signature(told, owner) + told).rstrip(b"=").decode()

    def open(self, identity: str, owner: str) -> Place | None:
        """None for what is not an id of this owner's."""
        if not identity.startswith(_PREFIX) or len(identity) > _MAX_CHARACTERS or not identity.isascii():
            return None
        text = identity.removeprefix(_PREFIX)
        try:
            sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return None
        signature, told = sealed[:_SIGNATURE_BYTES], sealed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(told, owner)):
            return None
        deployment_id, _, engine_id = told.decode().partition(_BETWEEN.decode())
        return Place(deployment_id, engine_id)

    def _signature(self, told: bytes, owner: str) -> bytes:
        return hmac.digest(self._key, owner.encode() + _BETWEEN + told, "sha256")[:_SIGNATURE_BYTES]


class ClientIds:
    """How the ids within the answers of one deployment are called towards the client that they are for."""

    __slots__ = ("_deployment_id", "_ids", "_owner")

    def __init__(self, ids: ResponseIds, deployment_id: str, owner: str) -> None:
        self._ids = ids
        self._deployment_id = deployment_id
        self._owner = owner

    def renamed(self, response: dict[str, Any]) -> dict[str, str]:
        """The members of an answer that the client is told otherwise."""
        found = {name: response.get(name) for name in ("id", "previous_response_id")}
        return {
            name: self._ids.of(Place(self._deployment_id, engine_id), self._owner)
            for name, engine_id in found.items()
            if isinstance(engine_id, str) and engine_id
        }
