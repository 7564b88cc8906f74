"""When does somebody hear that a budget is being used up? In the settlement that passes a mark, once per window and mark.

The marks are the soft budget and four fifths of the hard one (gateway-api contract 5.3). The settlement holds the locks of the
windows, so of two workers that settle at once one passes the mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

_NOTE = """
with spent as (
    select w.scope, w.window_start, w.settled_nano
    from fresh f join budget_windows w using (scope, window_start) where f.cost > 0
), limits as (
    select s.*, b.max_budget_nano as hard, b.soft_budget_nano as soft from spent s join budgets b using (scope)
    union all
    select s.*, b.max_budget_nano, b.soft_budget_nano from spent s join budgets b on b.scope = 'customer:*'
    where $1::text is null and s.scope like 'customer:%' and not exists (select 1 from budgets own where own.scope = s.scope)
    union all
    select s.*, p.max_budget_nano, p.soft_budget_nano from spent s join budget_plans p on p.id = $1
    where s.scope like 'customer:%' and not exists (select 1 from budgets own where own.scope = s.scope)
    union all
    select s.*, k.max_budget_nano, k.soft_budget_nano from spent s join virtual_keys k on k.key_hash = substr(s.scope, 5)
    where s.scope like 'key:%'
    union all
    select s.*, (k.model_limits -> substr(s.scope, strpos(s.scope, '/model:') + 7) ->> 'max_budget_nano')::bigint, null
    from spent s join virtual_keys k on k.key_hash = split_part(substr(s.scope, 5), '/', 1)
    where s.scope like 'key:%/model:%'
)
insert into budget_events (scope, window_start, kind, threshold_nano, settled_nano)
select l.scope, l.window_start, mark.kind, mark.nano, l.settled_nano
from limits l cross join lateral (values ('soft', l.soft), ('near_limit', l.hard - l.hard / 5)) as mark (kind, nano)
where l.settled_nano >= mark.nano
  and not exists (select 1 from budget_events e where (e.scope, e.window_start, e.kind) = (l.scope, l.window_start, mark.kind))
on conflict do nothing
"""


async def note_events(connection: asyncpg.Connection, customers_plan: str | None) -> None:
    """Looks at what the transaction has settled (the table ``fresh``), after it has settled it.

    ``customers_plan``: the budget by its name of customers who have none of their own.
    """
    await connection.execute(_NOTE, customers_plan)
