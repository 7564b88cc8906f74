"""What can be done with a key once it is there? Disabled, enabled, rotated, revealed, revoked; and its owner is told.

Rotation changes the secret and nothing else: the key keeps its id, its place in the ledger, its limits and what it has spent.
It is one statement; if anything fails, the old secret goes on working.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from litemaas.control.audit.service import record_refusal
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.rates import Rate, Rates, take
from litemaas.control.http.refusals import Conflict, ControlRefusal, InvalidTransition
from litemaas.control.http.work import Work
from litemaas.control.keys import repository, rules, service
from litemaas.control.keys import repository_views as views
from litemaas.control.keys.owning import Payer, note, require_room, secret_columns, tell_owner
from litemaas.control.keys.view import id_of, state_of
from litemaas.control.notices.events import Event
from litemaas.control.settings.groups import KeySettings
from litemaas.control.settings.recency import require_recent_sign_in
from litemaas.control.settings.service import read
from litemaas.core.errors import InvalidField, LiteMaaSError
from litemaas.core.keys import generate_long_key, hash_key, key_scope
from litemaas.kit.crypto import SealBroken

ROTATED_AT, ROTATIONS = "last_rotation_at", "rotation_count"
"""Where ``extras`` note when a key was last rotated, and how often."""


async def disable(work: Work, row: Row[Any], reason: str | None) -> None:
    """It can be undone. Errors: InvalidTransition."""
    _require_not_revoked(row)
    extras = service.without_disabler(row.extras) | {service.DISABLED_BY: work.actor}
    values = {"blocked": True, "status_reason": reason, "extras": extras}
    await _set(work, row, values, "key.disabled", {"reason": reason})
    await tell_owner(work, row, "disabled")


async def enable(work: Work, row: Row[Any]) -> None:
    """Errors: InvalidTransition; Conflict when there are as many active keys as there may be."""
    _require_not_revoked(row)
    if not row.blocked:
        return
    if row.governed and row.user_id is not None:
        await require_room(work, Payer(row.user_id, row.team_id))
    values = {"blocked": False, "status_reason": None, "extras": service.without_disabler(row.extras)}
    await _set(work, row, values, "key.enabled", {})
    await tell_owner(work, row, "enabled")


async def revoke(work: Work, row: Row[Any], reason: str | None) -> None:
    """For good; neither secret works from now on. Errors: InvalidTransition."""
    _require_not_revoked(row)
    values = {"revoked_at": work.now, "status_reason": reason, "secret_sealed": None, "old_secret_until": None}
    await _set(work, row, values, "key.revoked", {"reason": reason})
    await tell_owner(work, row, "revoked")


async def delete(work: Work, row: Row[Any], reason: str | None = None) -> None:
    """Revoked and hidden; what it was used for stays attributed to it."""
    values = {
        "revoked_at": row.revoked_at or work.now,
        "deleted_at": work.now,
        "secret_sealed": None,
        "old_secret_until": None,
    }
    await _set(work, row, values, "key.deleted", {"reason": reason} if reason else {})
    await tell_owner(work, row, "deleted")


async def rotate(work: Work, row: Row[Any], grace_s: int, chosen: str | None = None) -> str:
    """A new secret; the one before works for ``grace_s`` seconds, any older one no more. Returns the new one.

    ``chosen``: the secret to take, which opens no other key.

    Errors: InvalidTransition for a key that cannot be used any more.
    """
    _require_not_revoked(row)
    if state_of(row, work.now) == "expired":
        raise InvalidTransition("An expired key cannot be rotated. Move its expiry first, or make a new key.")
    settings = await read(work, KeySettings)
    secret = chosen or generate_long_key()
    values = secret_columns(work, row.key_hash, secret, keep=settings.reveal) | {
        "old_secret_hash": row.secret_hash or row.key_hash,
        "old_secret_until": work.now + timedelta(seconds=grace_s) if grace_s else None,
        "extras": row.extras | {ROTATED_AT: work.now.isoformat(), ROTATIONS: int(row.extras.get(ROTATIONS) or 0) + 1},
    }
    await _set(work, row, values, "key.rotated", {"grace_seconds": grace_s})
    work.changed(ChangeKind.KEY, hash_key(secret))
    await tell_owner(work, row, "rotated")
    return secret


async def end_grace(work: Work, row: Row[Any]) -> None:
    """The former secret ends now. Without one nothing happens."""
    if row.old_secret_until is not None and row.old_secret_until > work.now:
        await _set(work, row, {"old_secret_until": None}, "key.grace_ended", {})


async def reveal(work: Work, row: Row[Any], rates: Rates) -> str:
    """The secret, for the owner who has just signed in. Both outcomes are audited.

    Errors: ReauthenticationRequired, TooManyRequests, Conflict, InvalidField.
    """
    settings = await read(work, KeySettings)
    try:
        secret = await _opened(work, row, rates, settings)
    except LiteMaaSError as refusal:
        code = refusal.public_code if isinstance(refusal, ControlRefusal) else refusal.code
        record_refusal(work, "key.reveal_failed", "key", id_of(row), code)
        raise
    await note(work, "key.revealed", row, {})
    await tell_owner(work, row, "revealed", Event.KEY_REVEALED)
    return secret


async def _opened(work: Work, row: Row[Any], rates: Rates, settings: KeySettings) -> str:
    await take(rates, Rate("key-reveal", settings.reveals_per_5_minutes, 300), work.actor)
    await require_recent_sign_in(work)
    rules.require_settings_allow(settings)
    if state_of(row, work.now) != "active":
        raise Conflict("Only the secret of an active key is revealed.")
    if row.secret_sealed is None:
        raise InvalidField("No copy of this secret is kept; rotate the key to get a new one.", "id")
    try:
        return work.vault.open(row.secret_sealed, f"key:{row.key_hash}")
    except SealBroken:
        raise Conflict("The copy of this secret cannot be opened; rotate the key to get a new one.") from None


async def reset_spend(work: Work, row: Row[Any], reason: str) -> None:
    """The key's own window begins at nothing; owner, team, pot and the ledger stay as they are."""
    connection = await work.connection()
    before = (await service.spend_of(work, [row]))[row.key_hash]
    start = service.current_window(row, work.now, work.zone).start
    await repository.set_settled(connection, key_scope(row.key_hash), start, 0)
    work.changed(ChangeKind.BUDGET, key_scope(row.key_hash))
    service.tell(work, row)
    await note(work, "key.spend_reset", row, {"reason": reason, "spent_nano": 0, "old_spent_nano": before})
    await tell_owner(work, row, "spend reset")


async def reassign(work: Work, row: Row[Any], user_id: str) -> None:
    """Gives a team's key to another of its members. Errors: Conflict, InvalidField."""
    if row.team_id is None:
        raise Conflict("Only keys that a team pays for can be given to somebody else.")
    _require_not_revoked(row)
    found = await views.role_in(await work.connection(), row.team_id, user_id)
    if found is None or found.role == "viewer":
        raise InvalidField("The new owner must be a member of the team.", "user_id")
    await _set(work, row, {"user_id": user_id}, "key.reassigned", {"old": row.user_id, "new": user_id})
    await tell_owner(work, row, "reassigned")


async def _set(work: Work, row: Row[Any], values: dict[str, Any], action: str, detail: dict[str, Any]) -> None:
    stamps = {"updated_at": work.now, "updated_by": work.actor}
    await repository.change_key(await work.connection(), row.key_hash, values | stamps)
    service.tell(work, row)
    await note(work, action, row, detail)


def _require_not_revoked(row: Row[Any]) -> None:
    if row.revoked_at is not None:
        raise InvalidTransition("The key is revoked; that is final.")
