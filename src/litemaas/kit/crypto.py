"""How are secrets kept at rest? Sealed with AES-256-GCM under a key from the environment, bound to what they belong to."""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE_BYTES = 12


class SealBroken(Exception):
    """The sealed bytes were made with another key, for another purpose, or were changed."""


class Vault:
    """Seals and opens provider credentials and recoverable keys.

    ``passphrase``: at least 16 characters with the entropy of a random key (it is hashed, not stretched).
    ``former``: passphrases that may still open what was sealed before a rotation.
    """

    def __init__(self, passphrase: str, former: tuple[str, ...] = ()) -> None:
        if len(passphrase) < 16:
            raise ValueError("the encryption key must have at least 16 characters")
        self._ciphers = [AESGCM(hashlib.sha256(b"litemaas/" + p.encode()).digest()) for p in (passphrase, *former)]

    def seal(self, secret: str, purpose: str) -> bytes:
        """``purpose`` names the owner, like ``deployment:<id>``; a sealed secret opens only for the same one."""
        return self.seal_bytes(secret.encode(), purpose)

    def seal_bytes(self, secret: bytes, purpose: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._ciphers[0].encrypt(nonce, secret, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> str:
        """Errors: SealBroken, without a hint of the content."""
        return self.open_bytes(sealed, purpose).decode()

    def open_bytes(self, sealed: bytes, purpose: str) -> bytes:
        """Errors: SealBroken, without a hint of the content."""
        if sealed[:1] != _VERSION or len(sealed) <= len(_VERSION) + _NONCE_BYTES:
            raise SealBroken("a sealed secret has an unknown format")
        nonce, box = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, box, purpose.encode())
            except InvalidTag:
                continue
        raise SealBroken(f"the secret of {purpose} cannot be opened: was LITEMAAS_ENCRYPTION_KEY changed?")
