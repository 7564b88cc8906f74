"""How does a list that grows at its head go on? By a cursor: the moment and id of the last row that was seen."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from litemaas.core.errors import InvalidField


def write_cursor(at: datetime, row_id: object) -> str:
    return base64.urlsafe_b64encode(f"{at.isoformat()} {row_id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Errors: InvalidField."""
    refusal = InvalidField("The cursor is not one of ours; take next_cursor of the page before.", "cursor")
    try:
        written = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, row_id = written.partition(" ")
        moment = datetime.fromisoformat(at)
    except (ValueError, binascii.Error):
        raise refusal from None
    if moment.tzinfo is None or not row_id:
        raise refusal
    return moment, row_id
