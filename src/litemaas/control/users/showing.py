"""How does a row become what is shown of a person? With limits, spend, teams and counts, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from litemaas.control.auth.service import roles_of
from litemaas.control.http.work import Work
from litemaas.control.users import limits, repository
from litemaas.control.users.limits import Standing
from litemaas.control.users.schemas import Counts, Deactivation, Limits, Me, OwnTeam, UserOut, UserRow
from litemaas.control.users.service import DEACTIVATED
from litemaas.core.limits import user_scope
from litemaas.core.permissions import Role

EXPORTED = (
    "id", "username", "email", "full_name", "roles", "is_active", "cost_centre", "provider", "created_at",
    "last_sign_in_at",
)  # fmt: skip


async def rows_shown(work: Work, rows: Sequence[Row[Any]], *, brief: bool) -> list[UserRow]:
    if brief:
        return [UserRow(**_of_row(row)) for row in rows]
    standing = await limits.standing_of(work, [user_scope(row.id) for row in rows])
    return [UserRow(**_of_row(row), **_of_standing(standing[user_scope(row.id)])) for row in rows]


async def user_shown(work: Work, row: Row[Any]) -> UserOut:
    connection, scope = await work.connection(), user_scope(row.id)
    standing = (await limits.standing_of(work, [scope]))[scope]
    keys = await repository.keys_by_state(connection, row.id, work.now)
    subscriptions = await repository.subscriptions_by_state(connection, row.id, work.now)
    return UserOut(
        **_of_row(row),
        **_of_standing(standing),
        language=row.language,
        groups=row.groups,
        teams=await _teams(work, row.id),
        keys=_counts(keys),
        subscriptions=_counts(subscriptions),
        deactivation=_deactivation(row),
        updated_at=row.updated_at,
        updated_by=row.updated_by,
    )


async def me_shown(work: Work, row: Row[Any]) -> Me:
    scope = user_scope(row.id)
    standing = (await limits.standing_of(work, [scope]))[scope]
    known = _of_row(row)
    named = {name: known[name] for name in Me.model_fields if name in known}
    rest = {"language": row.language, "groups": row.groups, "teams": await _teams(work, row.id)}
    return Me(**named, **rest, **_of_standing(standing))


def exported(row: Row[Any]) -> dict[str, Any]:
    return {name: _of_row(row)[name] for name in EXPORTED}


def _of_row(row: Row[Any]) -> dict[str, Any]:
    named = {name: row._mapping[name] for name in UserRow.model_fields if name in row._mapping}
    known = {
        name: [role for role in row._mapping[name] if role in set(Role)] for name in ("granted_roles", "derived_roles")
    }
    return named | known | {"roles": list(roles_of(row))}


def _deactivation(row: Row[Any]) -> Deactivation | None:
    noted = row.extras.get(DEACTIVATED)
    return None if row.is_active or noted is None else Deactivation(**noted)


def _of_standing(standing: Standing) -> dict[str, Any]:
    return {
        "limits": Limits(**{name: getattr(standing, name) for name in Limits.model_fields}),
        "spent_nano": standing.spent_nano,
        "budget_reset_at": standing.budget_reset_at,
    }


async def _teams(work: Work, user_id: str) -> list[OwnTeam]:
    rows = await repository.teams_of(await work.connection(), user_id)
    return [OwnTeam(id=row.id, name=row.name, role=row.role) for row in rows]


def _counts(by_state: dict[str, int]) -> Counts:
    return Counts(total=sum(by_state.values()), active=by_state.get("active", 0))
