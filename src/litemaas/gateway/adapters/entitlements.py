"""Which models may a governed key call, and until when? The facts of the access rule, read together with the key.

What is made of them is ``core.access``; a call looks into the finished map and asks nobody. News of the holder, the
catalogue or the policies make the gateway read the key again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from litemaas.core.access import access_of, facts_of, policy_of
from litemaas.core.entitlements import Payer
from litemaas.core.keys import Access

if TYPE_CHECKING:
    import asyncpg

_MODELS = """
select m.name, m.tags, m.restricted_access, m.status as lifecycle, m.retires_at,
       exists (select 1 from deployments d where d.model_name = m.name and d.enabled and d.deleted_at is null) as has_endpoint,
       s.id as subscription_id, s.status, s.expires_at, s.quota_requests, s.quota_tokens
from models m
left join subscriptions s on s.model_name = m.name and s.archived_at is null
     and case when $3::text is not null then s.team_id = $3 else s.user_id = $2 end
where m.name = any($1)
"""
_POLICIES = "select * from access_policies order by created_at, id"


async def read_access(connection: asyncpg.Connection, key: asyncpg.Record, now: datetime) -> dict[str, Access]:
    """By model that the key is linked to. ``key``: a row of ``virtual_keys`` with ``groups`` and ``allowed_models``."""
    if not key["models"]:
        return {}
    rows = await connection.fetch(_MODELS, key["models"], key["user_id"], key["team_id"])
    policies = [policy_of(row) for row in await connection.fetch(_POLICIES)]
    payer = (
        Payer(team_id=key["team_id"])
        if key["team_id"] is not None
        else Payer(user_id=key["user_id"], groups=frozenset(key["groups"] or ()))
    )
    return {row["name"]: access_of(row, facts_of(row, policies, payer, key["allowed_models"]), now) for row in rows}
