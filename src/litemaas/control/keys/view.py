"""How does a key stand now? Its row with its owner, payer, models, spend and use, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from sqlalchemy import Row

from litemaas.control.http.work import Work
from litemaas.control.keys import repository_views as views
from litemaas.control.keys import service
from litemaas.control.keys.schemas import KeyOut, LinkedModel, Person, Team
from litemaas.core.access import access_of, facts_of, policy_of
from litemaas.core.entitlements import Block, Facts, Payer, Policy


class Surroundings(msgspec.Struct, frozen=True):
    """What is known beside the rows of some keys."""

    owners: dict[str, Row[Any]]
    teams: dict[str, Row[Any]]
    members: set[tuple[str, str]]
    models: dict[str, Row[Any]]
    subscriptions: dict[tuple[str | None, str | None, str], Row[Any]]
    policies: list[Policy]
    now: datetime
    zone: tzinfo


async def look_around(work: Work, rows: Sequence[Row[Any]]) -> Surroundings:
    connection = await work.connection()
    user_ids = {row.user_id for row in rows if row.user_id is not None}
    team_ids = {row.team_id for row in rows if row.team_id is not None}
    names = {name for row in rows for name in row.models}
    return Surroundings(
        owners=await views.owners(connection, user_ids),
        teams=await views.payers(connection, team_ids),
        members=await views.memberships(connection, team_ids),
        models=await views.catalogue(connection, names),
        subscriptions=await views.subscriptions_of(connection, user_ids, team_ids, names),
        policies=[policy_of(row._mapping) for row in await views.policies(connection)],
        now=work.now,
        zone=work.zone,
    )


async def shown(work: Work, rows: Sequence[Row[Any]]) -> list[KeyOut]:
    around = await look_around(work, rows)
    spent = await service.spend_of(work, rows)
    use = await views.use_of(await work.connection(), [row.key_hash for row in rows])
    return [_out(row, around, spent[row.key_hash], use.get(row.key_hash)) for row in rows]


async def shown_one(work: Work, row: Row[Any]) -> KeyOut:
    return (await shown(work, [row]))[0]


def state_of(row: Row[Any], now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is not None and row.expires_at <= now:
        return "expired"
    return "disabled" if row.blocked else "active"


def id_of(row: Row[Any]) -> str:
    return str(row.public_id or row.key_hash)


def name_of(row: Row[Any]) -> str:
    return str(row.name or row.alias or row.key_name)


def payer_of(row: Row[Any], around: Surroundings) -> Payer:
    if row.team_id is not None:
        return Payer(team_id=row.team_id)
    owner = around.owners.get(row.user_id)
    return Payer(user_id=row.user_id, groups=frozenset(owner.groups if owner is not None else ()))


def model_row(row: Row[Any], name: str, around: Surroundings) -> dict[str, Any] | None:
    """A model with the payer's subscription to it, as ``core.access`` reads them; None: there is no such model."""
    model = around.models.get(name)
    if model is None:
        return None
    payer = (None, row.team_id) if row.team_id is not None else (row.user_id, None)
    held = around.subscriptions.get((*payer, name))
    return dict(model._mapping) | {
        "subscription_id": held.id if held is not None else None,
        "status": held.status if held is not None else None,
        "expires_at": held.expires_at if held is not None else None,
        "quota_requests": held.quota_requests if held is not None else None,
        "quota_tokens": held.quota_tokens if held is not None else None,
    }


def facts(row: Row[Any], name: str, around: Surroundings) -> Facts | None:
    """Everything that the access rule looks at; None: there is no such model."""
    found = model_row(row, name, around)
    if found is None:
        return None
    team = around.teams.get(row.team_id) if row.team_id is not None else None
    owner = around.owners.get(row.user_id) if row.user_id is not None else None
    rule = facts_of(found, around.policies, payer_of(row, around), team.allowed_models if team is not None else None)
    return msgspec.structs.replace(
        rule,
        key_disabled=row.blocked, key_revoked=row.revoked_at is not None, key_expires_at=row.expires_at,
        owner_active=owner is None or owner.is_active,
        team_active=None if team is None else team.is_active and team.archived_at is None,
        in_team=team is None or row.user_id is None or (row.team_id, row.user_id) in around.members,
        linked=name in row.models,
    )  # fmt: skip


