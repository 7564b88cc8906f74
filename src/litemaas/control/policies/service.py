"""What do the policies that hold now say? The rule itself is ``core.entitlements``."""

from __future__ import annotations

from collections.abc import Sequence

from litemaas.control.http.work import Work
from litemaas.control.policies import repository
from litemaas.core.access import policy_of
from litemaas.core.entitlements import Effect, Payer, Policy, judge


async def policies_now(work: Work) -> list[Policy]:
    return [policy_of(row._mapping) for row in await repository.every(await work.connection())]


async def payer_for(work: Work, user_id: str | None, team_id: str | None) -> Payer:
    """A team pays where one is named, else the person."""
    if team_id is not None or user_id is None:
        return Payer(team_id=team_id)
    return Payer(user_id=user_id, groups=frozenset(await repository.groups_of(await work.connection(), user_id) or ()))


async def payers_of(work: Work, user_id: str) -> list[Payer]:
    """A person, and the teams that they can ask for."""
    teams = await repository.teams_of(await work.connection(), user_id)
    return [await payer_for(work, user_id, None), *(Payer(team_id=team) for team in teams)]


async def hidden_from(work: Work, payers: Sequence[Payer], policies: Sequence[Policy]) -> frozenset[str]:
    """Names of models that none of these may use."""
    if not any(policy.effect in (Effect.DENY, Effect.ALLOW) for policy in policies):
        return frozenset()
    return frozenset(
        row.name for row in await repository.every_model(await work.connection())
        if not any(judge(policies, payer, row.name, row.tags, row.restricted_access).permitted for payer in payers)
    )  # fmt: skip
