"""What was refused to a key? As the gateway described it in its answer, read from the records."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from litemaas.control.http.work import Work
from litemaas.control.keys import repository_views as views
from litemaas.control.keys.schemas import RefusalOut, RefusalQuery, Refusals


async def blocks_of(work: Work, row: Row[Any], query: RefusalQuery) -> Refusals:
    """The newest first."""
    found = await views.refusals_of(await work.connection(), row.key_hash, query.before, query.limit)
    return Refusals(data=[RefusalOut.model_validate(refusal) for refusal in found])


async def last_block(work: Work, row: Row[Any]) -> RefusalOut | None:
    found = await blocks_of(work, row, RefusalQuery(limit=1))
    return found.data[0] if found.data else None