def model_block(row: Row[Any], name: str, around: Surroundings) -> Block | None:
    """Why this key may not call a model that it is linked to, apart from the key itself."""
    found = model_row(row, name, around)
    rule = facts(row, name, around)
    if found is None or rule is None:
        return Block.MODEL_UNAVAILABLE
    plain = msgspec.structs.replace(
        rule, key_disabled=False, key_revoked=False, key_expires_at=None, owner_active=True, team_active=None, in_team=True,
        needs_subscription=row.governed,
    )  # fmt: skip
    return access_of(found, plain, around.now).block


def key_block(row: Row[Any], around: Surroundings) -> Block | None:
    """Why nothing can be called with this key at all."""
    blocked = {"revoked": Block.KEY_REVOKED, "expired": Block.KEY_EXPIRED, "disabled": Block.KEY_DISABLED}
    if (block := blocked.get(state_of(row, around.now))) is not None:
        return block
    owner = around.owners.get(row.user_id) if row.user_id is not None else None
    if owner is not None and not owner.is_active:
        return Block.ACCOUNT_DISABLED
    team = around.teams.get(row.team_id) if row.team_id is not None else None
    if team is None:
        return None
    outside = row.governed and row.user_id is not None and (row.team_id, row.user_id) not in around.members
    return Block.TEAM_DISABLED if outside or not team.is_active or team.archived_at is not None else None


def _linked(row: Row[Any], name: str, around: Surroundings, whole: Block | None) -> LinkedModel:
    model = around.models.get(name)
    if model is None and not row.governed:  # an access group or a wildcard
        return LinkedModel(
            id=None,
            name=name,
            type=None,
            context_length=None,
            effective=whole is None,
            blocked_by=whole and whole.value,
        )
    block = whole or model_block(row, name, around)
    return LinkedModel(
        id=model.id if model is not None else None, name=name, type=_TYPES.get(model.mode) if model is not None else None,
        context_length=model.context_length if model is not None else None,
        effective=block is None, blocked_by=block.value if block is not None else None,
    )  # fmt: skip


_TYPES = {"chat": "chat", "completion": "chat", "embedding": "embeddings", "conversion": "convert",
          "rerank": "rerank", "audio_transcription": "transcription", "audio_speech": "speech", "image_generation": "image",
          "moderation": "moderation"}  # fmt: skip


def _out(row: Row[Any], around: Surroundings, spent_nano: int, use: Row[Any] | None) -> KeyOut:
    values = row._mapping
    whole = key_block(row, around)
    owner, team = around.owners.get(row.user_id), around.teams.get(row.team_id)
    limit = row.max_budget_nano
    in_grace = row.old_secret_until is not None and row.old_secret_until > around.now
    derived: dict[str, Any] = {
        "id": id_of(row), "ledger_id": row.key_hash, "name": name_of(row), "state": state_of(row, around.now),
        "blocked_by": whole.value if whole is not None else None,
        "revealable": row.secret_sealed is not None and whole is None,
        "models": [_linked(row, name, around, whole) for name in row.models],
        "guardrails": [str(name) for name in row.extras.get("guardrails") or ()],
        "owner": None if row.user_id is None else Person(
            id=row.user_id, username=owner.username if owner is not None else None,
            full_name=owner.full_name if owner is not None else None,
        ),
        "team": None if row.team_id is None else Team(id=row.team_id, name=team.name if team is not None else None),
        "budget_reset_at": service.current_window(row, around.now, around.zone).end,
        "budget_utilisation": round(spent_nano / limit * 100, 2) if limit else None,
        "spent_nano": spent_nano,
        "request_count": int(use.calls) if use is not None else 0,
        "last_used_at": use.last_at if use is not None else None,
        "old_secret_valid_until": row.old_secret_until if in_grace else None,
    }  # fmt: skip
    plain = {field: values[field] for field in KeyOut.model_fields.keys() & values.keys() if field not in derived}
    return KeyOut(**plain, **derived)
