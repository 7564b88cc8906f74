"""Who changed what? One record per mutation, in its transaction; never a secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert

from litemaas.control.http.work import Work
from litemaas.db.tables import audit


async def record(
    work: Work, action: str, object_kind: str, object_id: str, detail: dict[str, Any], object_name: str | None = None
) -> None:
    """``detail`` names the members that were set; callers leave credentials, secrets and header values out.

    ``object_name``: how people call the object now; it may be renamed or deleted later.
    """
    values = _values(work, action, object_kind, object_id, detail, object_name)
    await (await work.connection()).execute(insert(audit).values(**values))


async def record_many(
    work: Work, action: str, object_kind: str, objects: Sequence[tuple[str, dict[str, Any], str | None]]
) -> None:
    """One record per object that changed alike: its id, ``detail`` and name; in one statement."""
    rows = [_values(work, action, object_kind, object_id, detail, name) for object_id, detail, name in objects]
    await (await work.connection()).execute(insert(audit), rows)


def record_refusal(
    work: Work, action: str, object_kind: str, object_id: str, error_code: str, detail: dict[str, Any] | None = None
) -> None:
    """Notes what was refused; written although the request's own transaction is rolled back."""
    values = _values(work, action, object_kind, object_id, detail or {}, None)
    work.refusals.append(values | {"success": False, "error_code": error_code})


def _values(
    work: Work, action: str, object_kind: str, object_id: str, detail: dict[str, Any], object_name: str | None
) -> dict[str, Any]:
    principal = work.principal
    return {
        "actor": work.actor,
        "actor_kind": principal.kind.value,
        "actor_name": principal.name,
        "action": action,
        "object_kind": object_kind,
        "object_id": object_id,
        "object_name": object_name,
        "detail": detail,
        "request_id": work.request_id,
        "address": work.address,
        "user_agent": work.user_agent,
    }
