"""What holds now? A group's defaults with what was set; every change is audited with old and new values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.audit.service import record
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.refusals import Conflict
from litemaas.control.http.work import Work
from litemaas.control.settings import repository
from litemaas.control.settings.groups import Group, GuardrailSettings
from litemaas.control.settings.guardrail_secrets import hidden, sealed
from litemaas.core.errors import InvalidField
from litemaas.core.guardrails import NAMES

G = TypeVar("G", bound=Group)


async def read(work: Work, kind: type[G]) -> G:
    """The group as it holds now."""
    return shown(kind, await repository.find(await work.connection(), kind.group))


async def write(work: Work, wanted: G) -> Group:
    """Puts the whole group and returns it as it is shown; equal values change nothing and are not audited."""
    connection = await work.connection()
    kind = type(wanted)
    before: Group = _kept(kind, await repository.find(connection, kind.group, lock=True))
    keeping: Group = wanted
    if isinstance(wanted, GuardrailSettings) and isinstance(before, GuardrailSettings):
        await _require_nobody_left(connection, _names_of(before) - _names_of(wanted))
        keeping = sealed(wanted, before, work.vault)
    if before != keeping:
        await repository.put(connection, kind.group, keeping.model_dump(mode="json"), work.actor, work.now)
        await record(work, "settings.updated", "settings", kind.group, _difference(_hidden(before), _hidden(keeping)))
        if kind.is_read_by_gateways:
            work.changed(ChangeKind.CATALOG, kind.group)
    return _hidden(keeping)


async def guardrail_names(work: Work) -> list[str]:
    """All that can be named: built-in ones, and this installation's own."""
    return [*sorted(_names_of(await read(work, GuardrailSettings))), *NAMES]


async def require_guardrails(work: Work, names: Sequence[str]) -> None:
    """Errors: InvalidField for the first name that is none."""
    if all(name in NAMES for name in names):
        return
    known = await guardrail_names(work)
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise InvalidField(f"There is no guardrail {unknown[:100]!r}. There are: {', '.join(known)}.", "guardrails")


def _names_of(settings: GuardrailSettings) -> set[str]:
    return {str(entry["guardrail_name"]) for entry in settings.guardrails}


async def _require_nobody_left(connection: AsyncConnection, gone: set[str]) -> None:
    """Calls of a key or model that names a guardrail which is gone would be refused. Errors: Conflict naming who does."""
    holders = await repository.who_names_guardrails(connection) if gone else []
    left = sorted({f"{name} ({holder})" for holder, names in holders for name in names if name in gone})
    if left:
        raise Conflict(f"Still named by: {', '.join(left[:10])}. Take it off there first.")


def shown(kind: type[G], row: Row[Any] | None) -> G:
    """The group as people may see it."""
    return _hidden(_kept(kind, row))


def _hidden(group: G) -> G:
    """Without secrets."""
    return cast("G", hidden(group)) if isinstance(group, GuardrailSettings) else group


def _kept(kind: type[G], row: Row[Any] | None) -> G:
    """What was stored by an older version may lack members, which have their defaults, and hold some that are gone."""
    stored = row.value if row is not None else {}
    return kind.model_validate({name: value for name, value in stored.items() if name in kind.model_fields})


def _difference(before: Group, after: Group) -> dict[str, Any]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    changed = [name for name in new if old[name] != new[name]]
    return {"old": {name: old[name] for name in changed}, "new": {name: new[name] for name in changed}}
