"""What holds now? A group's defaults with what was set; every change is audited with old and new values."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.http.work import Work
from litemaas.control.settings import repository
from litemaas.control.settings.groups import Group

G = TypeVar("G", bound=Group)


async def read(work: Work, kind: type[G]) -> G:
    """The group as it holds now."""
    return shown(kind, await repository.find(await work.connection(), kind.group))


async def write(work: Work, wanted: G) -> G:
    """Puts the whole group; equal values change nothing and are not audited."""
    connection = await work.connection()
    kind = type(wanted)
    before = shown(kind, await repository.find(connection, kind.group, lock=True))
    if before != wanted:
        await repository.put(connection, kind.group, wanted.model_dump(mode="json"), work.actor, work.now)
        await record(work, "settings.updated", "settings", kind.group, _difference(before, wanted))
    return wanted


def shown(kind: type[G], row: Row[Any] | None) -> G:
    """What was stored by an older version may lack members, which have their defaults, and hold some that are gone."""
    stored = row.value if row is not None else {}
    return kind.model_validate({name: value for name, value in stored.items() if name in kind.model_fields})


def _difference(before: Group, after: Group) -> dict[str, Any]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    changed = [name for name in new if old[name] != new[name]]
    return {"old": {name: old[name] for name in changed}, "new": {name: new[name] for name in changed}}
