"""Who changed what? One record per mutation, in its transaction; never a secret."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from litemaas.control.http.work import Work
from litemaas.db.tables import audit


async def record(work: Work, action: str, object_kind: str, object_id: str, detail: dict[str, Any]) -> None:
    """``detail`` names the members that were set; callers leave credentials, secrets and header values out."""
    await (await work.connection()).execute(
        insert(audit).values(
            actor=work.actor,
            action=action,
            object_kind=object_kind,
            object_id=object_id,
            detail=detail,
            request_id=work.request_id,
        )
    )
