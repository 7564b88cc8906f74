"""Which codes open a seat? Ten characters that cannot be mistaken for one another: 49 bits, far beyond bounded tries."""

from __future__ import annotations

import hashlib
import secrets

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without I, O, 0 and 1."""
_LENGTH = 10


def new_code() -> str:
    """As people read it: two groups of five."""
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return f"{code[:5]}-{code[5:]}"


def hash_code(guid: str, code: str) -> str:
    """SHA-256 in hex, of this workshop alone. How somebody writes it makes no difference: case, spaces, hyphens."""
    plain = "".join(character for character in code.upper() if character.isalnum())
    return hashlib.sha256(f"{guid}\n{plain}".encode()).hexdigest()
