"""How do many deployments share a credential? By its name; whoever changes it changes all of them, in one transaction.

Each deployment keeps what the credential said when it was last changed, sealed for itself: the gateways read deployments only.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.catalog import credentials_repository as repository
from litemaas.control.catalog import service
from litemaas.control.http.refusals import Conflict
from litemaas.control.http.work import Work
from litemaas.core.errors import AlreadyExists, InvalidField, NotFound

TAKEN: Final = ("api_key", "api_base", "api_version")
"""What a credential can hold: whatever else was put into a deployment could end in the bodies of its calls."""
_MOST = 256


def _purpose(name: str) -> str:
    return f"credential:{name}"


def _not_found(name: str) -> NotFound:
    return NotFound(f"The credential {name[:200]!r} was not found.", "credential_name")


def _checked(values: dict[str, Any]) -> dict[str, str]:
    for name, value in values.items():
        if name not in TAKEN or not isinstance(value, str):
            raise InvalidField(f"credential_values holds texts named {', '.join(TAKEN)}.", "credential_values")
    return values


async def keep(work: Work, name: str, info: dict[str, Any], values: dict[str, Any]) -> None:
    """Errors: AlreadyExists, InvalidField."""
    if not name or len(name) > _MOST:
        raise InvalidField(f"credential_name has 1 to {_MOST} characters.", "credential_name")
    sealed = work.vault.seal(msgspec.json.encode(_checked(values)).decode(), _purpose(name))
    stamps = {"created_at": work.now, "created_by": work.actor, "updated_at": work.now, "updated_by": work.actor}
    row = {"name": name, "info": info, "values_sealed": sealed, **stamps}
    if not await repository.add(await work.connection(), row):
        raise AlreadyExists(f"A credential with the name {name!r} already exists.", "credential_name")
    await record(work, "credential.create", "credential", name, {"members": sorted(values)})


async def change(work: Work, name: str, info: dict[str, Any] | None, values: dict[str, Any]) -> None:
    """Merges values; every deployment that names the credential has them at once. Errors: NotFound, InvalidField."""
    connection = await work.connection()
    row = await repository.find(connection, name, lock=True)
    if row is None:
        raise _not_found(name)
    merged = _opened(work, row) | _checked(values)
    columns: dict[str, Any] = {"updated_at": work.now, "updated_by": work.actor}
    columns["values_sealed"] = work.vault.seal(msgspec.json.encode(merged).decode(), _purpose(name))
    if info is not None:
        columns["info"] = info
    await repository.change(connection, name, columns)
    shared: dict[str, Any] = {member: values[member] for member in ("api_key", "api_base") if member in values}
    if "api_base" in shared and "api_key" in merged:
        shared["api_key"] = merged["api_key"]  # it would not go to another address by itself
    for deployment_id in await repository.users_of(connection, name) if shared else ():
        await service.change_deployment(work, deployment_id, dict(shared))
    await record(work, "credential.update", "credential", name, {"members": sorted(values)})


async def remove(work: Work, name: str) -> None:
    """Errors: NotFound; Conflict while a deployment names it."""
    connection = await work.connection()
    if await repository.find(connection, name, lock=True) is None:
        raise _not_found(name)
    if users := await repository.users_of(connection, name):
        raise Conflict(f"The credential is used by {len(users)} deployments; give them another one first.")
    await repository.remove(connection, name)
    await record(work, "credential.delete", "credential", name, {})


async def values_of(work: Work, name: str) -> dict[str, str]:
    """In clear. Errors: InvalidField when there is none."""
    row = await repository.find(await work.connection(), name)
    if row is None:
        raise InvalidField(f"The credential {name[:200]!r} was not found.", repository.MEMBER)
    return _opened(work, row)


async def find(work: Work, name: str) -> Row[Any]:
    """Errors: NotFound."""
    row = await repository.find(await work.connection(), name)
    if row is None:
        raise _not_found(name)
    return row


def members_of(work: Work, row: Row[Any]) -> list[str]:
    """What it holds, without telling it."""
    return sorted(_opened(work, row))


def _opened(work: Work, row: Row[Any]) -> dict[str, str]:
    opened = work.vault.open(row.values_sealed, _purpose(row.name))
    return msgspec.json.decode(opened, type=dict[str, str])
