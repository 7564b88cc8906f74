"""How does a key of a person or a team come to be and change? It has one payer, and calls need that one's subscriptions.

Counts and rules hold under concurrency: whoever adds a key for a payer waits for who does so at the same moment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.http.refusals import Conflict, InvalidTransition, Mend, PermissionDenied
from litemaas.control.http.work import Work
from litemaas.control.keys import repository, rules, service
from litemaas.control.keys import repository_views as views
from litemaas.control.keys.drafts import ModelLimit, check_limits
from litemaas.control.keys.view import id_of, name_of, state_of
from litemaas.control.notices.events import Event
from litemaas.control.notices.service import notify
from litemaas.control.settings.groups import CountSettings, KeySettings
from litemaas.control.settings.service import read, require_guardrails
from litemaas.control.subscriptions.repository import Holder
from litemaas.control.subscriptions.service import grant
from litemaas.core.errors import LiteMaaSError, NotFound
from litemaas.core.keys import KEY_PREFIX, generate_long_key, hash_key, mask_key
from litemaas.core.subscriptions import Status, status_now

_COLUMNS = (
    "name", "description", "models", "permissions", "tags", "metadata", "cost_centre", "max_budget_nano", "soft_budget_nano",
    "budget_duration", "rpm_limit", "tpm_limit", "max_parallel_requests", "expires_at",
)  # fmt: skip


class Payer(msgspec.Struct, frozen=True):
    """Whose key it is, and the team that pays for it if the owner does not."""

    user_id: str
    team_id: str | None = None

    @property
    def holder(self) -> Holder:
        return Holder(team_id=self.team_id) if self.team_id is not None else Holder(user_id=self.user_id)

    @property
    def key(self) -> str:
        return f"team:{self.team_id}" if self.team_id is not None else f"user:{self.user_id}"


async def payer_for(work: Work, user_id: str, team_id: str | None) -> Payer:
    """Errors: NotFound for a team that one is not in; PermissionDenied for who may not make keys there."""
    if team_id is None:
        return Payer(user_id)
    found = await views.role_in(await work.connection(), team_id, user_id)
    if found is None:
        raise NotFound("The team was not found.", "team_id")
    if found.role == "viewer" or (found.role == "member" and not found.members_may_create_keys):
        raise PermissionDenied("In this team you may not make keys. Ask one of its administrators.")
    return Payer(user_id, team_id)


async def create(
    work: Work, payer: Payer, asked: Mapping[str, Any], *, bound: bool, grant_missing: bool = False
) -> tuple[str, str]:
    """Makes a key; returns its secret and its hash. ``bound``: defaults and maximums hold, as for everybody but administrators.

    Errors: InvalidRequestMembers, LimitAboveMaximum, InvalidField; Conflict when there are as many keys as there may be.
    """
    connection = await work.connection()
    settings = await read(work, KeySettings)
    values = rules.with_defaults(asked, settings.defaults, work.now) if bound else dict(asked)
    values["models"], unknown = await _named_models(work, values["models"])
    mends = unknown + rules.expiry(values, work.now) + rules.per_model(values)
    if not values["models"] and not unknown:
        mends.append(Mend("models", "Name at least one model.", "VALIDATION_ERROR"))
    mends += await _without_subscription(work, payer.holder, values["models"], grant_missing=grant_missing)
    if bound:
        mends += rules.above_maximums(values, settings.maximums, work.now, (*_COLUMNS, "expires_at"))
    rules.require_none(mends)
    await require_guardrails(work, values.get("guardrails") or ())
    await require_room(work, payer)
    secret = generate_long_key()
    row = _columns(values) | {
        "key_hash": hash_key(secret), "public_id": str(uuid4()), "governed": True,
        "user_id": payer.user_id, "team_id": payer.team_id, "budget_set_at": work.now,
        "created_at": work.now, "created_by": work.actor, "updated_at": work.now, "updated_by": work.actor,
        **secret_columns(work, hash_key(secret), secret, keep=settings.reveal),
    }  # fmt: skip
    await repository.add_key(connection, row)
    made = await repository.find_key(connection, hash_key(secret))
    assert made is not None  # noqa: S101 — made one line above, in this transaction
    service.tell(work, made)
    await note(work, "key.created", made, shown(values) | {"granted": grant_missing})
    await tell_owner(work, made, "created")
    return secret, made.key_hash


async def change(work: Work, row: Row[Any], asked: Mapping[str, Any], *, bound: bool) -> None:
    """Sets the members that were sent. ``row`` is locked.

    Errors: InvalidTransition for a revoked key; as :func:`create`.
    """
    if row.revoked_at is not None:
        raise InvalidTransition("A revoked key cannot be changed.")
    values = dict(asked)
    mends: list[Mend] = []
    if bound and not row.governed and set(values) - {"name", "description"}:
        raise PermissionDenied("Only the name and the description of this key are yours to change.")
    if "models" in values and row.governed:
        values["models"], mends = await _named_models(work, values["models"])
        new = [name for name in values["models"] if name not in row.models]
        holder = Holder(team_id=row.team_id) if row.team_id is not None else Holder(user_id=row.user_id)
        mends += await _without_subscription(work, holder, new, grant_missing=False)
    after = {**row._mapping, **values}
    if row.governed and values.keys() & {"models", "model_limits", "max_budget_nano", "rpm_limit", "tpm_limit"}:
        if "model_limits" not in values:  # limits of models that go, go with them
            values["model_limits"] = {m: ModelLimit(**v) for m, v in row.model_limits.items() if m in after["models"]}
            after["model_limits"] = values["model_limits"]
        mends += rules.per_model(after)
    if "expires_at" in values:
        mends += rules.expiry(values, work.now)
    if bound:
        settings = await read(work, KeySettings)
        mends += rules.above_maximums(after, settings.maximums, work.now, values)
    rules.require_none(mends)
    if state_of(row, work.now) == "expired" and "expires_at" in values and not row.blocked and row.governed:
        await require_room(work, Payer(row.user_id, row.team_id))
    if "guardrails" in values:
        values["extras"] = {**row.extras, "guardrails": values.pop("guardrails")}
    await service.change_key(work, row.key_hash, values)
    await tell_owner(work, row, "changed")


async def require_room(work: Work, payer: Payer) -> None:
    """Errors: Conflict when the payer has as many active keys as there may be."""
    connection = await work.connection()
    await views.lock_holder(connection, payer.key)
    most = await read(work, CountSettings)
    limit = most.keys_per_team if payer.team_id is not None else most.keys_per_user
    if await views.active_keys(connection, payer.user_id, payer.team_id, work.now) >= limit:
        who = "A team" if payer.team_id is not None else "A person"
        raise Conflict(f"{who} may have {limit} active keys. Revoke or disable one first.")


def secret_columns(work: Work, key_hash: str, secret: str, *, keep: bool) -> dict[str, Any]:
    """``keep``: a sealed copy, for its owner to see again."""
    return {
        "key_name": mask_key(secret), "prefix": secret[: len(KEY_PREFIX) + 4], "last4": secret[-4:],
        "secret_hash": hash_key(secret),
        "secret_sealed": work.vault.seal(secret, f"key:{key_hash}") if keep else None,
    }  # fmt: skip


async def note(work: Work, action: str, row: Row[Any], detail: Mapping[str, Any]) -> None:
    """An audit record of a key; ``ledger_id`` is what it is called where money is counted."""
    await record(work, action, "key", id_of(row), {**detail, "ledger_id": row.key_hash}, name_of(row))


async def tell_owner(work: Work, row: Row[Any], what: str, event: Event = Event.KEY_CHANGED) -> None:
    """Tells the owner what somebody else did with the key; of a reveal, whoever did it."""
    if row.user_id is None or (event is Event.KEY_CHANGED and row.user_id == work.principal.user_id):
        return
    facts = {"name": name_of(row), "change": what, "actor": work.principal.name, "address": work.address}
    await notify(work, event, user_ids=[row.user_id], subject=f"key:{id_of(row)}", facts=facts)


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """What audit quotes of the members of a key: not those that people fill freely."""
    return dict(
        msgspec.to_builtins({name: value for name, value in values.items() if name not in ("metadata", "extras")})
    )


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    columns = {name: values[name] for name in _COLUMNS if name in values}
    check_limits({**columns, "model_limits": values.get("model_limits") or {}})
    limits = {model: msgspec.structs.asdict(limit) for model, limit in (values.get("model_limits") or {}).items()}
    extras = {"guardrails": values["guardrails"]} if values.get("guardrails") else {}
    return columns | {"model_limits": limits, "extras": extras}


async def _named_models(work: Work, named: Sequence[str]) -> tuple[list[str], list[Mend]]:
    """Names of models that were given by name or id, each once; and what is none."""
    found = await views.model_names(await work.connection(), named) if named else {}
    mends = [
        Mend(f"models.{place}", f"There is no model {name!r}.", "NOT_FOUND")
        for place, name in enumerate(named) if name not in found
    ]  # fmt: skip
    return list(dict.fromkeys(found[name] for name in named if name in found)), mends


async def _without_subscription(
    work: Work, holder: Holder, names: Collection[str], *, grant_missing: bool
) -> list[Mend]:
    connection = await work.connection()
    users = [holder.user_id] if holder.user_id is not None else []
    teams = [holder.team_id] if holder.team_id is not None else []
    held = await views.subscriptions_of(connection, users, teams, names) if names else {}
    catalogue = await views.catalogue(connection, names) if grant_missing else {}
    mends = []
    for name in names:
        row = held.get((holder.user_id, holder.team_id, name))
        if row is not None and status_now(Status(row.status), row.expires_at, work.now) is Status.ACTIVE:
            continue
        if grant_missing:
            mends += await _grant(work, holder, name, catalogue)
        else:
            mends.append(Mend("models", f"There is no active subscription to {name}.", "SUBSCRIPTION_MISSING"))
    return mends


async def _grant(work: Work, holder: Holder, name: str, catalogue: Mapping[str, Row[Any]]) -> list[Mend]:
    model = await repository.find_model(await work.connection(), catalogue[name].id)
    try:
        await grant(work, holder, model)
    except LiteMaaSError as refusal:
        return [Mend("models", refusal.message, "POLICY_DENIED")]
    return []
