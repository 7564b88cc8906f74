"""Is this the master key? Compared in constant time; a virtual key opens nothing here yet."""

from __future__ import annotations

import hmac
from enum import StrEnum

from litemaas.core.errors import KeyMalformed, KeyMissing, KeyUnknown

MASTER_ACTOR = "default_user_id"
"""Who the master key acts as; LiteLLM's word, which clients see in ``created_by`` (gateway-api contract 2)."""


class Role(StrEnum):
    """What a route demands; PUBLIC is a declaration, too."""

    PUBLIC = "public"
    ADMIN = "admin"
    VIRTUAL_KEY = "virtual_key"
    """A virtual key about itself; the master key, too. Only the LiteLLM facade has such routes."""


class Authenticator:
    def __init__(self, master_key: str) -> None:
        self._master_key = master_key.encode()

    def is_master(self, presented: str) -> bool:
        return hmac.compare_digest(presented.encode(), self._master_key)

    def identify(self, authorization: str | None) -> str:
        """The actor behind an ``Authorization`` header.

        Errors: KeyMissing, KeyMalformed, KeyUnknown.
        """
        if not authorization:
            raise KeyMissing("Send the master key as 'Authorization: Bearer sk-…'.")
        scheme, _, presented = authorization.partition(" ")
        if scheme.lower() != "bearer" or not presented.strip():
            raise KeyMalformed("The Authorization header must read 'Bearer sk-…'.")
        if not self.is_master(presented.strip()):
            raise KeyUnknown("This key opens nothing here; the control plane takes the master key.")
        return MASTER_ACTOR
