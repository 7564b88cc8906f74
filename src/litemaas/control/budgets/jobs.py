"""Who learns that a budget runs out? Its owner at 50, 80 and 100 percent of a window, once each, after a jump the highest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from litemaas.control.budgets import repository
from litemaas.control.http.duties import Duty
from litemaas.control.http.work import Plane, Work
from litemaas.control.notices.events import Event
from litemaas.control.notices.service import notify, notify_holders
from litemaas.core.money import format_usd
from litemaas.core.permissions import Permission
from litemaas.core.windows import window_at

THRESHOLDS = (100, 80, 50)
_LOOKED_BACK = timedelta(minutes=10)
"""Windows on which nothing was booked since then have been looked at; a platform that was down longer looks at all of them."""


async def tell_of_budgets(plane: Plane) -> None:
    """Looks at the windows that were booked on lately. Telling twice is no harm: notices keep each threshold apart."""
    async with plane.work() as work:
        connection = await work.connection()
        rows = await repository.spent_lately(connection, work.now - _LOOKED_BACK)
        for row in rows:
            if window_at(row.budget_duration, work.now, row.budget_set_at, work.zone).start == row.window_start:
                await _tell(work, row)


async def _tell(work: Work, row: Row[Any]) -> None:
    window = row.window_start.date().isoformat()
    facts = {"name": row.name, "spent": format_usd(row.settled_nano), "window": window}
    people = await _recipients(work, row)
    if row.soft_budget_nano is not None and row.settled_nano >= row.soft_budget_nano:
        soft = facts | {"limit": format_usd(row.soft_budget_nano)}
        await notify(work, Event.BUDGET_SOFT, user_ids=people, subject=row.scope, facts=soft, once=f"{window}:soft")
    if not row.max_budget_nano:
        return
    reached = next((p for p in THRESHOLDS if row.settled_nano * 100 >= row.max_budget_nano * p), None)
    if reached is None:
        return
    hard = facts | {"limit": format_usd(row.max_budget_nano), "percent": reached}
    once = f"{window}:{reached}"
    await notify(work, Event.BUDGET_REACHED, user_ids=people, subject=row.scope, facts=hard, once=once)
    if reached == 100 and row.scope.startswith("team:"):
        await notify_holders(
            work, Permission.ADMIN_TEAMS_WRITE, Event.BUDGET_REACHED, subject=row.scope, facts=hard, once=once
        )


async def _recipients(work: Work, row: Row[Any]) -> Sequence[str]:
    """The owner of a key or a budget; of a team and its keys, the team's admins."""
    people = [] if row.user_id is None else [row.user_id]
    if row.team_id is not None:
        people += await repository.admins_of_team(await work.connection(), row.team_id)
    return people


TELL_OF_BUDGETS = Duty("tell of budgets", 15.0, tell_of_budgets)
