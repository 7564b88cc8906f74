"""How is a failure of the database told to a person, without what stands in its URL?"""

from __future__ import annotations

import re


def describe_database_error(error: Exception) -> str:
    """One line; never the URL or a part of it."""
    if isinstance(error, ValueError):
        return "its URL cannot be read"  # asyncpg quotes it
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    reason = getattr(error, "strerror", None) or str(error)
    return f"{type(error).__name__}: {re.sub(r'://[^@/ ]*@', '://', reason)}"
